"""The op table: importing this package registers every spec."""
# ruff: noqa: F401

from typing import Any

from .. import registry
from .complex import arithmetic as complex_arithmetic
from .complex import elementary as complex_elementary
from .complex import factor as complex_factor
from .complex import movement as complex_movement
from .complex import part as complex_part
from .complex import reduction as complex_reduction
from .complex import trigonometric as complex_trigonometric
from .composed import (
    activation,
    adaptive,
    attention,
    bags,
    batch_norm,
    beta,
    class_loss,
    closeness,
    convolution,
    counting,
    covariance,
    dropout,
    elementwise,
    extremes,
    factorization,
    fourier,
    gate,
    grids,
    int8_products,
    linear,
    matrices,
    missing,
    movement,
    multi_head,
    normalization,
    order,
    packed_linear,
    patches,
    pooling,
    probability_loss,
    random,
    regression_loss,
    resampling,
    rotary,
    routing,
    sampled,
    segments,
    softmax,
    statistics,
    stopping,
)
from .primitive import attention as attention_primitive
from .primitive import (
    compact,
    factor,
    factor_pair,
    gather,
    grouped_matmul,
    join,
    matmul,
    pointwise,
    quantized_matmul,
    reduce,
    row,
    scan,
    scatter,
    search,
    sort,
)
from .spec import OpSpec


def _reduce(self: OpSpec) -> tuple[Any, ...]:
    return registry.op, (self.name,)


OpSpec.__reduce__ = _reduce  # type: ignore[method-assign]  # one of a name in a process
