"""The page of every message: read from the sources, so that none is forgotten."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from pathlib import Path

from accel import errors

ROOT = Path(__file__).parent.parent
FOLDERS = ("src/accel", "kernels", "bench")

BUILT_IN = ("BufferError", "IndexError")
"""Python's own, where accel raises them for what its callers did."""

CLASSES = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.AccelError) and value is not errors.AccelError
}

Message = tuple[str, str, str]
"""Class, text with the names of what varies in braces, file."""


def messages_page() -> str:
    found = sorted(set(messages()), key=lambda m: (m[0], _fixed(m[1]).lower(), m))
    names = sorted({m[0] for m in found})
    lines = [
        "# Messages",
        "",
        "Every message that accel raises on purpose, by class, as the sources have it: search this page for the words",
        "that do not vary. What varies is in braces: the function and its argument first, then what came. What was",
        "expected stands in the message; cause and remedy are those of its class ([Errors](errors.md)). Left out are",
        "messages that are put together where they are needed: positions out of range, elements that cannot be read",
        "while a function is traced, and the words of compilers, drivers and other libraries.",
        "",
    ]
    for name in names:
        rows = [(text, path) for its, text, path in found if its == name]
        lines += [
            f"## {name}",
            "",
            f"[Cause and remedy](errors.md#{anchor(name)}). {len(rows)} message{'s' * (len(rows) > 1)}.",
            "",
            "| message | raised in |",
            "|---|---|",
            *(f"| {_code(text)} | `{path}` |" for text, path in rows),
            "",
        ]
    return "\n".join(lines)


def anchor(name: str) -> str:
    """Of the section of errors.md that has a class."""
    page = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"^\| \[[^\]]*`{name}`[^\]]*\]\(#([\w-]+)\)", page, re.MULTILINE)
    return found


def messages() -> Iterator[Message]:
    """Of every place that makes an error of accel's, or raises one of Python's that stands in for it."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if any(p.is_symlink() for p in path.parents):
                continue  # kernels/ and bench/ again
            tree = ast.parse(path.read_text(encoding="utf-8"))
            words = {
                target.id: value.value
                for node in tree.body
                if isinstance(node, ast.Assign) and isinstance(value := node.value, ast.Constant)
                for target in node.targets
                if isinstance(target, ast.Name) and isinstance(value.value, str)
            }
            for name, node in _made(tree):
                text = re.sub(r"\{([A-Z_]+)\}", lambda m, words=words: words.get(m[1], m[0].lower()), _text(node))
                if len(re.findall(r"[^\W\d_]{2,}", _fixed(text))) > 1:  # else it hands on another's words
                    yield name, text, path.relative_to(ROOT).as_posix()


def _made(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The class, and what the message is made of."""
    for node in ast.walk(tree):
        raised = isinstance(node, ast.Raise)
        call = node.exc if raised else node
        if not isinstance(call, ast.Call) or not call.args:
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if (name in CLASSES and not raised) or (name in BUILT_IN and raised):
            yield name, call.args[0]


def _fixed(text: str) -> str:
    """The words that do not vary."""
    return " ".join(re.sub(r"\{[^}]*\}", " ", text).split())


def _text(node: ast.expr) -> str:
    """A message, with names in braces for what varies."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value) if isinstance(node.value, ast.Constant) else f"{{{_name(node.value) or '…'}}}"
    return f"{{{_name(node) or '…'}}}"


def _name(node: ast.expr) -> str | None:
    """What a value is called."""
    match node:
        case ast.Name(id):
            return id.strip("_")
        case ast.Attribute(ast.Name("self" | "cls"), attr):
            return attr.strip("_")
        case ast.Attribute(value, attr):
            inner = _name(value)
            return f"{inner}.{attr}" if inner else attr
        case ast.Subscript(value):
            return _name(value)
        case ast.Call(ast.Attribute(ast.Constant(), "join"), [only]):
            return _name(only)
        case ast.Call(ast.Name("map"), [_, only]):
            return _name(only)
        case ast.Call(ast.Name("len"), [only]):
            inner = _name(only)
            return f"number of {inner}" if inner else None
        case ast.Call(ast.Name(id), [only]) if hasattr(builtins, id) or id == "shown":
            return _name(only)
        case ast.Call(function):
            return (_name(function) or "").rpartition(".")[2] or None
        case ast.GeneratorExp(_, [generator]) | ast.ListComp(_, [generator]):
            return _name(generator.iter)
    return None


def _code(text: str) -> str:
    """As code in a table's cell."""
    text = " ".join(text.split()).replace("|", "\\|")
    fence = "``" if "`" in text else "`"
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"
