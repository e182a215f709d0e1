"""Chunks live on the device of the process that computes: what it is changes no bit."""

import pytest
from chunked import equal_bits, numbers
from targets import TARGETS

import accel
import accel.dask as ad
from accel.numerics import BLOCK

MARKS = {"intel": (), "interpreter": (pytest.mark.slow,), "gpu": (pytest.mark.gpu,)}


@pytest.mark.parametrize(
    "other", [pytest.param(t, marks=MARKS[t.name]) for t in TARGETS if t.name in MARKS], ids=lambda t: t.name
)
def test_chunks_of_another_device(other):
    x, y = numbers(1, (3, BLOCK + 70), "float32"), numbers(2, (3, 5), "float32")
    calls = {
        "sum": lambda m, a, b: m.sum(a, axis=1),
        "softmax": lambda m, a, b: m.nn.softmax(b - 1.0, axis=0),
        "product": lambda m, a, b: m.matmul(m.matrix_transpose(b), b),
        "place": lambda m, a, b: m.argmax(b),
    }
    wanted = {name: call(accel, x, y) for name, call in calls.items()}
    with other.in_force() as device, accel.config(device=str(device)):
        a, b = ad.from_array(x, (2, BLOCK - 60)), ad.from_array(y, (2, 3))
        for name, call in calls.items():
            found = call(ad, a, b).compute()
            assert found.device is device and equal_bits(found, wanted[name]), name
