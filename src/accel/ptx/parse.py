"""PTX text to functions, variables and decoded instructions."""

import re
from collections.abc import Container
from functools import lru_cache
from typing import Any, NamedTuple

from .formats import TYPES

STATEMENT = re.compile(
    r"\s*(?:(?P<brace>[{}])|(?P<label>[\w$]+)\s*:(?!:)|\.loc\b[^\n]*|(?P<text>[^;{}]*(?:\{[^}]*\}[^;{}]*)*);)"
)
FUNCTION = re.compile(r"\.(entry|func)\b\s*(?:\(([^)]*)\)\s*)?([\w$]+)\s*(?:\(([^)]*)\))?[^{;]*([{;])")
VARIABLE = re.compile(
    r"^[ \t]*(?:\.(?:visible|extern|weak|common)\s+)*\.(shared|global|const|local)\s+(?:\.align\s+\d+\s+)?"
    r"\.(\w+)\s+([\w$]+)\s*(?:\[(\d*)\])?\s*(?:=\s*(\{[^}]*\}|[^;]+))?;",
    re.M,
)
BRACE = re.compile("[{}]")
GUARD = re.compile(r"@(!?)\s*([\w%$]+)\s+")
OPERAND = re.compile(r"\{[^}]*\}|\[[^\]]*\]|\([^)]*\)|[^,\s][^,]*")


class Operation(NamedTuple):
    """One instruction as written, its white space made single blanks."""

    text: str
    guard: str | None  # the predicate register of @p or @!p
    negated: bool
    opcode: str
    args: tuple[str, ...]


class Label(NamedTuple):
    name: str


class Brace(NamedTuple):
    opens: bool


class Declaration(NamedTuple):
    """A directive inside a function: .reg, .param, .shared, .pragma ..."""

    text: str


Statement = Operation | Label | Brace | Declaration


class Function(NamedTuple):
    name: str
    results: tuple[tuple[str, int], ...]  # (name, bytes)
    params: tuple[tuple[str, int], ...]
    body: tuple[Statement, ...]


class Variable(NamedTuple):
    space: str
    kind: str
    name: str
    count: str | None  # of array elements; "" for an array of unknown length, None for no array
    init: str | None


class Module(NamedTuple):
    functions: dict[str, Function]
    entry: Function
    variables: tuple[Variable, ...]
    threads: int | None  # a CTA, where the module demands a number


def declared_params(text: str | None) -> tuple[tuple[str, int], ...]:
    """((name, bytes), ...) of a parameter list."""
    found = []
    for piece in filter(str.strip, (text or "").split(",")):
        size = next((TYPES[w[1:]].itemsize for w in piece.split() if w[1:] in TYPES), None)
        if size is None:
            raise ValueError(f"cannot read the PTX parameter {piece.strip()!r}")
        name, _, count = piece.split()[-1].partition("[")
        found.append((name, size * int(count.rstrip("]") or 1)))
    return tuple(found)


def decode(text: str) -> Operation:
    text = " ".join(text.split())
    guard, negated, rest = None, False, text
    if m := GUARD.match(text):
        guard, negated, rest = m[2], m[1] == "!", text[m.end() :]
    opcode, _, operands = rest.partition(" ")
    return Operation(text, guard, negated, opcode, tuple(a.strip() for a in OPERAND.findall(operands)))


def _statements(body: str) -> tuple[Statement, ...]:
    found: list[Statement] = []
    for m in STATEMENT.finditer(body):
        if m["brace"]:
            found.append(Brace(m["brace"] == "{"))
        elif m["label"]:
            found.append(Label(m["label"]))
        elif m["text"] and (text := m["text"].strip()):
            found.append(Declaration(text) if text.startswith(".") else decode(text))
    return tuple(found)


def _body_end(ptx: str, at: int) -> int:
    """Index after the brace that closes the one just before `at`."""
    depth = 1
    while depth:
        brace = BRACE.search(ptx, at)
        if brace is None:
            raise ValueError("a function of this PTX has no closing brace")
        depth += 1 if brace[0] == "{" else -1
        at = brace.end()
    return at


@lru_cache(maxsize=64)
def parse(ptx: str) -> Module:
    """Reads a module with one entry (the last one counts). Raises ValueError if there is none."""
    ptx = re.sub(r"//[^\n]*", "", re.sub(r"/\*.*?\*/", "", ptx, flags=re.S))
    functions: dict[str, Function] = {}
    entry = None
    for m in FUNCTION.finditer(ptx):
        if m[5] == ";":
            continue
        body = ptx[m.end() : _body_end(ptx, m.end()) - 1]
        functions[m[3]] = Function(m[3], declared_params(m[2]), declared_params(m[4]), _statements(body))
        if m[1] == "entry":
            entry = functions[m[3]]
    if entry is None:
        raise ValueError("no .entry in this PTX")
    threads = re.search(r"\.reqntid\s+(\d+)", ptx)
    variables = tuple(Variable(*m.groups()) for m in VARIABLE.finditer(ptx))
    return Module(functions, entry, variables, int(threads[1]) if threads else None)


def elements(operand: str) -> list[str]:
    """The parts of a vector operand `{a, b}`, or the operand itself."""
    return [e.strip() for e in operand[1:-1].split(",")] if operand[0] == "{" else [operand]


class Instruction:
    """An operation while it is being built, with the names it may use.

    A builder takes the modifiers that it honours off `mods`; one that is left over makes the instruction unsupported.
    `approximate`, `unordered` and `contractible` say what `run` reports of it.
    """

    def __init__(self, operation: Operation, scope: dict[str, Any]) -> None:
        self.text, self.guard, self.negated, self.opcode = operation[:4]
        self.args = list(operation.args)
        self.op, *self.mods = self.opcode.split(".")
        self.scope = scope
        self.approximate = self.unordered = self.contractible = False

    def flag(self, *names: str) -> bool:
        """Takes these modifiers off; whether there was any."""
        found = any(m in names for m in self.mods)
        self.mods = [m for m in self.mods if m not in names]
        return found

    def pick(self, names: Container[str], *default: str | None) -> Any:
        """Takes off the first modifier that is one of names; without one, the default if given."""
        for m in self.mods:
            if m in names:
                self.mods.remove(m)
                return m
        if not default:
            raise NotImplementedError
        return default[0]

    def types(self, n: int = 1) -> list[str]:
        """Takes the n types off."""
        found = [m for m in self.mods if m in TYPES]
        self.mods = [m for m in self.mods if m not in TYPES]
        if len(found) != n:
            raise NotImplementedError
        return found
