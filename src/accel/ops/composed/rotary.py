"""Positions as rotations of pairs of features (Su et al. 2021, arXiv:2104.09864)."""

from __future__ import annotations

from typing import Any

from ...arguments import switch
from ...array import Array
from ...dtypes import TABLE, DType, promote
from ...errors import ShapeError
from ...layout import broadcast_shapes
from ..compose import Operand, composed
from ..pieces import boxed, joined
from ..primitive.pointwise import astype
from ..views import reshape
from . import exact_rotary


def examples(dtype: DType) -> Any:
    """Those of the op of this file."""
    from ...testing import rotary_family

    return rotary_family.rotations(dtype)


@composed(reference=exact_rotary.rotary_embedding, samples=examples, widen=False)
def rotary_embedding(x: Operand, cos: Operand, sin: Operand, interleaved: bool = False) -> Array:
    """Pairs (a, b) of the features along x's last axis turned to (a cos - b sin, b cos + a sin).

    cos, sin: of one shape, whose last axis has a number for each pair, and whose other axes broadcast to those of x:
    (length, pairs) for x of (batch, heads, length, features). Features beyond twice the pairs stay as they are.
    interleaved: features 2i and 2i + 1 are the i-th pair (GPT-J); else i and i + pairs are (GPT-NeoX, Llama). The
    result has x's dtype, and is rounded to it once. One launch, and one more where features stay.
    Raises ShapeError, DtypeError, ArgumentError.
    """
    op = "rotary_embedding"
    between = switch(op, "interleaved", interleaved)
    if x.ndim == 0 or cos.ndim == 0 or cos.shape != sin.shape:
        shapes = f"{x.shape}, {cos.shape} and {sin.shape}"
        raise ShapeError(f"{op}: expected x with axes, and cos and sin of one shape with axes, got {shapes}")
    pairs, features = cos.shape[-1], x.shape[-1]
    if 2 * pairs > features:
        raise ShapeError(f"{op}: cos: has {pairs} pairs, for which x has too few features: shape {x.shape}")
    if broadcast_shapes(x.shape[:-1], cos.shape[:-1], what=op) != x.shape[:-1]:
        raise ShapeError(f"{op}: cos: has shape {cos.shape}, which does not broadcast to that of x, {x.shape}")
    wide = TABLE[promote(x.dtype, cos.dtype, sin.dtype).accumulator]
    end, step = 2 * pairs, 2 if between else 1
    halves = x[..., :end:step][..., :pairs], x[..., 1:end:2] if between else x[..., pairs:end]
    a, b, c, s = (astype(each, wide, copy=False) for each in (*halves, cos, sin))
    turned = [astype(each, x.dtype, copy=False) for each in (a * c - b * s, b * c + a * s)]
    rest = x[..., end:]
    if between:  # the halves of each pair side by side
        lead = (0,) * x.ndim
        boxes = [((*lead, i), each[..., None]) for i, each in enumerate(turned)]
        turned = [reshape(boxed((*x.shape[:-1], pairs, 2), boxes), (*x.shape[:-1], 2 * pairs))]
    parts = [*turned, rest] if rest.shape[-1] else turned
    return parts[0] if len(parts) == 1 else joined(parts, x.ndim - 1)
