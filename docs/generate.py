"""Writes the pages of docs/ that follow from tables: functions.md, ops.md, settings.md. With --check, fails where one
is stale.

python docs/generate.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

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
    "| `ACCEL_BUILD_ISA` | `native \\| all \\| name[,name…]` | instruction sets to compile for. native: `baseline` and "
    "the best that this machine's CPU has; all: every one of the architecture, for a wheel that other machines get; "
    "names: `avx2`, `avx512` or `neon`, beside `baseline`, which is always there | native; all by `make test` |",
    "| `ACCEL_BUILD_JOBS` | `whole number` | files that are compiled at once | 2 |",
    "| `ACCEL_BUILD_FLAGS` | `flags` | of the compiler and the linker, after all others | none |",
    "",
    "The same bits come of each. Where the CPU that runs it has better instructions than those that were compiled in,",
    "accel is slower than it could be; where it lacks them, `baseline` runs. `ACCEL_CPU_ISA` with a name that was not",
    "compiled in is a `ConfigError`, which says what was.",
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


PAGES = {"functions.md": functions_page, "ops.md": ops_page, "settings.md": settings_page}


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
