"""Text is UTF-8 whatever the locale says: no file is opened and no child is read without an encoding."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "kernels", "bench", "csrc", "docs", "tests")

PLACE = {"open": 3, "read_text": 0, "write_text": 1, "fdopen": 3}
"""Where a call's encoding stands among its positional arguments; of a method ``open``, one before."""


def without_encoding(source: str) -> Iterator[int]:
    """Lines of calls that leave the encoding of text to the locale."""
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        for name in ("text", "universal_newlines"):
            if isinstance(given.get(name), ast.Constant) and given[name].value is True and "encoding" not in given:
                yield call.lineno
        method = isinstance(call.func, ast.Attribute)
        name = call.func.attr if method else getattr(call.func, "id", None)
        if name not in PLACE or "encoding" in given:
            continue
        if (
            method
            and name == "open"
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id in ("os", "Image")
        ):
            continue
        if len(call.args) > PLACE[name] - (method and name == "open"):
            continue
        if name in ("open", "fdopen"):
            at = 0 if method and name == "open" else 1
            mode = given.get("mode", call.args[at] if len(call.args) > at else ast.Constant("r"))
            if not isinstance(mode, ast.Constant) or "b" in mode.value:
                continue
        yield call.lineno


BAD = """
open("a"); open("a", "w"); Path("a").open(); path.open("w")
path.read_text(); path.write_text("x"); os.fdopen(3, "w")
run(x, text=True); Popen(x, universal_newlines=True)
"""

GOOD = """
open("a", "rb"); open("a", encoding="utf-8"); path.open("wb"); path.open("r", -1, "utf-8"); os.open("a", 0)
path.read_text("utf-8"); path.write_text("x", encoding="utf-8"); os.fdopen(3, "wb"); path.read_bytes()
run(x); run(x, encoding="utf-8"); Popen(x, text=False); distribution("accel").read_text("METADATA")
"""


def test_control():
    assert sorted(without_encoding(BAD)) == [2, 2, 2, 2, 3, 3, 3, 4, 4]
    assert list(without_encoding(GOOD)) == []


@pytest.mark.parametrize("folder", [*FOLDERS, "."])
def test_every_text_has_an_encoding(folder):
    here = ROOT / folder
    if not here.is_dir():
        pytest.skip(f"no {folder} here")
    files = here.glob("*.py") if folder == "." else here.rglob("*.py")
    wrong = []
    for file in files:
        wrong += [f"{file.relative_to(ROOT)}:{line}" for line in without_encoding(file.read_text(encoding="utf-8"))]
    assert wrong == []
