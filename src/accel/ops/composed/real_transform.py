"""Fourier transforms whose operand, or whose result, is real: of even lengths n by a transform of n / 2 complex numbers
(Cooley, Lewis and Welch 1970), of odd ones by the whole transform."""

from __future__ import annotations

from ...array import Array
from ..pieces import filled, joined
from ..primitive.pointwise import fn
from ..views import reshape
from .transform import Parts, circle, transform

Slices = tuple[slice, ...]


def _at(axis: int, start: int | None, stop: int | None = None, step: int | None = None) -> Slices:
    """Elements along an axis."""
    return (*(slice(None),) * axis, slice(start, stop, step))


def transform_of_reals(x: Array, axis: int, scale: float = 1.0) -> Parts:
    """The first n // 2 + 1 elements of the transform along an axis, of length 1 or more, times a factor; the others are
    their conjugates."""
    n = x.shape[axis]
    if n % 2:
        re, im = transform(x, filled(0.0, x.shape, x.dtype, x.device), axis, scale=scale)
        kept = _at(axis, 0, n // 2 + 1)
        return re[kept], im[kept]
    half = n // 2
    re, im = transform(x[_at(axis, 0, None, 2)], x[_at(axis, 1, None, 2)], axis)

    def unfolded(first: Slices, mirrored: Slices, start: int, count: int) -> Parts:
        """X_k of a = Z_k and b = Z_(n/2 - k): a + conj(b) is twice the transform of the even elements, and
        -i (a - conj(b)) that of the odd ones."""
        cos, sin = _turns(x, n, axis, start, count)
        ar, ai, br, bi = re[first], im[first], re[mirrored], im[mirrored]
        p, q = ai + bi, br - ar
        return (
            (ar + br + (cos * p + sin * q)) * (0.5 * scale),
            (ai - bi + (cos * q - sin * p)) * (0.5 * scale),
        )

    start = _at(axis, 0, 1)
    pieces = [unfolded(start, start, 0, 1), unfolded(start, start, half, 1)]
    if half > 1:
        pieces.insert(1, unfolded(_at(axis, 1), _at(axis, None, 0, -1), 1, half - 1))
    return joined([re for re, _ in pieces], axis), joined([im for _, im in pieces], axis)


def reals_of_transform(re: Array, im: Array, axis: int, n: int, scale: float = 1.0) -> Array:
    """The n real numbers, times a factor, whose transform without a factor begins with these n // 2 + 1; the imaginary
    parts of the first element, and of the last where n is even, count as 0. With exp(2 pi i jk / n)."""
    half = n // 2
    start, rest = _at(axis, 0, 1), _at(axis, 1)
    if n % 2:
        zero = filled(0.0, im[start].shape, im.dtype, im.device)
        if n == 1:
            return re * scale
        back = _at(axis, None, 0, -1)
        whole = joined([re, re[back]], axis), joined([zero, im[rest], fn.negative(im[back])], axis)
        return transform(*whole, axis, True, scale)[0]
    end = _at(axis, half)
    folded = [(re[start] + re[end], re[start] - re[end])]
    if half > 1:
        inner, mirrored = _at(axis, 1, half), _at(axis, half - 1, 0, -1)
        cos, sin = _turns(re, n, axis, 1, half - 1)
        ar, ai, br, bi = re[inner], im[inner], re[mirrored], im[mirrored]
        p, q = ar - br, ai + bi
        folded.append((ar + br - (cos * q + sin * p), ai - bi + (cos * p - sin * q)))
    points = (joined([x for x, _ in folded], axis), joined([x for _, x in folded], axis))
    split = (*(slice(None),) * (axis + 1), None)
    pairs = [x[split] for x in transform(*points, axis, True, scale)]
    return reshape(joined(pairs, axis + 1), (*re.shape[:axis], n, *re.shape[axis + 1 :]))


def _turns(like: Array, n: int, axis: int, start: int, count: int) -> Parts:
    """cos and sin of 2 pi k / n along an axis, for `count` k from a first one on, at most n / 2."""
    its, after = circle(n, like.dtype, like.device), like.ndim - axis - 1
    cos, sin = (its[part, start : start + count].view((count, *(1,) * after), (1, *(0,) * after)) for part in (0, 1))
    return cos, sin
