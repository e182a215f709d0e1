"""Typed expressions over the primitives of the bit contract: the one form in which a scalar function is written.

An ``Expr`` is an immutable node. Equal nodes are the same object, so a shared sub-expression is one node and is
printed once. Every primitive has one meaning on every device:

======================  ================================================================================================
arg const               an argument; a constant, kept as its bits
add sub mul             floats: rounded to nearest even, subnormals kept. Integers: wrap
fma div sqrt            floats, one rounding
neg abs                 floats: the sign bit. neg of integers wraps
floor ceil trunc rint   floats; rint rounds half to even; the sign of a zero result is that of the operand
idiv                    unsigned integers, truncated; the divisor must not be zero
eq ne lt le gt ge       IEEE comparison (with a NaN only ne holds); give bool
select                  select(c, a, b): a where c, else b
and or xor not          bool and integers
shl shr                 integers; the amount must be below the width; shr of a signed integer copies the sign
bitcast                 same bits, another dtype of the same width
convert                 value conversion: integers wrap, to a float rounds once, float to integer truncates and the
                        operand must be in range (not NaN); bool gives 0 and 1
======================  ================================================================================================
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from weakref import WeakValueDictionary

FLOATS = ("float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = SIGNED + UNSIGNED
COMPUTE_DTYPES = ("bool", *INTEGERS, *FLOATS)
"""Dtypes that a node may have. float16 and bfloat16 are storage: 16 bits, a uint16 node."""

WIDTH = {"bool": 8, "float32": 32, "float64": 64} | {d: int(d.lstrip("uint")) for d in INTEGERS}
"""Bits of storage."""

_BITS = {"float32": ("<f", "<I"), "float64": ("<d", "<Q")}
_INTERNED: WeakValueDictionary[tuple, Expr] = WeakValueDictionary()
Number = bool | int | float


class Expr:
    """One node: ``op`` over ``args``, of ``dtype``; ``value`` is a constant's bits or an argument's number."""

    __slots__ = ("__weakref__", "args", "dtype", "op", "value")
    op: str
    dtype: str
    args: tuple[Expr, ...]
    value: int | None

    def __new__(cls, op: str, dtype: str, args: tuple[Expr, ...] = (), value: int | None = None) -> Expr:
        if dtype not in WIDTH:
            raise TypeError(f"{dtype} is not a compute dtype")
        key = (op, dtype, *map(id, args), value)
        node = _INTERNED.get(key)
        if node is None:
            node = super().__new__(cls)
            for name, field in (("op", op), ("dtype", dtype), ("args", args), ("value", value)):
                object.__setattr__(node, name, field)
            _INTERNED[key] = node
        return node

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("an Expr is immutable")

    def __repr__(self) -> str:
        if self.op == "const":
            return f"{number(self)}"
        return f"{self.op}{self.value if self.value is not None else ''}({', '.join(map(repr, self.args))})"

    # Comparison with == and != stays identity: nodes are interned. Use eq() and ne() for the primitives.
    def __add__(self, other: Expr | Number) -> Expr:
        return _arithmetic("add", self, other)

    def __sub__(self, other: Expr | Number) -> Expr:
        return _arithmetic("sub", self, other)

    def __mul__(self, other: Expr | Number) -> Expr:
        return _arithmetic("mul", self, other)

    def __radd__(self, other: Number) -> Expr:
        return _arithmetic("add", const(other, self.dtype), self)

    def __rsub__(self, other: Number) -> Expr:
        return _arithmetic("sub", const(other, self.dtype), self)

    def __rmul__(self, other: Number) -> Expr:
        return _arithmetic("mul", const(other, self.dtype), self)

    def __truediv__(self, other: Expr | Number) -> Expr:
        return _node("div", FLOATS, self, other)

    def __rtruediv__(self, other: Number) -> Expr:
        return _node("div", FLOATS, const(other, self.dtype), self)

    def __neg__(self) -> Expr:
        return _node("neg", INTEGERS + FLOATS, self)

    def __abs__(self) -> Expr:
        return _node("abs", FLOATS, self)

    def __and__(self, other: Expr | Number) -> Expr:
        return _bitwise("and", self, other)

    def __or__(self, other: Expr | Number) -> Expr:
        return _bitwise("or", self, other)

    def __xor__(self, other: Expr | Number) -> Expr:
        return _bitwise("xor", self, other)

    def __invert__(self) -> Expr:
        return _node("not", ("bool", *INTEGERS), self)

    def __lshift__(self, other: Expr | int) -> Expr:
        return _node("shl", INTEGERS, self, other)

    def __rshift__(self, other: Expr | int) -> Expr:
        return _node("shr", INTEGERS, self, other)

    def __lt__(self, other: Expr | Number) -> Expr:
        return _compare("lt", self, other)

    def __le__(self, other: Expr | Number) -> Expr:
        return _compare("le", self, other)

    def __gt__(self, other: Expr | Number) -> Expr:
        return _compare("gt", self, other)

    def __ge__(self, other: Expr | Number) -> Expr:
        return _compare("ge", self, other)


def arg(index: int, dtype: str) -> Expr:
    return Expr("arg", dtype, (), index)


def const(value: Number, dtype: str) -> Expr:
    """A constant; ValueError unless the dtype holds the value exactly (so no constant is ever rounded unseen)."""
    if dtype in FLOATS:
        pack, unpack = _BITS[dtype]
        try:
            raw = struct.pack(pack, value)
        except OverflowError:
            raise ValueError(f"{value!r} is not a {dtype}") from None
        if value == value and struct.unpack(pack, raw)[0] != value:
            raise ValueError(f"{value!r} is not a {dtype}")
        return Expr("const", dtype, (), struct.unpack(unpack, raw)[0])
    low, high = (0, 1) if dtype == "bool" else limits(dtype)
    if value != int(value) or not low <= value <= high:
        raise ValueError(f"{value!r} is not a {dtype}")
    return Expr("const", dtype, (), int(value))


def limits(dtype: str) -> tuple[int, int]:
    """Smallest and largest value of an integer dtype."""
    width = WIDTH[dtype]
    return (0, 2**width - 1) if dtype in UNSIGNED else (-(2 ** (width - 1)), 2 ** (width - 1) - 1)


def number(node: Expr) -> Number:
    """The value of a constant."""
    if node.dtype in FLOATS:
        pack, unpack = _BITS[node.dtype]
        return struct.unpack(pack, struct.pack(unpack, node.value))[0]
    return bool(node.value) if node.dtype == "bool" else node.value


def _operands(dtype: str, values: tuple[Expr | Number, ...]) -> tuple[Expr, ...]:
    nodes = tuple(v if isinstance(v, Expr) else const(v, dtype) for v in values)
    for node in nodes:
        if node.dtype != dtype:
            raise TypeError(f"operands of {dtype} and {node.dtype}")
    return nodes


def _node(op: str, allowed: tuple[str, ...], first: Expr, *rest: Expr | Number) -> Expr:
    if first.dtype not in allowed:
        raise TypeError(f"{op} of {first.dtype}")
    return Expr(op, first.dtype, _operands(first.dtype, (first, *rest)))


def _arithmetic(op: str, a: Expr, b: Expr | Number) -> Expr:
    return _node(op, INTEGERS + FLOATS, a, b)


def _bitwise(op: str, a: Expr, b: Expr | Number) -> Expr:
    return _node(op, ("bool", *INTEGERS), a, b)


def _compare(op: str, a: Expr, b: Expr | Number) -> Expr:
    return Expr(op, "bool", _operands(a.dtype, (a, b)))


def eq(a: Expr, b: Expr | Number) -> Expr:
    return _compare("eq", a, b)


def ne(a: Expr, b: Expr | Number) -> Expr:
    return _compare("ne", a, b)


def fma(a: Expr, b: Expr | Number, c: Expr | Number) -> Expr:
    """a * b + c, rounded once."""
    return _node("fma", FLOATS, a, b, c)


def sqrt(a: Expr) -> Expr:
    return _node("sqrt", FLOATS, a)


def floor(a: Expr) -> Expr:
    return _node("floor", FLOATS, a)


def ceil(a: Expr) -> Expr:
    return _node("ceil", FLOATS, a)


def trunc(a: Expr) -> Expr:
    return _node("trunc", FLOATS, a)


def rint(a: Expr) -> Expr:
    return _node("rint", FLOATS, a)


def idiv(a: Expr, b: Expr) -> Expr:
    """Truncated quotient of unsigned integers; b must not be zero."""
    return _node("idiv", UNSIGNED, a, b)


def select(condition: Expr, a: Expr | Number, b: Expr | Number) -> Expr:
    """a where condition, else b; at least one of the two is an Expr."""
    if condition.dtype != "bool":
        raise TypeError(f"condition of {condition.dtype}")
    dtype = a.dtype if isinstance(a, Expr) else b.dtype
    a, b = _operands(dtype, (a, b))
    return Expr("select", dtype, (condition, a, b))


def rarely(condition: Expr, a: Expr | Number, b: Expr | Number) -> Expr:
    """select(condition, a, b) where few arguments meet the condition: a vector of them may leave out what only ``a``
    needs. The mark is the node's value."""
    node = select(condition, a, b)
    return Expr("select", node.dtype, node.args, 1)


def bitcast(a: Expr, dtype: str) -> Expr:
    if "bool" in (a.dtype, dtype) or WIDTH[a.dtype] != WIDTH[dtype]:
        raise TypeError(f"bitcast of {a.dtype} to {dtype}")
    if a.op == "bitcast":
        a = a.args[0]
    return a if a.dtype == dtype else Expr("bitcast", dtype, (a,))


def convert(a: Expr, dtype: str) -> Expr:
    """The conversion that hardware has (see the table above); ``convert.cast`` is defined for every value."""
    if dtype == "bool":
        raise TypeError("write a comparison with zero")
    return a if a.dtype == dtype else Expr("convert", dtype, (a,))


def schedule(*roots: Expr) -> list[Expr]:
    """Every node that the roots need, each once, operands before users."""
    order: dict[Expr, None] = {}
    stack: list[tuple[Expr, Iterator[Expr]]] = []
    for root in roots:
        stack.append((root, iter(root.args)))
        while stack:
            node, rest = stack[-1]
            following = next((a for a in rest if a not in order), None)
            if following is None:
                order.setdefault(node)
                stack.pop()
            else:
                stack.append((following, iter(following.args)))
    return list(order)
