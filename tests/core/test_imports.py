"""The order of modules: which files are in a circle of imports, found from their sources."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

Graph = dict[str, set[str]]


def imports(package: str, annotations: bool = False) -> Graph:
    """Which modules of a package each of its modules imports, at its top or within a function; also those that are
    imported for annotations only, where they are asked for."""
    files = dict(_files(Path(importlib.import_module(package).__file__).parent, package))
    return {name: set(_imported(path, name, files, annotations)) - {name} for name, path in files.items()}


def _files(folder: Path, package: str) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.iterdir()):
        if path.name == "__init__.py":
            yield package, path
        elif path.suffix in (".py", ".so"):
            yield f"{package}.{path.name.partition('.')[0]}", path
        elif (path / "__init__.py").exists():
            yield from _files(path, f"{package}.{path.name}")


def _imported(path: Path, name: str, files: dict[str, Path], annotations: bool) -> Iterator[str]:
    if path.suffix == ".so":
        return
    within = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in _nodes(ast.parse(path.read_text(encoding="utf-8")), annotations):
        if isinstance(node, ast.Import):
            asked = [alias.name for alias in node.names]
        else:
            base = within[: len(within) - node.level + 1] if node.level else []
            origin = ".".join([*base, *filter(None, [node.module])])
            asked = [f"{origin}.{alias.name}" for alias in node.names]
            asked = [each if each in files else origin for each in asked]
        yield from (each for each in asked if each in files)


def _nodes(tree: ast.AST, annotations: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not annotations:
            yield from (found for other in node.orelse for found in _nodes(ast.Module([other], []), annotations))
        else:
            yield from _nodes(node, annotations)


def components(graph: Graph) -> list[list[str]]:
    """The strongly connected components of more than one node (Tarjan 1972), each sorted: whose nodes reach each
    other."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in order:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == order[node]:
            at = stack.index(node)
            found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return [each for each in found if len(each) > 1]


def circles(package: str, annotations: bool = False) -> list[list[str]]:
    """Modules of a package that import each other, directly or by way of others."""
    return components(imports(package, annotations))


def folders(package: str) -> Graph:
    """Which folders of a package import from which; its own modules are left out."""
    depth = package.count(".") + 1

    def folder(name: str) -> str:
        return ".".join(name.split(".")[: depth + 1])

    graph: Graph = {}
    for name, imported in imports(package).items():
        graph.setdefault(folder(name), set()).update(folder(other) for other in imported)
    return {name: others - {name, package} for name, others in graph.items() if name != package}


def test_no_module_is_in_a_circle():
    assert circles("accel", annotations=True) == []


def test_arrays_know_no_op_framework_or_dispatcher():
    """array.py holds data; what computes, converts or moves is attached from above."""
    graph, below, reached = imports("accel", annotations=True), {"accel.array"}, set()
    while below:
        reached |= below
        below = {other for name in below for other in graph[name]} - reached
    known = {name.split(".")[1] for name in reached}
    assert not known & {"ops", "interop", "dispatch", "registry", "devices", "conversion", "operators", "protocols"}
    assert "layout" in known


def test_the_bench_suite_has_no_circle_and_its_folders_depend_one_way():
    assert circles("accel.bench") == []
    assert components(folders("accel.bench")) == []
    assert folders("accel.bench")["accel.bench.cases"] == set()
    assert folders("accel.bench")["accel.bench.measure"] >= {"accel.bench.cases", "accel.bench.result"}


SOURCES = {
    "__init__": "",
    "low.__init__": "from . import first",
    "low.first": "import json\nfrom ..high.second import name",
    "low.third": "if TYPE_CHECKING:\n    from ..high import second\nelse:\n    pass",
    "high.__init__": "",
    "high.second": "def late():\n    from circling.low import third\n    import circling.low.first",
    "high.alone": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..low import first",
}


@pytest.fixture
def package(tmp_path, monkeypatch) -> str:
    for name, text in SOURCES.items():
        path = tmp_path / "circling" / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "circling", raising=False)
    return "circling"


def test_control_circles_are_found(package):
    """Over an import within a function and a name that is no module; what is imported for annotations makes none."""
    first, second, low = (f"{package}.{name}" for name in ("low.first", "high.second", "low"))
    assert imports(package)[first] == {second} and imports(package)[second] == {f"{package}.low.third", first}
    assert imports(package)[f"{package}.low.third"] == imports(package)[f"{package}.high.alone"] == set()
    assert circles(package) == [[second, first]]
    assert circles(package, annotations=True) == [[f"{package}.high.second", first, f"{package}.low.third"]]
    assert components(folders(package)) == [[f"{package}.high", low]]
    (Path(importlib.import_module(package).__file__).parent / "low" / "first.py").write_text(
        "import json", encoding="utf-8"
    )
    assert circles(package) == []
