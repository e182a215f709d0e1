"""The command line. One module per command; a command's module is imported when it is asked for.

Exit codes: 0 well; 1 the command found something wrong (a device that does not work, bits that differ); 2 bad arguments
or an `AccelError` (its message on stderr, no traceback); 130 interrupted; 141 who read the output is gone (`| head`).
"""

from __future__ import annotations

import codecs
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

COMMANDS = (
    "aot", "bench", "completion", "conform", "demo", "devices", "doctor", "explain", "hub", "tune", "verify", "warm",
)  # fmt: skip
"""Names of the commands, which are the names of their modules; each module has its click command as ``command``."""


class Commands(click.Group):
    """Commands that are modules of a package, each imported at its first use; its click command is named ``command``.

    package: its name. names: of its modules, with ``_`` where the command has ``-``.
    """

    def __init__(self, *arguments: Any, package: str = __name__, names: Sequence[str] = COMMANDS, **keywords: Any):
        super().__init__(*arguments, **keywords)
        self.package, self.names = package, [name.replace("_", "-") for name in names]

    def list_commands(self, context: click.Context) -> list[str]:
        return self.names

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        module = f"{self.package}.{name.replace('-', '_')}"
        return importlib.import_module(module).command if name in self.names else None


def _version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from .. import BIT_CONTRACT, __version__

        click.echo(f"accel {__version__} (bit contract {BIT_CONTRACT})")
        context.exit()


@click.group(
    name="accel", cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def commands() -> None:
    """One tensor-op layer for every accelerator vendor, with the same bits on all of them."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (None: that of the process) and returns its exit code."""
    from ..errors import AccelError

    try:
        result = commands.main(
            args=None if arguments is None else list(arguments), prog_name="accel", standalone_mode=False
        )
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("accel: interrupted", err=True)
        return 130
    except AccelError as error:
        click.echo(f"accel: error: {error}", err=True)
        return 2
    except (BrokenPipeError, SystemExit) as end:  # click and rich answer a closed pipe with the latter
        if isinstance(end, SystemExit) and not end.code:  # a shell's question is answered: see `accel completion`
            return 0
        return _reader_is_gone()
    except OSError:
        if _is_somewhere():
            raise
        click.echo("accel: error: the working directory was deleted; change to one that is there", err=True)
        return 2
    return result if isinstance(result, int) else 0


def _reader_is_gone() -> int:
    """The exit code of a process that SIGPIPE ended. What is still in the buffers goes nowhere, and says nothing.

    The signal itself stays ignored, as it is in Python: `bench run` writes to processes that may be gone.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    return 141


def _is_somewhere() -> bool:
    """Whether this process's working directory is still there."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def main() -> None:
    """The entry point of the command ``accel``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            speak(stream)
    sys.exit(run())


def speak(stream: io.TextIOWrapper) -> None:
    """Lets a stream take all text. ASCII is what Python falls back to where the locale says nothing (``LC_ALL=C``):
    UTF-8 is written there. An encoding that was asked for stays, and what it lacks becomes a question mark."""
    unsaid = codecs.lookup(stream.encoding).name == "ascii"
    stream.reconfigure(encoding="utf-8" if unsaid else stream.encoding, errors="replace")
