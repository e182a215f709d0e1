"""A module's entry function as one list of steps: calls are inlined, so a program counter is an index into the list."""

import re
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .formats import TYPES, Mask
from .instructions import BUILDERS
from .machine import Machine, Scope, Step
from .memory import Private
from .parse import Brace, Declaration, Function, Instruction, Label, Module, Operation, declared_params

PARAM = re.compile(r"\.param\s+(.*)", re.S)
REG = re.compile(r"\.reg\s+\.(\w+)\s+(.*)", re.S)
CALL = "call"  # the scope's entry for the number of the inlined copy, which makes its labels its own


class Row(NamedTuple):
    """One step.

    action, by kind: "" a function of the mask, "bra" the row to go to, "bar" the name and the count, "ret" None.
    """

    action: Any
    guard: Any  # lanes of the predicate, or None
    negated: bool
    kind: str
    ins: Instruction


def unsupported(ins: Instruction, cause: Exception | None = None) -> Step:
    """A step that raises, if a thread ever gets to it."""
    reason = f" ({cause.args[0]})" if cause is not None and cause.args else ""

    def fail(m: Mask) -> None:
        raise NotImplementedError(f"unsupported PTX instruction: {ins.text}{reason}") from cause

    return fail


def assemble(machine: Machine, module: Module, args: Sequence[tuple[str, Any]]) -> list[Row]:
    """The rows of the module's entry, its first parameters bound to args: (struct code, value) each."""
    return _Assembler(machine, module).entry(args)


def _pack(name: str, size: int, code: str, value: Any) -> bytes:
    try:
        packed = struct.pack("<" + code, value)
    except struct.error as error:
        raise ValueError(f"argument {name}: {value!r} is no {code!r} ({error})") from error
    if len(packed) != size:
        raise ValueError(f"argument {name}: {code!r} has {len(packed)} bytes and the parameter {size}")
    return packed


def _padded(size: int) -> int:
    """Bytes of a parameter, so many that they can be viewed as any type."""
    return -(-size // 16) * 16


class _Assembler:
    def __init__(self, machine: Machine, module: Module) -> None:
        self.machine, self.module = machine, module
        self.rows: list[Row] = []
        self.labels: dict[Any, int] = {}
        self.calls = 0
        self.inlining: list[str] = []

    def entry(self, args: Sequence[tuple[str, Any]]) -> list[Row]:
        function, scope = self.module.entry, {}
        if len(args) > len(function.params):
            raise ValueError(f"{len(args)} arguments for the {len(function.params)} parameters of {function.name}")
        starts = np.cumsum([0, *(_padded(size) for _, size in function.params)]).tolist()
        memory = Private(starts[-1], 1, np.zeros(self.machine.lanes, np.int64))
        memory.bytes.fill(0)
        self.machine.memory["param"] = memory
        for i, ((name, size), at) in enumerate(zip(function.params, starts, strict=False)):
            self.machine.symbols[name] = at
            scope[name] = memory.bytes[None, at : at + _padded(size)]
            if i < len(args):
                scope[name][0, :size] = np.frombuffer(_pack(name, size, *args[i]), np.uint8)
        self.function(function, scope, None)
        self.operation(Operation("ret", None, False, "ret", ()), {}, None)
        return [self.resolved(row) for row in self.rows]

    def function(self, function: Function, scope: Scope, end: str | None) -> None:
        """Appends a function's body; end: the label that its returns go to, None for the kernel's own."""
        scopes = [scope]
        for statement in function.body:
            if isinstance(statement, Operation):
                self.operation(statement, scopes[-1], end)
            elif isinstance(statement, Declaration):
                self.declare(statement.text, scopes[-1])
            elif isinstance(statement, Label):
                self.labels[scopes[-1].get(CALL, 0), statement.name] = len(self.rows)
            elif isinstance(statement, Brace) and statement.opens:
                scopes.append(dict(scopes[-1]))
            else:
                scopes.pop()

    def declare(self, text: str, scope: Scope) -> None:
        if m := PARAM.match(text):
            for name, size in declared_params(m[1]):
                scope[name] = np.zeros((self.machine.lanes, _padded(size)), np.uint8)
        elif (m := REG.match(text)) and m[1] in TYPES:  # a register of another type is unknown where it is used
            self.machine.declare(m[1], (name.strip() for name in m[2].split(",")), scope)

    def operation(self, operation: Operation, scope: Scope, end: str | None) -> None:
        ins = Instruction(operation, scope)
        guard = None
        try:
            if ins.guard is not None:
                guard = self.machine.value(ins.guard, "pred", scope)
            if ins.op != "call":
                action, kind = self.step(ins, end)
        except (NotImplementedError, LookupError, ValueError) as error:
            action, kind = unsupported(ins, error), ""
        if ins.op == "call":
            self.call(ins, guard)
        else:
            self.rows.append(Row(action, guard, ins.negated, kind, ins))

    def step(self, ins: Instruction, end: str | None) -> tuple[Any, str]:
        """The action and kind of a row."""
        if ins.op in ("bra", "ret", "exit"):
            if ins.op == "ret" and end is not None:
                ins.args = [end]
                return None, "bra"
            return None, "bra" if ins.op == "bra" else "ret"
        if ins.op in ("bar", "barrier") and "warp" not in ins.mods:
            if [x for x in ins.mods if x not in ("cta", "aligned")] != ["sync"]:
                raise NotImplementedError
            return [self.machine.value(a, "u32", ins.scope) for a in ins.args], "bar"
        if ins.op not in BUILDERS:
            raise NotImplementedError
        action = BUILDERS[ins.op](self.machine, ins)
        if ins.mods:
            raise NotImplementedError
        return action, ""

    def call(self, ins: Instruction, guard: Any) -> None:
        """The function's body, with its parameters bound to the caller's and its returns jumps to the end."""
        function = next((self.module.functions[a] for a in ins.args if a in self.module.functions), None)
        if function is None or function.name in self.inlining:  # a declaration only, an indirect call, or recursion
            self.rows.append(Row(unsupported(ins), guard, ins.negated, "", ins))
            return
        actual = [name for a in ins.args if a[0] == "(" for name in re.findall(r"[^\s,()]+", a)]
        formal = [name for name, _ in function.results + function.params]
        scope = {name: ins.scope[given] for name, given in zip(formal, actual, strict=True)}
        self.calls += 1
        scope[CALL] = self.calls
        end = f"end of call {self.calls}"
        if guard is not None:
            skip = Instruction(Operation(ins.text, None, False, "bra", (end,)), ins.scope)
            self.rows.append(Row(None, guard, not ins.negated, "bra", skip))
        self.inlining.append(function.name)
        self.function(function, scope, end)
        self.inlining.pop()
        self.labels[end] = len(self.rows)

    def resolved(self, row: Row) -> Row:
        """The row, with the destination of a branch in place of its label."""
        if row.kind != "bra":
            return row
        name = row.ins.args[0]
        to = self.labels.get(name, self.labels.get((row.ins.scope.get(CALL, 0), name)))
        return row._replace(action=unsupported(row.ins), kind="") if to is None else row._replace(action=to)
