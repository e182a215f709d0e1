"""The public functions of dropout, with torch's names: `composed.dropout` after a look at the arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import interop
from ..arguments import integer, real, switch
from ..array import Array, Symbol
from ..conversion import constant, from_numpy
from ..dtypes import UINT64
from ..errors import ArgumentError, DtypeError, ShapeError, shown
from ..layout import Shape
from .composed.dropout import random_dropout
from .pieces import joined


def _state(op: str, key: Any, x: Array) -> Any:
    """Stream and key: of a number, stream 0; else an array that has both."""
    if key is None:
        raise ArgumentError(f"{op}: key: expected an integer, or the key() of an accel.random.Generator, got None")
    if not getattr(key, "ndim", 0):
        seed = integer(op, "key", key)
        if not 0 <= seed < 2**64:
            raise ArgumentError(f"{op}: key: expected an integer from 0 to 2^64 - 1, got {shown(key)}")
        if isinstance(x.buffer, Symbol):  # a trace captures numbers, and no arrays
            return joined([constant(n, UINT64, x.device).view((1,), (0,)) for n in (0, seed)], 0)
        return from_numpy(np.array([0, seed], np.uint64), x.device)
    (_, state), _ = interop.adopt(op, x=x, key=key)
    if state.dtype is not UINT64 or state.shape != (2,):
        raise DtypeError(f"{op}: key: expected uint64 of shape (2,), got {state.dtype} of shape {state.shape}")
    return state


def _dropped(op: str, x: Any, p: Any, training: Any, key: Any, ndims: Shape = (), alpha: bool = False) -> Any:
    """ndims: how many axes x has where whole channels are left out."""
    rate, on = real(op, "p", p), switch(op, "training", training)
    if not 0.0 <= rate <= 1.0:
        raise ArgumentError(f"{op}: p: expected a probability from 0 to 1, got {shown(p)}")
    (array,), restore = interop.adopt(op, x=x)
    if not isinstance(array, Array):
        raise ArgumentError(f"{op}: x: expected an array, got the scalar {shown(array)}")
    if array.dtype.kind != "f":
        raise DtypeError(f"{op}: x: takes floating dtypes, got {array.dtype}; cast with astype")
    if ndims and array.ndim not in ndims:
        raise ShapeError(f"{op}: x: expected {' or '.join(map(str, ndims))} axes, got shape {array.shape}")
    idle = not on or rate == 0.0
    state = None if idle and key is None else _state(op, key, array)
    if idle:
        return restore(array)
    axes = array.ndim if not ndims else 1 if len(ndims) == 2 and array.ndim == ndims[0] else 2
    return restore(random_dropout(array, state, rate, axes, alpha))


def dropout(x: Any, p: float = 0.5, training: bool = True, *, key: Any = None) -> Any:
    """x with each element replaced by 0 with probability p, and the others times 1 / (1 - p).

    x: floating. training: without it, and with p 0, x itself, as a view. With p 1 all is 0, also what was not finite.
    key: an integer from 0 to 2^64 - 1, or what `Generator.key()` of `accel.random` gives, a new one each time. Whether
    an element is left out is a function of the key and of the element's place in row-major order (docs/numerics.md,
    "Random numbers"): the same on every device, and for every dtype, but not for a row at another place of a batch. In
    a fused function pass the array of `Generator.key()` as an argument, as an integer is a constant there.
    Raises ArgumentError, DtypeError. As torch.nn.functional.dropout, with random numbers of its own.
    """
    return _dropped("dropout", x, p, training, key)


def dropout1d(x: Any, p: float = 0.5, training: bool = True, *, key: Any = None) -> Any:
    """`dropout` of whole channels: of (batch, channels, length), or (channels, length). Places are those of the
    channels. Raises ShapeError, and as `dropout`."""
    return _dropped("dropout1d", x, p, training, key, (2, 3))


def dropout2d(x: Any, p: float = 0.5, training: bool = True, *, key: Any = None) -> Any:
    """`dropout` of whole channels: of (batch, channels, height, width). Places are those of the channels. Raises
    ShapeError, also for three axes, which torch reads in two ways, and as `dropout`."""
    return _dropped("dropout2d", x, p, training, key, (4,))


def dropout3d(x: Any, p: float = 0.5, training: bool = True, *, key: Any = None) -> Any:
    """`dropout` of whole channels: of (batch, channels, depth, height, width), or without the batch. Places are those
    of the channels. Raises ShapeError, and as `dropout`."""
    return _dropped("dropout3d", x, p, training, key, (4, 5))


def alpha_dropout(x: Any, p: float = 0.5, training: bool = True, *, key: Any = None) -> Any:
    """x with each element replaced with probability p by the value at which SELU saturates, and all then scaled and
    shifted so that mean 0 and variance 1 stay (Klambauer et al. 2017). With p 1 all is 0. Arguments and errors are
    those of `dropout`."""
    return _dropped("alpha_dropout", x, p, training, key, alpha=True)


def feature_alpha_dropout(x: Any, p: float = 0.5, training: bool = True, *, key: Any = None) -> Any:
    """`alpha_dropout` of whole channels: of (batch, channels, …). Raises ShapeError, and as `dropout`."""
    return _dropped("feature_alpha_dropout", x, p, training, key, tuple(range(2, 9)), alpha=True)
