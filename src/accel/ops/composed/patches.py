"""Elements of images moved between space and channels, and into and out of patches. The functions are torch's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from ...arguments import integer, integers, word
from ...array import Array
from ...conversion import constant, table
from ...dtypes import FLOATS, TABLE, DType, check_scalar
from ...errors import ArgumentError, ShapeError, shown
from ...parts import pair
from ..complex.part import imag, real
from ..compose import MovedOperand, Operand, composed
from ..pieces import filled
from ..primitive.scatter import add_rows
from ..views import reshape, viewed
from . import exact_patches as exact
from .movement import pad as _pad
from .windows import Windows, each, padded, whole


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import patches_family

    return patches_family.FAMILIES[name](dtype)


def _moves(name: str, **columns: Any) -> Any:
    return composed(
        reference=getattr(exact, name),
        samples=partial(examples, name),
        dtypes=tuple(TABLE.values()),
        exact=True,
        **columns,
    )


def _factor(op: str, argument: str, value: Any) -> int:
    found = integer(op, argument, value)
    if found < 1:
        raise ArgumentError(f"{op}: {argument}: expected 1 or more, got {found}")
    return found


@_moves("pixel_shuffle")
def pixel_shuffle(x: MovedOperand, upscale_factor: int) -> Array:
    """Channels turned into pixels: (…, c r r, h, w) becomes (…, c, h r, w r).

    upscale_factor: r. Channel (c r + i) r + j gives the pixels (h r + i, w r + j). Source: Shi et al. 2016,
    arXiv:1609.05158. Raises ShapeError, ArgumentError.
    """
    op = "pixel_shuffle"
    r = _factor(op, "upscale_factor", upscale_factor)
    if x.ndim < 3 or x.shape[-3] % (r * r):
        raise ShapeError(f"{op}: x: expected (…, channels, height, width), channels by {r} squared, got {x.shape}")
    *lead, c, h, w = x.shape
    k, n = len(lead), c // (r * r)
    parts = reshape(x, (*lead, n, r, r, h, w)).permute((*range(k), k, k + 3, k + 1, k + 4, k + 2))
    return reshape(parts, (*lead, n, h * r, w * r), copy=True)  # type: ignore[no-any-return]


@_moves("pixel_unshuffle")
def pixel_unshuffle(x: MovedOperand, downscale_factor: int) -> Array:
    """Pixels turned into channels: (…, c, h r, w r) becomes (…, c r r, h, w), which pixel_shuffle turns back.

    downscale_factor: r. Raises ShapeError, ArgumentError.
    """
    op = "pixel_unshuffle"
    r = _factor(op, "downscale_factor", downscale_factor)
    if x.ndim < 3 or x.shape[-1] % r or x.shape[-2] % r:
        raise ShapeError(f"{op}: x: expected (…, channels, height, width), both divided by {r}, got {x.shape}")
    *lead, c, h, w = x.shape
    k = len(lead)
    parts = reshape(x, (*lead, c, h // r, r, w // r, r)).permute((*range(k), k, k + 2, k + 4, k + 1, k + 3))
    return reshape(parts, (*lead, c * r * r, h // r, w // r), copy=True)  # type: ignore[no-any-return]


@_moves("channel_shuffle")
def channel_shuffle(x: MovedOperand, groups: int) -> Array:
    """Channels of (n, channels, …) from each group in turn: of m to a group, channel g m + i becomes i groups + g.

    Source: Zhang et al. 2017, arXiv:1707.01083. Raises ShapeError, ArgumentError.
    """
    count = _factor("channel_shuffle", "groups", groups)
    if x.ndim < 3 or x.shape[1] % count:
        raise ShapeError(f"channel_shuffle: x: expected (n, channels, …), channels in {count} groups, got {x.shape}")
    n, c, *behind = x.shape
    parts = reshape(x, (n, count, c // count, *behind)).permute((0, 2, 1, *range(3, len(behind) + 3)))
    return reshape(parts, x.shape, copy=True)  # type: ignore[no-any-return]


PADS = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""torch's names of what stands around an array, and NumPy's."""


