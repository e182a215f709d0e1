"""Tests replace parts of accel by the fixture monkeypatch, not by a MonkeyPatch of their own: by the fixture
pytest-run-parallel, which runs each test in several threads at once, knows which ones to run in one. Of others each
thread puts back what it found, which may be what another one had put there, and stays for all later tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]


def is_fixture(node: ast.AST) -> bool:
    """Whether a function is set up once, by pytest's own thread."""
    return any("fixture" in ast.unparse(each) for each in getattr(node, "decorator_list", ()))


def own_patches(node: ast.AST) -> Iterator[int]:
    """Lines outside of fixtures that make a MonkeyPatch for a with block."""
    if is_fixture(node):
        return
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("MonkeyPatch.context"):
        yield node.lineno
    for child in ast.iter_child_nodes(node):
        yield from own_patches(child)


BAD = """
def test_one():
    with pytest.MonkeyPatch.context() as patch, MonkeyPatch.context():
        pass
"""

GOOD = """
@pytest.fixture(scope="module")
def patched():
    with pytest.MonkeyPatch.context() as patch:
        yield patch

def test_one(monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        pass
"""


def test_control():
    assert list(own_patches(ast.parse(BAD))) == [3, 3]
    assert list(own_patches(ast.parse(GOOD))) == []


def test_tests_patch_by_the_fixture():
    wrong = []
    for file in TESTS.rglob("*.py"):
        wrong += [f"{file.relative_to(TESTS)}:{n}" for n in own_patches(ast.parse(file.read_text(encoding="utf-8")))]
    assert wrong == []
