"""Docstrings of what users see: sentences, in lines that no automatic wrap has broken."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType

import pytest

import accel
import accel.receipts

LONG, SHORT = 100, 40
"""A line this long, followed in its paragraph by one this short that does not end it, was broken by a machine."""


def public() -> Iterator[tuple[str, str]]:
    """(name, docstring) of every public function, class, method and property."""
    for module in (accel, accel.fft, accel.linalg, accel.nn, accel.optim, accel.random, accel.receipts, accel.special):
        yield module.__name__, inspect.getdoc(module) or ""
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, ModuleType) or not (callable(value) or inspect.isclass(value)):
                continue
            yield f"{module.__name__}.{name}", inspect.getdoc(value) or ""
            if inspect.isclass(value) and not issubclass(value, Exception):
                for method, its in inspect.getmembers(value):
                    if not method.startswith("_") and (callable(its) or isinstance(its, property)):
                        yield f"{module.__name__}.{name}.{method}", inspect.getdoc(its) or ""


DOCSTRINGS = dict(public())


def faults(text: str) -> list[str]:
    """What is wrong with a docstring."""
    lines = text.splitlines()
    found = [] if text else ["there is none"]
    summary = text.partition("\n\n")[0]
    if not summary.rstrip().endswith((".", ":")):
        found.append(f"its summary is no sentence: {summary!r}")
    found += [f"punctuation in mid-sentence: {line!r}" for line in lines if ".," in line or ". ," in line]
    found += [f"a line of {len(line)} characters" for line in lines if len(line) > 120]
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        wrapped = len(before) > LONG and 0 < len(line.strip()) < SHORT and after.strip()
        if wrapped and line[-1] not in ".:" and len(line) + 1 + len(after.split()[0]) <= LONG:
            found.append(f"broken by a wrap: {line!r}")
    return found


@pytest.mark.parametrize("name", DOCSTRINGS)
def test_a_docstring_reads_as_sentences(name: str) -> None:
    assert faults(DOCSTRINGS[name]) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "there is none"),
        ("E**x., for each element.", "punctuation in mid-sentence"),
        ("Both", "no sentence"),
        (f"Adds.\n\n{'word ' * 22}\nor so and\nthat was the paragraph's rest.", "broken by a wrap"),
        (f"Adds {'word ' * 30}.", "characters"),
    ],
)
def test_each_fault_is_seen(text: str, fault: str) -> None:
    assert any(fault in each for each in faults(text))


def test_there_are_many() -> None:
    assert len(DOCSTRINGS) > 140


@pytest.mark.parametrize(
    "module", [accel.fft, accel.linalg, accel.nn, accel.optim, accel.special], ids=lambda module: module.__name__
)
def test_a_namespace_lists_its_functions_only(module: ModuleType) -> None:
    assert [name for name in dir(module) if not name.startswith("_")] == sorted(module.__all__)
