"""Products of complex numbers on the CPU, which have a kernel of their own: the bits of their real steps."""

from __future__ import annotations

import numpy as np
import pytest

import accel
from accel import _cpu


@pytest.mark.parametrize("isa", _cpu.isas())
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_products(dtype, isa):
    """Less than a vector, several with a rest, and rows of them; by a complex number and by a real one."""
    rng = np.random.default_rng(1)
    with accel.config(device="cpu", cpu_isa=isa):
        for shape in ((1,), (3,), (4,), (9,), (37,), (5, 11), (3, 64)):
            x, y = ((rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype) for _ in range(2))
            got = np.asarray(accel.asarray(x) * accel.asarray(y))
            assert got.real.tobytes() == (x.real * y.real - x.imag * y.imag).tobytes()
            assert got.imag.tobytes() == (x.real * y.imag + x.imag * y.real).tobytes()
            factor = y.real.copy()
            got = np.asarray(accel.asarray(factor) * accel.asarray(x))
            assert got.real.tobytes() == (factor * x.real).tobytes()
            assert got.imag.tobytes() == (factor * x.imag).tobytes()


@pytest.mark.parametrize("isa", _cpu.isas())
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_products_in_place(dtype, isa):
    """Into either factor's memory, whatever is left of the last vector: nothing is multiplied twice."""
    rng = np.random.default_rng(2)
    with accel.config(device="cpu", cpu_isa=isa):
        for n in range(1, 40):
            x, y = ((rng.standard_normal(n) + 1j * rng.standard_normal(n)).astype(dtype) for _ in range(2))
            for other in (y, np.array(2j, dtype), y.real.copy(), None):
                array = accel.asarray(x.copy())
                factor = array if other is None else accel.asarray(other)
                want = np.asarray(array * factor)
                array *= factor
                assert np.asarray(array).tobytes() == want.tobytes(), (n, other)
