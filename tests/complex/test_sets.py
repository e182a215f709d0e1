"""Complex numbers in sets, and near each other: NumPy's answers, on every device."""

from __future__ import annotations

import numpy as np
import pytest

import accel
from accel import linalg

NAN, INF = np.nan, np.inf
VALUES = (0, complex(-0.0, -0.0), 1, 1j, -1, complex(-0.0, 2), complex(0.0, 2), 3, complex(1, NAN), complex(NAN, 1))
MORE = (complex(2, NAN), complex(NAN, NAN), complex(INF, 1), complex(INF, NAN), complex(1, -INF))


def drawn(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array(VALUES + MORE, dtype), shape)


def same(x: object, want: object) -> bool:
    return np.array_equal(np.asarray(x), np.asarray(want), equal_nan=True)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_sets(request, target, dtype):
    slow = target.name.startswith("emulated") or (dtype == "complex128" and not target.name.startswith("cpu"))
    if slow and not request.config.getoption("--deep"):
        pytest.skip("this runs on this device with --deep")
    x, others = drawn(dtype, (7, 9), 0), drawn(dtype, (6,), 1)
    values, indices, inverse, counts = np.unique(
        x, return_index=True, return_inverse=True, return_counts=True, equal_nan=False
    )
    number = ~np.isnan(x)
    with target.in_force() as device:
        if device.missing("float64") and dtype == "complex128":
            return
        a, b = (accel.asarray(each, device=device) for each in (x, others))
        found = accel.unique_all(a)
        made = [np.asarray(each.to_device("cpu")) for each in found]
        assert same(made[0], values) and same(made[3], counts) and made[0].dtype == dtype
        assert same(made[1][: len(values) - (~number).sum()], indices[~np.isnan(values)])
        assert same(made[2][number], inverse[number]) and same(made[0][made[2]], x + 0)
        assert sorted(made[2][~number]) == list(range(number.any() and len(values) - (~number).sum(), len(values)))
        assert accel.isin(a, b).to_device("cpu").tolist() == np.isin(x, others).tolist()
        assert accel.isin(a, b, invert=True).to_device("cpu").tolist() == np.isin(x, others, invert=True).tolist()


def test_the_answers_of_other_orders_are_seen():
    x = drawn("complex64", (30,), 0)
    assert not same(np.unique(x), x[np.lexsort((x.real, x.imag))][: len(np.unique(x))])
    assert np.isin(x, x[:3]).tolist() != np.isin(x.real, x[:3].real).tolist()


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_closeness(dtype):
    x, y = drawn(dtype, (400,), 2), drawn(dtype, (400,), 3)
    with accel.config(device="cpu"), np.errstate(all="ignore"):
        y[:200] = x[:200] * np.array([1, 1 + 1e-6j, 1 + 3e-5, 1 + 4e-3j])[np.arange(200) % 4]
        for equal_nan in (False, True):
            want = np.isclose(x, y, equal_nan=equal_nan)
            assert want.any() and not want.all()
            assert same(accel.isclose(x, y, equal_nan=equal_nan), want)
            assert bool(accel.allclose(x[want], y[want], equal_nan=equal_nan))
            assert not accel.allclose(x, y, equal_nan=equal_nan)
        assert accel.isclose(x, np.float32(1)).tolist() == np.isclose(x, 1).tolist()
        assert accel.isclose(np.int32([1, 2]), np.array([1, 2j], dtype)).tolist() == [True, False]


def test_cross_products():
    rng = np.random.default_rng(4)
    a, b = (rng.normal(size=(5, 3)) + 1j * rng.normal(size=(5, 3)) for _ in range(2))
    assert np.allclose(linalg.cross(a, b), np.cross(a, b), rtol=1e-14, atol=1e-14)
    assert linalg.cross(a.astype(np.complex64), b.real).dtype == np.complex128
