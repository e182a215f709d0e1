"""Result files as arguments of a command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
"""A result file that is there."""


class Incompatible(click.ClickException):
    """Files that are no result files of this version, or that cannot be compared: exit code 6."""

    exit_code = 6


def load(path: Path) -> dict[str, Any]:
    """A valid record. Raises Incompatible for a file of another schema, AccelError for one that is not valid."""
    from ...bench.result import file as result

    try:
        return result.load(path)
    except result.IncompatibleError as error:
        raise Incompatible(str(error)) from None
