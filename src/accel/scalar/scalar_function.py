"""What a row of the table of scalar functions states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .expr import FLOATS, INTEGERS, Expr, arg

Derivative = Callable[..., tuple[Any, ...]]
"""``derivative(fn, g, y, *x)``: of y = f(*x), the cotangent of each argument from g, that of y; None for an argument
that has none. Written with operators, Python numbers and ``fn.name(...)``, every scalar function, so that the one
body serves accel's arrays (a trace too) and NumPy's. Where arguments are tied (maximum), torch's rule."""

JUMPS = "the result is constant but for jumps"
DISCRETE = "the result is no floating-point number"

KINDS = {"bool": ("bool",), "single": ("float32",), "int": INTEGERS, "uint64": ("uint64",), "float": FLOATS}


@dataclass(frozen=True)
class ScalarFunction:
    """One function of numbers.

    name: its array API name, or torch's where the standard has none.
    arity: number of arguments.
    kinds: of ``bool``, ``int``, ``float``, and of one dtype alone ``uint64`` and ``single`` (float32); every compute
        dtype of these kinds is accepted.
    build: makes the expression from one Expr per argument, all of the compute dtype (``where``: bool first).
    doc: one line.
    result: ``same`` (the compute dtype) or ``bool``.
    ulp: largest error in units in the last place of the exact result, for float32 and float64; 0.5 is correctly
        rounded, 0 exact. A unit is the distance of the two floats around the exact result, in the subnormal range
        the smallest subnormal. Functions of integers and booleans are exact.
    least: the unit of smaller results is that of a number of this size, where two terms cancel.
    range: the finite results for floats, in words.
    special: special values, each "arguments -> result".
    source: formula or paper.
    reference: ``reference(mp, *x)`` evaluates the function with the mpmath context mp; x and the result are finite.
        None where ``ulp`` is 0 and the tests state the function in NumPy.
    derivative: see `Derivative`; or the reason why there is none, in words.
    turns: of a function of one argument, where its derivative turns from rising to falling or back, or jumps; between
        them it is monotone.
    """

    name: str
    arity: int
    kinds: tuple[str, ...]
    build: Callable[..., Expr]
    doc: str
    result: str = "same"
    ulp: tuple[float, float] = (0.0, 0.0)
    least: float = 0.0
    range: str = "all"
    special: tuple[str, ...] = ()
    source: str = "definition"
    reference: Callable[..., Any] | None = None
    derivative: Derivative | str = DISCRETE
    turns: tuple[float, ...] = ()

    @cached_property
    def dtypes(self) -> tuple[str, ...]:
        """The compute dtypes accepted."""
        return tuple(dtype for kind in self.kinds for dtype in KINDS[kind])

    def argument_dtypes(self, dtype: str) -> tuple[str, ...]:
        """The dtype of each argument at a compute dtype: all the same, but the first of ``where`` is bool."""
        if dtype not in self.dtypes:
            raise TypeError(f"{self.name} does not accept {dtype}; it accepts {', '.join(self.dtypes)}")
        return ("bool", dtype, dtype) if self.name == "where" else (dtype,) * self.arity

    def result_dtype(self, dtype: str) -> str:
        return "bool" if self.result == "bool" else dtype

    def expression(self, dtype: str) -> Expr:
        """The function of its own arguments 0, 1, …"""
        return self.build(*(arg(i, d) for i, d in enumerate(self.argument_dtypes(dtype))))
