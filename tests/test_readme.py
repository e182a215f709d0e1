"""What README.md and docs/ show is what happens: Python sessions, outputs, commands, links, and what is not there."""

from __future__ import annotations

import doctest
import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

import accel
from accel.cli import commands, run

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
pytestmark = pytest.mark.skipif(not README.exists(), reason="only in a source folder: README.md is not installed")
TEXT = README.read_text(encoding="utf-8") if README.exists() else ""
PAGES = sorted(
    [
        README,
        ROOT / "CONTRIBUTING.md",
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("tests/*/README.md"),
        *ROOT.glob("bench/*/README.md"),
    ]
)


def blocks(kind: str, text: str = TEXT) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


SESSIONS = [block for block in blocks("python") if ">>>" in block]


def differences(session: str) -> str:
    """What a Python session prints otherwise than it is written."""
    test = doctest.DocTestParser().get_doctest(session, {}, README.name, README.name, 0)
    out = io.StringIO()
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=out.write)
    return out.getvalue()


def missing(session: str) -> str | None:
    """What a session needs that is not there: a package that it imports, a device that it names."""
    named = re.findall(r"^>>> import (.*)$", session, re.MULTILINE)
    for name in (word.split()[0] for line in named for word in line.split(", ")):
        if find_spec(name) is None:
            return f"{name} is not installed"
    for name in re.findall(r'device="(\S+?)"', session):
        try:
            accel.device(name)
        except accel.AccelError as error:
            return str(error)
    return None


@pytest.mark.parametrize("session", SESSIONS, ids=range(len(SESSIONS)))
def test_a_session_prints_what_is_written(session):
    reason = missing(session)
    if reason:
        pytest.skip(reason)
    assert differences(session) == ""


def test_a_wrong_session_is_seen():
    """Its control: one digit."""
    session = next(block for block in SESSIONS if "opencl" in block or "softmax" in block)
    lines = [">>> import numpy, accel", ">>> float(accel.sum(numpy.ones(3)))", "3.0", ""]
    assert differences("\n".join(lines)) == ""
    assert "Expected" in differences("\n".join(lines).replace("3.0", "3.1"))
    assert ">>>" in session


SHOWN = [
    (command.removeprefix("$ accel "), output)
    for block in blocks("console")
    for command, output in re.findall(r"^(\$ accel .*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
]
"""Commands of README.md with the outputs that stand below them."""

REPEATED = [shown for shown in SHOWN if shown[0].split()[0] in ("explain", "bench") and "example:0" not in shown[0]]
"""Those whose output does not depend on the machine, or on another package."""


@pytest.mark.parametrize(("command", "output"), REPEATED, ids=[command for command, _ in REPEATED])
def test_a_command_prints_what_is_written(command, output, monkeypatch):
    monkeypatch.chdir(ROOT)
    words, _, last = command.partition(" | tail -")
    printed = io.StringIO()
    with redirect_stdout(printed):
        run(shlex.split(words))
    lines = printed.getvalue().splitlines()
    assert lines[-int(last) if last else 0 :] == output.splitlines()


def test_there_are_commands_to_repeat():
    assert {command.split()[0] for command, _ in REPEATED} == {"explain", "bench"}


def written() -> list[tuple[str, str]]:
    """(page, arguments) of every line that calls accel, in console blocks, in indented ones, and in the text."""
    found = []
    for page in PAGES:
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
    section = TEXT.partition("## Not there")[2].partition("\n[CONTRIBUTING")[0]
    named = set(re.findall(r"`(\w+)`", section))
    absent = {name for name in STANDARD if not hasattr(accel, name)}
    assert absent <= named, "functions of the standard that are neither there nor in the list"
    assert not {name for name in named if hasattr(accel, name)}, "in the list, and there"


def test_every_file_that_a_page_links_to_is_there():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
