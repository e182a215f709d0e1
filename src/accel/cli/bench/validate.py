"""``accel bench validate``: are these result files valid?"""

from __future__ import annotations

from pathlib import Path

import click

from .files import FILE


@click.command(short_help="Are these result files valid?")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE…")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(files: tuple[Path, ...], as_json: bool) -> int:
    """Checks result files against the published JSON Schema, and what a schema cannot say: unique ids, medians that
    are those of the samples, hashes where bits are promised, no path of the machine.

    Exit code 0 if all are valid, 2 if one is not, 6 if one has another schema.
    """
    from ...bench.result import file as result
    from ...errors import ArgumentError
    from .. import console

    rows, code = [], 0
    for path in files:
        try:
            found = result.problems(result.read(path))
        except ArgumentError as error:
            found = [str(error).removeprefix(f"{path}: ")]
            code = max(code, 6 if isinstance(error, result.IncompatibleError) else 2)
        code = max(code, 2 if found else 0)
        rows.append({"file": str(path), "valid": not found, "problems": found})
        if not as_json:
            console.say(f"{path}: {'NOT valid' if found else 'valid'}", style=console.BAD if found else console.GOOD)
            for text in found:
                console.say(f"  {text}")
    if as_json:
        console.print_json({"schema": result.SCHEMA, "valid": not code, "files": rows})
    return code
