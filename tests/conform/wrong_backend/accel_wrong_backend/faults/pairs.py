"""Complex numbers as pairs of real and imaginary parts: each part to the bit, where it lies between the other's, and
rule 6 for blocks of such numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np

from accel.backends.base import Call
from accel.ops.primitive import factor_pair, jacobi
from accel.ops.primitive.factor_pair import Steps

from .fault import Run, fault, next_up, of, spoil
from .memory import at_bytes


def _one_bit(call: Call, out: np.ndarray) -> None:
    """Of one element: of a matrix the first in its last row, which every kind of factor computes."""
    if out.size:
        next_up(out, (-1,) * (out.ndim - 1) + (0,) if out.ndim else ())


def _with(target: Any, name: str, function: Callable[..., Any]) -> Run:
    """Both parts by the canonical form with another function in a place of it."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        right()
        if call.params.pairs:
            with patch.object(target, name, function):
                out[...] = factor_pair._answer(call.params, (), *inputs)[1]

    return run


def _unfused(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    return a * b + c


def _last_product_first(do: Any, a: Any, b: Any, c: Any) -> tuple[Any, Any]:
    return do.fma(a[0], b[0], do.fma(-a[1], b[1], c[0])), do.fma(a[1], b[0], do.fma(a[0], b[1], c[1]))


def _by_the_square(do: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """x conj(y) / |y|^2, of which that may overflow, and is rounded otherwise."""
    size = do.fma(y[1], y[1], do.multiply(y[0], y[0]))
    re, im = do.fma(x[1], y[1], do.multiply(x[0], y[0])), do.fma(-x[0], y[1], do.multiply(x[1], y[0]))
    return do.divide(re, size), do.divide(im, size)


def _not_conjugate(x: Any, y: Any) -> tuple[Any, Any]:
    """Sums of x y."""
    return right_dot((x[0], -x[1]), y)


def _of_real_parts(re: np.ndarray, im: np.ndarray) -> np.ndarray:
    """The largest |re|."""
    return right_pivot(re, np.zeros_like(im))


def _other_way(re: np.ndarray, im: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return right_direction(re, -im)


def _has_gaps(out: np.ndarray) -> bool:
    """Whether the other part lies between the elements of this one."""
    return bool(out.size and out.ndim and out.shape[-1] > 1 and out.strides[-1] == 2 * out.itemsize)


def _without_gaps(call: Call, out: np.ndarray) -> None:
    """Row-major, whatever the strides."""
    if _has_gaps(out):
        at_bytes(out, 0, (out.shape[-1],))[...] = out.reshape(-1, out.shape[-1])[0].copy()


def _over_gaps(call: Call, out: np.ndarray) -> None:
    """Whole vectors, of which every other element is the other part's."""
    if _has_gaps(out):
        at_bytes(out[(slice(-1, None),) * out.ndim], -out.itemsize, (1,))[...] = 0


def _as_real(call: Call, out: np.ndarray) -> None:
    """The second of two results is that of real numbers."""
    if len(call.outputs) == 2:
        out[...] = 0


def _with_fused_products(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    """Sums of products by fma, in programs of nothing else."""
    right()
    steps = call.params.steps
    if len(call.outputs) == 1 or any(step.function not in ("multiply", "add", "subtract") for step in steps):
        return
    first, wide = len(call.params.inputs), np.longdouble
    values = [np.broadcast_to(x, out.shape) for x in inputs]
    exact = [None] * first
    with np.errstate(all="ignore"):
        for step in steps:
            x, y = (values[a] for a in step.args)
            kept = exact[step.args[0]]
            if step.function == "multiply":
                exact.append(x.astype(wide) * y)
                values.append(x * y)
            else:
                total = getattr(np, step.function)(x if kept is None else kept, y)
                exact.append(None)
                values.append(total.astype(out.dtype))
    out[...] = values[call.params.values[0]]


right_dot, right_pivot, right_direction = factor_pair.dot, factor_pair.pivot, jacobi.direction

BOTH = (
    "cholesky_pairs float32, lu_pairs float64, qr_pairs float32, solve_pairs float64, jacobi_row_pairs float32, "
    "fourier float32, fourier_of_reals float64"
)

BLOCKS = "cholesky_pairs float64, lu_pairs float32, qr_pairs float64, solve_pairs float32"

JOINED = "multiply complex64, divide complex128, exp complex64, sqrt complex128, where complex64"

FAULTS = {
    **of(
        {
            "complex-imaginary-part": fault(
                "the imaginary part of each number to the bit", JOINED, spoil(_one_bit), output=1
            ),
            "complex-as-real": fault("there is an imaginary part", JOINED, spoil(_as_real), output=1),
            "complex-without-gaps": fault("results lie where their strides say", JOINED, spoil(_without_gaps)),
            "complex-over-gaps": fault(
                "what lies between a result's elements stays", JOINED, spoil(_over_gaps), output=1
            ),
            "complex-fused": fault(
                "each product of parts is rounded", "multiply complex64, square complex64", _with_fused_products
            ),
        },
        "pointwise",
    ),
    "complex-moved-bits": fault(
        "moved numbers are the same bits", "copy complex128, cumulative_sum complex64, roll complex64", spoil(_one_bit)
    ),
    "pair-real-part": fault("the real part to the bit", BOTH, spoil(_one_bit)),
    "pair-imaginary-part": fault("the imaginary part to the bit", BOTH, spoil(_one_bit), output=1),
    **of(
        {
            "pair-unfused": fault(
                "products of parts are fused", BLOCKS, _with(Steps, "fma", staticmethod(_unfused)), output=1
            ),
            "pair-product-order": fault(
                "the order of a product's parts", BLOCKS, _with(factor_pair, "plus", _last_product_first), output=1
            ),
            "pair-quotient": fault(
                "quotients by ratios of parts",
                "lu_pairs float64, solve_pairs float32",
                _with(factor_pair, "over", _by_the_square),
                output=1,
            ),
            "pair-not-conjugate": fault(
                "QR's sums are of conjugates", "qr_pairs float32", _with(factor_pair, "dot", _not_conjugate), output=1
            ),
            "pair-real-pivot": fault(
                "a pivot is the largest of both parts",
                "lu_pairs float32",
                _with(factor_pair, "pivot", _of_real_parts),
                output=1,
            ),
            "pair-other-way": fault(
                "the lower row is turned by the product's sign",
                "jacobi_row_pairs float64",
                _with(jacobi, "direction", _other_way),
                output=1,
            ),
        },
        "factor",
    ),
}