def pad(x: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    """The array with elements added before and after along its last axes, or taken away.

    pad: integers (before, after) of the last axis, then of the one before it, and so on; below 0: so many elements are
    taken away. mode: ``constant``, with value (None: 0); ``reflect``, mirrored without the outermost elements, fewer
    than there are; ``replicate``, with the outermost ones; ``circular``, with those from the other end, at most as many
    as there are. Any dtype. Raises ArgumentError, RangeError for a value that the dtype does not hold, and ShapeError.
    """
    widths = integers("pad", "pad", pad)
    how = word("pad", "mode", mode, tuple(PADS))
    if value is not None and how != "constant":
        raise ArgumentError(f"pad: value: mode {how!r} takes none, got {shown(value)}")
    array, restore = viewed("pad", x)
    if value is not None:
        check_scalar(value, array.dtype, "pad: value")
    if len(widths) % 2 or len(widths) > 2 * array.ndim:
        raise ArgumentError(f"pad: pad: expected pairs for at most {array.ndim} axes, got {shown(pad)}")
    pairs = [(0, 0)] * (array.ndim - len(widths) // 2) + list(zip(widths[-2::-2], widths[::-2], strict=True))
    for axis, ((before, after), n) in enumerate(zip(pairs, array.shape, strict=True)):
        most = {"reflect": n - 1, "circular": n}.get(how)
        if most is not None and max(before, after) > max(most, 0):
            raise ShapeError(f"pad: pad: mode {how!r} adds at most {most} to axis {axis} of {n}, got {before}, {after}")
        if n + min(before, 0) + min(after, 0) < 0:
            raise ShapeError(f"pad: pad: takes {before}, {after} away from axis {axis} of {n}")
    if any(width < 0 for width in widths):
        cut = (slice(max(0, -b), n - max(0, -a)) for (b, a), n in zip(pairs, array.shape, strict=True))
        array = array[tuple(cut)]
    positive = tuple((max(b, 0), max(a, 0)) for b, a in pairs)
    if how == "constant":
        return restore(_pad(array, positive, constant_values=0 if value is None else value))
    return restore(_pad(array, positive, PADS[how]))


def _patches(op: str, lengths: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> list[Windows]:
    kernel, gaps = each(op, "kernel_size", kernel_size, 2, 1), each(op, "dilation", dilation, 2, 1)
    pads, steps = each(op, "padding", padding, 2), each(op, "stride", stride, 2, 1)
    found = []
    for n, k, d, p, s in zip(lengths, kernel, gaps, pads, steps, strict=True):
        left = n + 2 * p - d * (k - 1) - 1
        if left < 0:
            raise ShapeError(
                f"{op}: kernel_size: patches of {d * (k - 1) + 1} elements in an axis of {n} padded by {p}"
            )
        found.append(Windows(n, k, s, p, d, left // s + 1))
    return found


def _folded(cotangents: Sequence[Array | None], results: Sequence[Array], x: Array, **named: Any) -> Any:
    """What `unfold` takes to several places is summed there: patches may overlap, as views of an operand may not."""
    (g,) = cotangents
    assert g is not None
    its = partial(fold, output_size=x.shape[-2:], **named)
    return {"x": its(g) if g.dtype.kind != "c" else pair(its(real(g)), its(imag(g)))}


@_moves("unfold", vjp=_folded)
def unfold(x: MovedOperand, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Array:
    """Patches of images as columns: (n, c, h, w) becomes (n, c k k, patches), or without n.

    kernel_size, dilation, padding (with zeros), stride: one integer, or one for each of the two axes. A column has the
    elements of a patch, channel by channel, each in row-major order; columns are in row-major order of the patches.
    Raises ShapeError for patches larger than the padded operand, ArgumentError.
    """
    if x.ndim not in (3, 4):
        raise ShapeError(f"unfold: x: expected shape (n, channels, height, width) or without n, got {x.shape}")
    windows = _patches("unfold", x.shape[-2:], kernel_size, dilation, padding, stride)
    if any(w.before or w.after for w in windows):
        x, windows = padded(x, windows, 0), [w.inside() for w in windows]
    k = x.ndim - 2
    seen = whole(x, windows).permute((*range(k), k + 2, k + 3, k, k + 1))
    (rows, columns), (a, b) = ([w.taps for w in windows], [w.count for w in windows])
    return reshape(seen, (*x.shape[: k - 1], x.shape[k - 1] * rows * columns, a * b), copy=True)  # type: ignore[no-any-return]


@composed(reference=exact.fold, samples=partial(examples, "fold"), dtypes=FLOATS, widen=False)
def fold(x: Operand, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Array:
    """Images as sums of patches: (n, c k k, patches) becomes (n, c, h, w), or without n; unfold the other way round.

    output_size: h and w. The elements for one pixel are summed in row-major order of a patch's elements and the patches
    by the canonical rule, in float32 for 16-bit floats, which are rounded once. Arguments and errors are unfold's.
    """
    sizes = each("fold", "output_size", output_size, 2, 1)
    windows = _patches("fold", sizes, kernel_size, dilation, padding, stride)
    size, count = prod(w.taps for w in windows), prod(w.count for w in windows)
    if x.ndim not in (2, 3) or x.shape[-2] % size or x.shape[-1] != count:
        raise ShapeError(f"fold: x: expected shape (n, channels * {size}, {count}) or without n, got {x.shape}")
    *lead, rows, _ = x.shape
    shape = (*lead, rows // size)
    around = [w.inside() for w in windows]
    area = prod(w.n for w in around)

    def make() -> np.ndarray:
        along = [np.arange(w.taps)[:, None] * w.dilation + np.arange(w.count) * w.stride for w in around]
        cells = along[0][:, None, :, None] * around[1].n + along[1][None, :, None, :]
        return cells.reshape(-1).astype(np.int64)

    places = table(("patches", tuple(around)), make, x.device)
    source = reshape(x, (prod(shape), size * count))
    base = filled(-0.0, (prod(shape), area), x.dtype, x.device)
    total = reshape(add_rows("index_add", base, places, source, 1, True), (*shape, *(w.n for w in around)))
    inner = tuple(slice(w.before, w.before + w.n) for w in windows)
    return total[(..., *inner)] + constant(0.0, x.dtype, x.device)  # type: ignore[no-any-return]
