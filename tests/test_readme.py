"""What README.md and docs/ name is there: commands, options, links, and what is said not to be there.

That their blocks run is in test_pages.py.
"""

from __future__ import annotations

import io
import re
import shlex
from contextlib import redirect_stderr
from pathlib import Path

import click
import pytest

import accel
from accel.cli import commands

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
pytestmark = pytest.mark.skipif(not README.exists(), reason="only in a source folder: README.md is not installed")
STATUS = ROOT / "docs" / "status.md"
PAGES = sorted(
    [
        README,
        ROOT / "CONTRIBUTING.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("tests/*/README.md"),
        *ROOT.glob("bench/*/README.md"),
    ]
)


def written() -> list[tuple[str, str]]:
    """(page, arguments) of every line that calls accel, in console blocks, in indented ones, and in the text."""
    found = []
    for page in PAGES:
        if page.name == "messages.md":  # `accel has …` begins a message there
            continue
        text = page.read_text(encoding="utf-8")
        lines = re.findall(r"^(?:\$ |    )(?:[A-Z_]+=\S+ )*accel ([a-z].*)$", text, re.MULTILINE)
        lines += re.findall(r"`(?:[A-Z_]+=\S+ )*accel ([a-z][^`]*)`", text)
        found += [(page.name, re.split(r"\s\||\s+#|\s+>|…", line)[0].strip()) for line in lines]
    return found


def refused(arguments: str) -> str | None:
    """Why a command line is none: a command or an option that is not there."""
    group, words = commands, shlex.split(re.sub(r"[\[\]]", "", arguments))
    context = click.Context(group)
    while isinstance(group, click.Group) and words:
        name = words.pop(0)
        found = group.get_command(context, name)
        if found is None:
            return f"there is no command {name}"
        group = found
    known = {text for parameter in group.params for text in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    unknown = [word for word in words if re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", word)]
    unknown = [word for word in unknown if word.partition("=")[0] not in known]
    return f"{arguments}: no option {', '.join(unknown)}" if unknown else None


def test_every_command_that_a_page_names_is_there():
    named = written()
    assert len(named) > 30
    assert [(page, why) for page, line in named if (why := refused(line))] == []


def test_the_first_page_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) < 120


@pytest.mark.parametrize("line", ["benchmark run", "bench run --sweet quick", "conform --exaples 3", "bench reports X"])
def test_a_command_that_is_not_there_is_seen(line):
    """Its control."""
    with redirect_stderr(io.StringIO()):
        assert refused(line)


STANDARD = (
    "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like", "linspace", "meshgrid",
    "ones", "ones_like", "tril", "triu", "zeros", "zeros_like", "astype", "can_cast", "finfo", "iinfo", "isdtype",
    "result_type", "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and",
    "bitwise_left_shift", "bitwise_invert", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil", "clip",
    "conj", "copysign", "cos", "cosh", "divide", "equal", "exp", "expm1", "floor", "floor_divide", "greater",
    "greater_equal", "hypot", "imag", "isfinite", "isinf", "isnan", "less", "less_equal", "log", "log1p", "log2",
    "log10", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum",
    "multiply", "negative", "nextafter", "not_equal", "positive", "pow", "real", "reciprocal", "remainder", "round",
    "sign", "signbit", "sin", "sinh", "square", "sqrt", "subtract", "tan", "tanh", "trunc", "take",
    "take_along_axis", "matmul", "matrix_transpose", "tensordot", "vecdot", "broadcast_arrays", "broadcast_shapes",
    "broadcast_to", "concat", "expand_dims", "flip", "moveaxis", "permute_dims", "repeat", "reshape", "roll",
    "squeeze", "stack", "tile", "unstack", "argmax", "argmin", "count_nonzero", "nonzero", "searchsorted", "where",
    "unique_all", "unique_counts", "unique_inverse", "unique_values", "argsort", "sort", "cumulative_prod",
    "cumulative_sum", "max", "mean", "min", "prod", "std", "sum", "var", "all", "any", "diff", "fft", "linalg",
)  # fmt: skip
"""Functions and extensions of the array API standard 2025.12."""


def test_the_list_of_what_is_not_there_is_complete():
    section = STATUS.read_text(encoding="utf-8").partition("## Not there")[2]
    named = set(re.findall(r"`(\w+)`", section))
    absent = {name for name in STANDARD if not hasattr(accel, name)}
    assert absent <= named, "functions of the standard that are neither there nor in the list"
    assert not {name for name in named if hasattr(accel, name)}, "in the list, and there"


def test_every_file_that_a_page_links_to_is_there():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
