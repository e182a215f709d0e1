"""``accel bench report``: result files as one HTML page, or as Markdown for an issue."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from ...errors import AccelError

FORMATS = {".html": "html", ".htm": "html", ".md": "markdown", ".markdown": "markdown"}
"""The format of an output file by its suffix."""


def chosen(form: str | None, output: str | None) -> str:
    """The format: the one asked for, else that of the file's suffix, else Markdown, which can be read in a terminal.
    Raises click.BadParameter for a suffix that tells none."""
    if form is not None:
        return form
    if output is None:
        return "markdown"
    suffix = Path(output).suffix.lower()
    if suffix not in FORMATS:
        raise click.BadParameter(
            f"{output!r} has no suffix that tells the format; expected {', '.join(FORMATS)}, or --format",
            param_hint="--output",
        )
    return FORMATS[suffix]


@click.command(short_help="Result files as an HTML page, or as Markdown for an issue.")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False), metavar="FILE...")
@click.option("-o", "--output", default=None, type=click.Path(dir_okay=False), help="Write here. [default: stdout]")
@click.option("--format", "form", default=None, type=click.Choice(["html", "markdown"]),
              help="[default: by the suffix; markdown on stdout]")  # fmt: skip
def command(files: tuple[str, ...], output: str | None, form: str | None) -> int:
    """The report on one result file, or on several side by side: devices, or versions of accel.

    The HTML page is one file that needs no network and no JavaScript, and holds the results that it was made of.
    """
    from ...bench.result import file as result

    form = chosen(form, output)
    if output is not None and any(Path(output).exists() and os.path.samefile(output, file) for file in files):
        raise click.BadParameter(f"{output!r} is one of the result files; it would be lost", param_hint="--output")
    records = [result.load(Path(file)) for file in files]
    if form == "html":
        from ...bench.report import html

        text = html.render(records)
    else:
        from ...bench.report import markdown

        text = markdown.render(records)
    if output is None:
        click.echo(text, nl=False)
    else:
        write(Path(output), text)
    return 0


def write(path: Path, text: str) -> None:
    """Writes the text; what was there stays until all of it is written. Raises AccelError where that fails."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise AccelError(f"--output: {path}: {error.strerror or error}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
