"""Cases of places in sorted vectors, of what masks select, and of different and largest elements."""

from __future__ import annotations

import numpy as np

from ... import searchsorted, topk, unique_values
from .case import Calls, Case, sampled
from .data import Data

SIZES = (1 << 16, 1 << 22)


def searches() -> list[Case]:
    """As many values as the vector has elements, in any order and sorted."""
    return [
        *(search(dtype, n, False) for dtype in ("float32", "int64") for n in SIZES),
        *(search("float32", n, True) for n in SIZES),
    ]


def search(dtype: str, n: int, ordered: bool) -> Case:
    """Values in any order, or sorted."""

    def build(data: Data) -> Calls:
        x, values = np.sort(data.array(dtype, (n,))), data.array(dtype, (n,), key=1)
        values = np.sort(values) if ordered else values
        a, b = data.accel(x, values)
        peers = {"numpy": lambda: np.searchsorted(x, values)}
        if data.torch is not None:
            function, tensors = data.torch.searchsorted, data.tensors(x, values)
            peers["torch"] = lambda: function(*tensors)
        return Calls(lambda: searchsorted(a, b), peers, lambda: sampled(np.searchsorted(x, values)), sampled)

    return Case(f"{n} {'sorted ' * ordered}values in {n} elements, {dtype}", dtype, build)


def masks() -> list[Case]:
    """Half of a vector's elements, few of them, and half of a matrix' rows."""
    return [
        *(mask("float32", (n,), share) for n in SIZES for share in (0.5, 0.01)),
        *(mask("int64", (n,), 0.5) for n in SIZES),
        *(mask("float32", (n, 64), 0.5) for n in (1 << 10, 1 << 16)),
    ]


def mask(dtype: str, shape: tuple[int, ...], share: float) -> Case:
    """Elements along the first axis."""

    def build(data: Data) -> Calls:
        x, chosen = data.array(dtype, shape), np.random.default_rng(shape[0]).random(shape[0]) < share
        a, b = data.accel(x, chosen)
        peers = {"numpy": lambda: x[chosen]}
        if data.torch is not None:
            tensor, its = data.tensors(x, chosen)
            peers["torch"] = lambda: tensor[its]
        return Calls(lambda: a[b], peers, lambda: sampled(x[chosen]), sampled)

    return Case(f"{share:.0%} of {'x'.join(map(str, shape))}, {dtype}", dtype, build)


def uniques() -> list[Case]:
    """Different elements of vectors with few and with many."""
    return [unique(dtype, n) for dtype in ("float32", "int64", "int8") for n in SIZES]


def unique(dtype: str, n: int) -> Case:
    """Of random elements: floats are almost all different, of integers there are 201."""

    def build(data: Data) -> Calls:
        x = data.array(dtype, (n,))
        (a,) = data.accel(x)
        peers = {"numpy": lambda: np.unique(x)}
        if data.torch is not None:
            function, tensor = data.torch.unique, data.tensor(x)
            peers["torch"] = lambda: function(tensor)
        return Calls(lambda: unique_values(a), peers, lambda: sampled(np.unique(x)), sampled)

    return Case(f"{n}, {dtype}", dtype, build)


def tops() -> list[Case]:
    """Few of a vector's elements, and of each row."""
    return [
        *(top("float32", (n,), k, largest) for n in SIZES for k, largest in ((10, True), (1000, False))),
        *(top("int64", (n,), 100, True) for n in SIZES),
        *(top("float32", shape, 10, True) for shape in ((64, 1024), (64, 1 << 16))),
    ]


def top(dtype: str, shape: tuple[int, ...], k: int, largest: bool) -> Case:
    """Of the last axis; NumPy's user takes a partition, sorts what it gives, and has no indices."""

    def build(data: Data) -> Calls:
        x, n = data.array(dtype, shape), shape[-1]
        (a,) = data.accel(x)

        def numpy() -> np.ndarray:
            if largest:
                return np.sort(np.partition(x, n - k, axis=-1)[..., n - k :], axis=-1)[..., ::-1]
            return np.sort(np.partition(x, k - 1, axis=-1)[..., :k], axis=-1)

        peers = {"numpy": numpy}
        if data.torch is not None:
            function, tensor = data.torch.topk, data.tensor(x)
            peers["torch"] = lambda: function(tensor, k, -1, largest)[0]
        return Calls(lambda: topk(a, k, largest=largest)[0], peers, lambda: sampled(numpy()), sampled)

    return Case(f"{k} {'largest' if largest else 'smallest'} of {'x'.join(map(str, shape))}, {dtype}", dtype, build)
