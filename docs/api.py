"""The reference of public names, from what they are: signatures, docstrings and the rows of the op table.

A page of docs/ has a block of the kind ``{api}`` with lines ``module: which names``; `expand` puts the entries in its
place. Which names: names, modules in which functions are written, primitives (``pointwise``), and ``*`` for all that no
page has otherwise. Docstrings are Markdown but for their stars and brackets, which are meant as such.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any

import accel
from accel.dtypes import DTYPES, DType
from accel.ops.spec import OpSpec
from accel.registry import COMPLEX, OPS, PRIMITIVES

HERE = Path(__file__).parent
BLOCK = re.compile(r"^```\{api\}\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
KERNELS = Path(accel.__file__).parent / "kernels"
BACKENDS = ("cpu", "opencl", "triton")
KINDS = {"b": "bool", "i": "signed integers", "u": "unsigned integers", "f": "floats", "c": "complex numbers"}


def expand(text: str) -> str:
    """A page with its blocks replaced."""
    return BLOCK.sub(lambda found: "\n".join(_entries(found[1])), text)


def public(module: str) -> list[str]:
    """The public names of a module: those that it states, or else those that are written in it."""
    found = import_module(module)
    own = [name for name, value in vars(found).items() if getattr(value, "__module__", "") == module]
    names = [name for name in getattr(found, "__all__", own) if not name.startswith("_")]
    return [name for name in names if not inspect.ismodule(getattr(found, name))]


def _entries(block: str) -> Iterator[str]:
    for line in block.splitlines():
        module, _, words = (part.strip() for part in line.partition(":"))
        try:
            names = [name for name in public(module) if _word(module, name) in words.split()]
        except ImportError as error:  # accel.torch, where the site is built without torch
            yield f"Not shown in this copy of the site, which was built without what `{module}` needs: {error}."
            continue
        for name in sorted(names, key=str.lower):
            yield from _entry(module, name)


def _word(module: str, name: str) -> str:
    """The word under which a public name stands: itself, its module, its primitive, whichever some page has; or ``*``.

    So a name is on one page, and a new one is on some page.
    """
    value, spec, said = getattr(import_module(module), name), spec_of(module, name), _words(module)
    choices = (name, getattr(value, "__module__", ""), spec.primitive if spec else "")
    return next((word for word in choices if word in said), "*")


@cache
def _words(module: str) -> frozenset[str]:
    """The words of all lines for a module, on any page."""
    blocks = (block for page in sorted(HERE.rglob("*.md")) for block in BLOCK.findall(page.read_text(encoding="utf-8")))
    lines = (line.partition(":") for block in blocks for line in block.splitlines())
    return frozenset(word for name, _, words in lines if name.strip() == module for word in words.split())


def spec_of(module: str, name: str) -> OpSpec | None:
    """The row of the op table behind a public function."""
    value = getattr(import_module(module), name)
    if inspect.isclass(value) or not callable(value):
        return None
    own = OPS.get(name)
    if own is not None and module == ("accel." + own.namespace).rstrip("."):
        return own
    return next((spec for spec in OPS.values() if spec.function is value), None)


def _entry(module: str, name: str) -> Iterator[str]:
    value = getattr(import_module(module), name)
    if not callable(value) or isinstance(value, DType):
        yield from _directive("py:data", f"{module}.{name}", _text(f"{value!r}"))
        return
    kind = "py:exception" if inspect.isclass(value) and issubclass(value, BaseException) else "py:class"
    body = _text(inspect.getdoc(value) or "")
    if not inspect.isclass(value):
        yield from _directive("py:function", f"{module}.{name}{signature(value)}", body + _facts(module, name))
        return
    first = f"{module}.{name}" + ("" if kind == "py:exception" or not _constructed(value) else signature(value))
    yield from _directive(kind, first, [*body, "", *_members(value)])


def _constructed(value: type) -> bool:
    return value not in (accel.Array, accel.Device, accel.DType) and "__init__" in vars(value)


def _members(value: type) -> Iterator[str]:
    """Methods and properties, inherited ones too, that have a text of their own."""
    if issubclass(value, BaseException):
        return
    members = {name: m for base in reversed(value.__mro__) if _ours(base) for name, m in vars(base).items()}
    for name, member in sorted(members.items()):
        member = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        text = inspect.getdoc(member)
        if name.startswith("_") or not text:
            continue
        if inspect.isfunction(member) or inspect.ismethoddescriptor(member):
            yield from _directive("py:method", name + signature(member, skip=1), _text(text))
        elif isinstance(member, property) or inspect.isdatadescriptor(member):
            yield from _directive("py:attribute", name, _text(text))


def _ours(base: type) -> bool:
    return base.__module__.startswith("accel")


def _directive(kind: str, first: str, body: list[str]) -> Iterator[str]:
    """A directive whose fence is longer than those in its body."""
    inner = max((len(line) - len(line.lstrip(":")) for line in body), default=0)
    fence = ":" * max(3, inner + 1)
    yield from (f"{fence}{{{kind}}} {first}", "", *body, fence, "")


def signature(value: Any, skip: int = 0) -> str:
    """Names and defaults, without annotations: what arguments may be is in the text."""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return "(…)"
    parameters = [p.replace(annotation=p.empty, default=_default(p)) for p in found.parameters.values()][skip:]
    return str(found.replace(parameters=parameters, return_annotation=found.empty))


class _Shown(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _default(parameter: inspect.Parameter) -> Any:
    default = parameter.default
    if default is parameter.empty or not repr(default).startswith(("<", "accel.")):
        return default
    return _Shown(getattr(default, "__name__", None) or getattr(default, "name", None) or "…")


def _text(text: str) -> list[str]:
    """The lines of a docstring with its stars and brackets kept from being Markdown; code is left as it is. What a
    reader looks for begins a paragraph."""
    text = re.sub(r"\n(?=(?:Raises|Source:|Special values:|The error is) )", "\n\n", text)
    return [line if line.startswith("    ") else _kept(line) for line in text.splitlines()]


def _kept(line: str) -> str:
    pieces = re.split(r"(`+[^`]*`+)", line.replace("``", "`"))
    return "".join(p if p.startswith("`") else re.sub(r"([*_<\[\]|~])", r"\\\1", p) for p in pieces)


def _facts(module: str, name: str) -> list[str]:
    """What the op table knows: dtypes, their classes, and what computes them."""
    spec = spec_of(module, name)
    if spec is None:
        return []
    return ["", *(f"- {line}" for line in (*_classes(spec), _computed(spec))), ""]


def _classes(spec: OpSpec) -> Iterator[str]:
    taken = [*spec.dtypes, *(DTYPES.values() if spec in COMPLEX else ())]
    taken = [d for d in DTYPES.values() if d in spec.dtypes or (d.kind == "c" and d in taken)]
    classes = {d: spec.bits(d.component if d.kind == "c" else d, "default") for d in taken}
    for which in ("exact", "bits", "bound"):
        if which in classes.values():
            yield f"Class *{which}*: {_dtypes([d for d, c in classes.items() if c == which])}."


def _dtypes(chosen: list[DType]) -> str:
    """Dtypes by kind where all of a kind are there, else by name."""
    words = []
    for kind, group in groupby(chosen, key=lambda d: d.kind):
        names = [str(d) for d in group]
        whole = len(names) == sum(d.kind == kind for d in DTYPES.values()) and len(names) > 1
        words.append(KINDS[kind] if whole else ", ".join(names))
    return ", ".join(words)


def _computed(spec: OpSpec) -> str:
    if spec.primitive not in PRIMITIVES:
        return "Compiled composition: one or few kernels of any backend (see {doc}`/compositions`)."
    there = [backend for backend in BACKENDS if (KERNELS / backend / f"{spec.primitive}.py").is_file()]
    return f"Primitive *{spec.primitive}*, kernels: {', '.join(f'`{b}.{spec.primitive}`' for b in there)}."
