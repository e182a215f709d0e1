"""``accel hub``: writes a package for Hugging Face's `kernels`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Write a package for Hugging Face's kernels.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def command(folder: Path) -> int:
    """Writes FOLDER/accel-bits-N: layers and functions whose Triton kernels are printed, for models on machines
    without accel. N is the bit contract's number.

    The package needs torch and Triton. Its folders are those that the library `kernels` loads.

    Exit code 0 well; 2 bad arguments, such as a folder that has the package already.
    """
    from .. import registry
    from . import console

    registry.backend("triton")  # says what is missing, and what installs it
    from .. import hub

    console.say(str(hub.build(folder)))
    return 0
