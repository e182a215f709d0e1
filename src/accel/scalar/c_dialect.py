"""Statements in a C dialect for an expression: what the OpenCL C and the C++ printers share.

Every node is one constant local variable, so that nothing depends on precedence or on what a compiler may do inside an
expression. Signed arithmetic is done on unsigned operands, as overflow of signed ones is undefined.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .expr import FLOATS, SIGNED, WIDTH, Expr, number, schedule

INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "idiv": "/", "and": "&", "or": "|", "xor": "^"}
COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


@dataclass(frozen=True)
class Dialect:
    """types: local type of each dtype (bool: the logical type). storage_bool: type of a stored bool.
    suffixes: of integer literals by dtype, for 32 and 64 bits.
    bitcast: text from (target dtype, operand). call: text from (primitive, dtype, operands) of fma, sqrt, div, abs,
    select, the roundings and what a printer makes a primitive of its own; None leaves div and select to the operators.
    """

    types: dict[str, str]
    storage_bool: str
    suffixes: dict[str, str]
    bitcast: Callable[[str, str], str]
    call: Callable[[str, str, tuple[str, ...]], str | None]

    def storage_type(self, dtype: str) -> str:
        return self.storage_bool if dtype == "bool" else self.types[dtype]

    def literal(self, node: Expr) -> str:
        value, dtype = number(node), node.dtype
        if dtype == "bool":
            return "true" if value else "false"
        if dtype in FLOATS:
            if math.isfinite(value):
                return value.hex() + ("f" if dtype == "float32" else "")
            bits = f"uint{WIDTH[dtype]}"
            return self.bitcast(dtype, f"{node.value:#x}{self.suffixes[bits]}")
        if WIDTH[dtype] < 32:
            return f"({self.types[dtype]}){value}"
        suffix = self.suffixes[dtype]
        lowest = -(2 ** (WIDTH[dtype] - 1))
        return f"({value + 1}{suffix} - 1{suffix})" if value == lowest else f"{value}{suffix}"

    def function(self, prefix: str, name: str, root: Expr, arguments: tuple[str, ...]) -> str:
        """A function of the given name and argument dtypes that returns the expression, in storage types."""
        lines, (result,) = self._statements((root,))
        parameters = ", ".join(f"{self.storage_type(d)} x{i}" for i, d in enumerate(arguments))
        head = f"{prefix} {self.storage_type(root.dtype)} {name}({parameters}) {{\n"
        return f"{head}{lines}  return {result};\n}}\n"

    def procedure(self, prefix: str, name: str, roots: tuple[Expr, ...], arguments: tuple[str, ...]) -> str:
        """A function that stores every expression through a pointer of its own, which follow the arguments."""
        lines, results = self._statements(roots)
        parameters = [f"{self.storage_type(d)} x{i}" for i, d in enumerate(arguments)]
        parameters += [f"{self.storage_type(root.dtype)} *r{i}" for i, root in enumerate(roots)]
        stores = "".join(f"  *r{i} = {result};\n" for i, result in enumerate(results))
        return f"{prefix} void {name}({', '.join(parameters)}) {{\n{lines}{stores}}}\n"

    def _statements(self, roots: tuple[Expr, ...]) -> tuple[str, list[str]]:
        """The statements that compute the expressions, and the text of each in its storage type."""
        names: dict[Expr, str] = {}
        lines = []
        for node in schedule(*roots):
            if node.op == "const":
                names[node] = self.literal(node)
            elif node.op == "arg":
                names[node] = f"(x{node.value} != 0)" if node.dtype == "bool" else f"x{node.value}"
            else:
                text = self._text(node, tuple(names[a] for a in node.args))
                names[node] = f"t{len(lines)}"
                lines.append(f"  const {self.types[node.dtype]} {names[node]} = {text};\n")
        results = [f"({self.storage_bool})({names[r]} ? 1 : 0)" if r.dtype == "bool" else names[r] for r in roots]
        return "".join(lines), results

    def _text(self, node: Expr, a: tuple[str, ...]) -> str:
        op, dtype = node.op, node.dtype
        if op == "select":
            return self.call(op, dtype, a) or f"{a[0]} ? {a[1]} : {a[2]}"
        if op in COMPARE:
            return f"{a[0]} {COMPARE[op]} {a[1]}"
        if op == "bitcast":
            source = node.args[0].dtype
            return self._as(dtype, a[0]) if source not in FLOATS and dtype not in FLOATS else self.bitcast(dtype, a[0])
        if op == "convert":
            return f"({self.types[dtype]}){a[0]}"
        if op == "narrow":
            return str(self.call(op, dtype, a))
        if dtype == "bool":
            return f"!{a[0]}" if op == "not" else f"{a[0]} {INFIX[op]} {a[1]}"
        if dtype in FLOATS:
            return self.call(op, dtype, a) or (f"-{a[0]}" if op == "neg" else f"{a[0]} {INFIX[op]} {a[1]}")
        return self._integer(op, dtype, a)

    def _integer(self, op: str, dtype: str, a: tuple[str, ...]) -> str:
        if op in ("and", "or", "xor", "idiv"):
            return self._wrap(dtype, f"{a[0]} {INFIX[op]} {a[1]}")
        if op == "not":
            return self._wrap(dtype, f"~{a[0]}")
        if op == "shr":
            return self._wrap(dtype, f"{a[0]} >> {a[1]}")
        wide = "uint64" if WIDTH[dtype] == 64 else "uint32"
        left = self._as(wide, a[0]) if dtype != wide else a[0]
        if op == "shl":
            return self._wrap(dtype, f"{left} << {a[1]}", dtype in SIGNED)
        if op == "neg":
            return self._wrap(dtype, f"0{self.suffixes[wide]} - {left}", dtype in SIGNED)
        right = self._as(wide, a[1]) if dtype != wide else a[1]
        return self._wrap(dtype, f"{left} {INFIX[op]} {right}", dtype in SIGNED)

    def _as(self, dtype: str, text: str) -> str:
        return f"({self.types[dtype]}){text}"

    def _wrap(self, dtype: str, text: str, always: bool = False) -> str:
        return f"({self.types[dtype]})({text})" if always or WIDTH[dtype] < 32 else text
