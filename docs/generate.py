"""Writes the pages of docs/ that follow from tables: functions.md, ops.md, settings.md; of the commands:
reference/cli.md; of the sources: reference/messages.md; and README's figure, from bench/results. With --check, fails
where one is stale.

python docs/generate.py [--check]
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from figure import figure
from messages import messages_page

from accel.cli import commands
from accel.config import OPTIONS
from accel.dtypes import FLOAT16, FLOAT32, INT32
from accel.registry import COMPLEX, OPS
from accel.scalar import table

HERE = Path(__file__).parent


BUILD = (
    "",
    "## Of the build",
    "",
    "Environment variables while accel is compiled (`make`, `pip install .`).",
    "",
    "| variable | grammar | meaning | default |",
    "|---|---|---|---|",
    "| `ACCEL_BUILD_ISA` | `native \\| all \\| name[,name…]` | instruction sets to compile for. native: the best that "
    "this machine's CPU has; all: every one of the architecture, for a wheel that other machines get; names: `avx2`, "
    "`avx512` or `neon`, with `baseline`, which every CPU has | native; all by `make test` |",
    "| `ACCEL_BUILD_JOBS` | `whole number` | files that are compiled at once | 2 |",
    "| `ACCEL_BUILD_FLAGS` | `flags` | of the compiler and the linker, after all others | none |",
    "",
    "The same bits come of each. Where the CPU that runs it has better instructions than those that were compiled in,",
    "accel is slower than it could be; where it lacks them, `baseline` runs, and where that was not compiled, there is",
    "no device `cpu`, and accel says why. `ACCEL_CPU_ISA` with a name that was not compiled in is a `ConfigError`,",
    "which says what was.",
)


def settings_page() -> str:
    lines = [
        "# Settings",
        "",
        "Each is an environment variable, an attribute of `accel.config`, and a keyword of its context manager.",
        "Precedence: call argument, context manager, attribute, environment, automatic.",
        "The environment is read at the first use.",
        "A value outside the grammar, or with an op or a backend that is not there, raises `accel.ConfigError` when it",
        "is set (a variable: at the first use). Errors name where a value came from: the variable, the attribute",
        "(`config.device`) or the context (`config(device)`).",
        "",
        "| variable | attribute | grammar | meaning | default |",
        "|---|---|---|---|---|",
    ]
    for o in OPTIONS:
        default = "automatic" if o.default is None else ",".join(o.default) or "none" if o.default == () else o.default
        grammar = o.grammar.replace("|", "\\|")
        lines.append(f"| `{o.variable}` | `{o.name}` | `{grammar}` | {o.meaning} | {default} |")
    return "\n".join([*lines, *BUILD]) + "\n"


def ops_page() -> str:
    lines = [
        "# Operations",
        "",
        "Class: of the bit contract (docs/numerics.md), for float32 and complex64, for float16 under `default`, and",
        "for integers. Complex numbers are computed as pairs of real ones.",
        "",
        "| name | what | primitive | composes | float32 | complex64 | float16 | integers |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for spec in sorted(OPS.values(), key=lambda s: (s.namespace, s.name)):
        if spec.namespace == "internal":
            continue
        name = "accel." + (f"{spec.namespace}." if spec.namespace else "") + spec.name
        real, half, whole = (spec.bits(d, "default") if d in spec.dtypes else "" for d in (FLOAT32, FLOAT16, INT32))
        classes = (real, spec.bits(FLOAT32, "default") if spec in COMPLEX else "", half, whole)
        composes = "yes" if spec.decompose is not None else ""
        lines.append(f"| `{name}` | {spec.summary} | {spec.primitive} | {composes} | {' | '.join(classes)} |")
    return "\n".join(lines) + "\n"


def functions_page() -> str:
    lines = [
        "# Scalar functions",
        "",
        "Each is one expression over IEEE operations (src/accel/scalar), the same on every backend.",
        "ULP: the largest error, in units in the last place of the exact result, checked against mpmath.",
        "0.5 is correctly rounded.",
        "float16 and bfloat16 round the float32 result once.",
        "",
    ]
    return "\n".join(lines) + "\n" + table()


def cli_page() -> str:
    lines = [
        "# Commands",
        "",
        "All of `accel`, from the commands themselves; `accel COMMAND --help` prints the same. `python -m accel` is",
        "the same command. Exit codes: 0 well; 1 the command found something wrong; 2 bad arguments, or an error of",
        "accel's; 130 interrupted; 141 who read the output is gone.",
        "",
    ]
    return "\n".join([*lines, *_commands(commands, None, 2)]).rstrip() + "\n"


def _commands(command: click.Command, above: click.Context | None, level: int) -> Iterator[str]:
    """The part of a command, then those of its own commands."""
    context = click.Context(command, info_name=command.name, parent=above)
    if above is not None:
        yield from _command(command, context, level)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            below.name = name
            yield from _commands(below, context, level + (above is not None))


def _command(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    yield f"{'#' * level} {context.command_path}"
    yield ""
    for paragraph in inspect.cleandoc(command.help or command.short_help or "").split("\n\n"):
        kept = paragraph.startswith("\b\n")  # as it is written
        yield from (["```text", *paragraph.split("\n")[1:], "```"] if kept else _escaped(paragraph).split("\n"))
        yield ""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield from ("```text", usage, "```", "")
    rows = [record for p in command.get_params(context) if (record := p.get_help_record(context)) is not None]
    rows = [row for row in rows if row[1] and not row[0].endswith("--help")]
    if rows:
        yield from ("| option | meaning |", "|---|---|")
        for option, meaning in rows:
            yield f"| `{option.replace('|', chr(92) + '|')}` | {_escaped(meaning).replace('|', chr(92) + '|')} |"
        yield ""


def _escaped(text: str) -> str:
    """Words with stars, underscores and brackets that are meant as such, and options as code."""
    text = re.sub(r"(?<!`)([*_<\[\]])(?!`)", r"\\\1", " ".join(text.split("  ")))
    return re.sub(r"(?<![\w`-])(--[a-z][a-z-]*)", r"`\1`", text)


PAGES = {
    "_static/bits-and-speed.svg": figure,
    "functions.md": functions_page,
    "reference/cli.md": cli_page,
    "reference/messages.md": messages_page,
    "ops.md": ops_page,
    "settings.md": settings_page,
}


def main() -> int:
    stale = []
    for name, make in PAGES.items():
        path, text = HERE / name, make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"stale: {', '.join(stale)}; run python docs/generate.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
