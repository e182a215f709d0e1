"""Arrays of calls as grids. In a call a complex one is two real ones, its parts, so that the rules know real numbers
only; as a grid its chunks are complex."""

from __future__ import annotations

from ..array import Array, Symbol
from ..conversion import to_numpy
from ..dtypes import complex_of
from ..parts import parts
from . import work
from .grid import Grid, Layer, held
from .movement import along_axes, place_in, resolved


def grid_of(x: Array, stretched: bool = True) -> Grid:
    """An array as a grid: a view of one, or one chunk of elements that are there. stretched: as of `resolved`."""
    if isinstance(x.buffer, Grid):
        return resolved(x, stretched)
    if isinstance(x.buffer, Symbol):
        re, im = (grid_of(part, stretched) for part in parts(x))
        return _joined(re, im)
    x = x if stretched else once(x)
    return held(to_numpy(x), x.dtype)


def once(x: Array) -> Array:
    """An array without what is repeated in it."""
    return x[tuple(slice(None) if step else slice(1) for step in x.strides)] if x.ndim else x


def _joined(re: Grid, im: Grid) -> Grid:
    """The complex numbers of these parts: what they were taken from, if they are all of it."""
    if re.origin and im.origin and (re.origin[1], im.origin[1]) == (0, 1) and re.origin[0].name == im.origin[0].name:
        return re.origin[0]
    (re, im), chunks = along_axes([re, im], re.shape)
    layer = Layer("complex", chunks, complex_of(re.dtype), (re, im))
    for place in re.places():
        layer.put(place, work.complexed, re.ref(place), im.ref(place_in(im, place)))
    return layer.grid()
