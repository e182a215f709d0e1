"""Triton printer: the source of one ``@triton.jit`` function, of tl core built-ins only.

The text needs ``import triton`` and ``import triton.language as tl`` where it is put. Arguments and results are blocks
(or scalars) of storage dtypes: tl.uint16 for float16 and bfloat16, tl.uint8 for bool. An integer block of the right
width but other signedness, a block of float16 or bfloat16, and int1 for bool are taken as arguments too.

To be compiled with enable_fp_fusion=False. tl.floor and tl.ceil flush subnormals on NVIDIA, so rounding to integers is
spelled out by additions; ``/`` of float32 is approximate, tl.div_rn is not; ``/`` and tl.sqrt of float64 are IEEE.
"""

from __future__ import annotations

import math

from . import convert, expr
from .binary_format import format_of, with_sign_of
from .expr import FLOATS, INTEGERS, Expr, const, limits, number, schedule, select
from .program import Program

TYPES = {"bool": "tl.int1", "float32": "tl.float32", "float64": "tl.float64"} | {d: f"tl.{d}" for d in INTEGERS}
INFIX = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "idiv": "//",
    "and": "&",
    "or": "|",
    "xor": "^",
    "shl": "<<",
    "shr": ">>",
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
}


DIVISION = "tl.div_rn("
"""What a quotient of float32 begins with in a program's text."""


def print_program(program: Program, name: str) -> str:
    """The function of a program; it returns a tuple where the program has several results."""
    roots = lower(*program.expressions())
    constants: list[str] = []
    lines: list[str] = []
    names: dict[Expr, str] = {}
    for node in schedule(*roots):
        operands = tuple(names[a] for a in node.args)
        if node.op == "const":
            names[node] = f"c{len(constants)}"
            constants.append(f"    {names[node]} = tl.full((), {_literal(node)}, {TYPES[node.dtype]})\n")
        elif node.op == "arg":
            names[node] = f"a{node.value}"
        else:
            names[node] = f"t{len(lines)}"
            lines.append(f"    {names[node]} = {_text(node, operands)}\n")
    arguments = [_argument(i, convert.storage(d)) for i, d in enumerate(program.inputs)]
    results = (f"{names[root]}.to(tl.uint8)" if root.dtype == "bool" else names[root] for root in roots)
    head = f"@triton.jit\ndef {name}({', '.join(f'x{i}' for i in range(len(arguments)))}):\n"
    return head + "".join(arguments) + "".join(constants) + "".join(lines) + f"    return {', '.join(results)}\n"


def _argument(i: int, dtype: str) -> str:
    if dtype == "bool":
        return f"    a{i} = x{i} != 0\n"
    return f"    a{i} = x{i}\n" if dtype in FLOATS else f"    a{i} = x{i}.to({TYPES[dtype]}, bitcast=True)\n"


def _literal(node: Expr) -> str:
    value = number(node)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)


def _text(node: Expr, a: tuple[str, ...]) -> str:
    op, dtype = node.op, node.dtype
    if op in INFIX:
        return f"{a[0]} {INFIX[op]} {a[1]}"
    if op == "select":
        return f"tl.where({a[0]}, {a[1]}, {a[2]})"
    if op == "fma":
        return f"tl.fma({a[0]}, {a[1]}, {a[2]})"
    if op == "bitcast":
        return f"{a[0]}.to({TYPES[dtype]}, bitcast=True)"
    if op == "convert":
        return f"{a[0]}.to({TYPES[dtype]})"
    if op == "neg":
        return f"-{a[0]}"
    if op == "abs":
        return f"tl.abs({a[0]})"
    if op == "div":
        return f"{DIVISION}{a[0]}, {a[1]})" if dtype == "float32" else f"{a[0]} / {a[1]}"
    if op == "sqrt":
        return f"tl.sqrt_rn({a[0]})" if dtype == "float32" else f"tl.sqrt({a[0]})"
    raise NotImplementedError(op)


def lower(*roots: Expr) -> tuple[Expr, ...]:
    """The same expressions without what tl has no exact form of: rounding to integers, and neg and not of integers."""
    done: dict[Expr, Expr] = {}
    for node in schedule(*roots):
        args = tuple(done[a] for a in node.args)
        if node.op in ROUNDINGS:
            done[node] = ROUNDINGS[node.op](args[0])
        elif node.op == "not":
            ones = True if node.dtype == "bool" else (limits(node.dtype)[1] if node.dtype in expr.UNSIGNED else -1)
            done[node] = args[0] ^ ones
        elif node.op == "neg" and node.dtype in INTEGERS:
            done[node] = const(0, node.dtype) - args[0]
        else:
            done[node] = Expr(node.op, node.dtype, args, node.value)
    return tuple(done[root] for root in roots)


def _rint(x: Expr) -> Expr:
    """Adding 2**fraction to a smaller magnitude leaves an integer, rounded half to even; larger ones are integers."""
    size = abs(x)
    whole = (size + 2.0 ** format_of(x).fraction) - 2.0 ** format_of(x).fraction
    return with_sign_of(select(size < 2.0 ** format_of(x).fraction, whole, size), x)


def _floor(x: Expr) -> Expr:
    near = _rint(x)
    return with_sign_of(select(near > x, near - 1.0, near), x)


def _ceil(x: Expr) -> Expr:
    near = _rint(x)
    return with_sign_of(select(near < x, near + 1.0, near), x)


def _trunc(x: Expr) -> Expr:
    size = abs(x)
    near = abs(_rint(x))
    return with_sign_of(select(near > size, near - 1.0, near), x)


ROUNDINGS = {"rint": _rint, "floor": _floor, "ceil": _ceil, "trunc": _trunc}
