"""unique_all, unique_counts, unique_inverse and unique_values: their definition, NaN, zeros, and NumPy's answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel

DTYPES = ["bool", "int8", "uint64", "int64", "float16", "float32", "float64"]
VALUES = [0.0, -0.0, 1.0, -1.0, float("inf"), -float("inf"), float("nan"), -float("nan"), 5e-45, 3.0]


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def defined(x: list[float]) -> tuple[list[float], list[int], list[int], list[int]]:
    """Values without NaN, then each NaN; where each is first; where each element's is; how many."""
    keys = [("nan", i) if v != v else ("value", v + 0.0) for i, v in enumerate(x)]
    order = sorted(set(keys), key=lambda key: (key[0] == "nan", key[1]))
    values = [float("nan") if kind == "nan" else v for kind, v in order]
    return values, [keys.index(k) for k in order], [order.index(k) for k in keys], [keys.count(k) for k in order]


@given(st.lists(st.sampled_from(VALUES), max_size=40))
def test_by_definition(elements):
    x = np.array(elements, np.float32)
    values, indices, inverse, counts = defined(x.tolist())
    found = accel.unique_all(x)
    assert np.array_equal(found.values, np.array(values, np.float32), equal_nan=True)
    assert not np.signbit(found.values[found.values == 0]).any()
    assert found.indices.tolist() == indices
    assert found.inverse_indices.tolist() == inverse
    assert found.counts.tolist() == counts
    assert accel.unique_counts(x).counts.tolist() == counts
    assert accel.unique_inverse(x).inverse_indices.tolist() == inverse
    for other in (accel.unique_counts(x).values, accel.unique_inverse(x).values, accel.unique_values(x)):
        assert np.array_equal(other, found.values, equal_nan=True)
        assert np.array_equal(np.signbit(other[other == 0]), np.signbit(found.values[found.values == 0]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (700,), (13, 900), (0,), (3, 0)])
def test_as_numpy(dtype, shape):
    x = np.random.default_rng(3).integers(0, 2 if dtype == "bool" else 50, shape).astype(dtype)
    for array in (x, x.T):
        for name in ("unique_all", "unique_counts", "unique_inverse"):
            got, want = getattr(accel, name)(array), getattr(np, name)(array)
            assert got._fields == want._fields
            for a, b in zip(got, want, strict=True):
                assert a.dtype == b.dtype and np.array_equal(a, b), name
        assert np.array_equal(accel.unique_values(array), np.unique(array))


def test_long_vectors_and_other_kinds_of_arrays():
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    x = np.random.default_rng(4).integers(-9000, 9000, 70001)
    found = accel.unique_all(torch.from_numpy(x))
    assert all(isinstance(a, torch.Tensor) for a in found)
    values, indices, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    want = (values, indices, inverse, counts)
    assert all(np.array_equal(a.numpy(), b) for a, b in zip(found, want, strict=True))
    own = accel.unique_all(accel.asarray(x))
    assert isinstance(own.counts, accel.Array) and own.inverse_indices.shape == (70001,)


def test_they_cannot_be_traced():
    for name in ("unique_all", "unique_counts", "unique_inverse", "unique_values"):
        with pytest.raises(accel.ArgumentError, match=f"{name}: the size of the result"):
            accel.fuse(getattr(accel, name))(accel.ones(3))
        with pytest.raises(accel.ArgumentError, match=f"{name}: x"):
            getattr(accel, name)([1.0])
