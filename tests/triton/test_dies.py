"""GPUs of several dies: program instances are numbered so that a die's share operands, and what they compute stays."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import accel
from accel.backends.triton_kernel import Pointer, Specialization
from accel.conversion import from_numpy, to_numpy
from accel.kernels.triton import attention, convolution, matmul, quantized_matmul
from accel.kernels.triton.dies import dies
from accel.ops.parameters import Attention, Quantized
from accel.registry import OPS
from accel.testing.compare import check
from accel.testing.quantized_family import weights

NUMBERED = '''"""What a program instance is to do."""

import triton
import triton.language as tl

from accel.kernels.triton.device.index import instance
from accel.kernels.triton.device.matmul import tile_of


@triton.jit
def numbered(out, tiles_m, tiles_n, DIES: tl.constexpr, INDEX: tl.constexpr):
    """out[program instance] = its number, and its tile's row and column."""
    number = instance(DIES, INDEX)
    _, row, column = tile_of(number, tiles_m, tiles_n, 8)
    at = out + tl.program_id(0) * 3
    tl.store(at, number)
    tl.store(at + 1, row)
    tl.store(at + 2, column)
'''


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """numbers(tiles along m, along n, dies): of each program instance its number, row and column."""
    import triton.language as tl

    path = tmp_path_factory.mktemp("kernels") / "numbered.py"
    path.write_text(NUMBERED, encoding="utf-8")
    device = accel.device("triton:interpreter")

    def numbers(tiles_m, tiles_n, count):
        grid = tiles_m * tiles_n
        out = from_numpy(np.full((grid, 3), -1, np.int32), device)
        arguments = {"out": Pointer("int32"), "tiles_m": tiles_m, "tiles_n": tiles_n, "DIES": count, "INDEX": tl.int32}
        device.prepare(Specialization(device.kernel(str(path), "numbered"), arguments), grid, (4,))((out,))
        return to_numpy(out)

    return numbers


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 8))
def test_numbers(numbered, tiles_m, tiles_n, count):
    """Each is there once; those of a die are neighbours, but for fewer than there are dies."""
    number, row, column = numbered(tiles_m, tiles_n, count).T
    assert sorted(number) == list(range(tiles_m * tiles_n))
    assert len(set(zip(row, column, strict=True))) == tiles_m * tiles_n
    each = tiles_m * tiles_n // count
    for die in range(count):
        its = number[: each * count][die::count]
        assert its.tolist() == list(range(die * each, (die + 1) * each))


def test_a_die_reads_fewer_operands(numbered):
    """Of a product of 32 by 32 tiles: rows of tiles of a and columns of b that each of 8 dies reads for the first 304
    program instances, which an MI300X runs at once. The control, of instances numbered as they come, reads more than
    twice as many."""

    def read(count):
        _, row, column = numbered(32, 32, count)[:304].T
        return [len(set(row[die::8])) + len(set(column[die::8])) for die in range(8)]

    assert max(read(8)) <= 13
    assert min(read(1)) >= 34


def test_how_many():
    def of(architecture, units=None):
        details = {} if units is None else {"multiprocessors": units}
        return dies(SimpleNamespace(architecture=architecture, details=details))

    assert [of("gfx942", n) for n in (304, 228, 152, 38, 80, 20)] == [8, 6, 4, 1, 1, 1]
    assert [of("gfx950", n) for n in (256, 128, 32, 250)] == [8, 4, 1, 1]
    assert (of("gfx942"), of("gfx950")) == (8, 8)
    assert [of(name, 132) for name in ("sm_90", "gfx90a", "gfx1100", "interpreter")] == [1, 1, 1, 1]


CAUSAL = Attention(24**-0.5, after=0, from_end=True)
CODES = Quantized("int4", 300, 32, "float32")
CALLS = {
    "matmul": lambda rng: ((rng.standard_normal((300, 41)), rng.standard_normal((41, 290))), {}),
    "conv2d": lambda rng: ((rng.standard_normal((3, 3, 19, 23)), rng.standard_normal((18, 3, 3, 3))), {"padding": 1}),
    "attention": lambda rng: (tuple(rng.standard_normal((2, 3, 37, 24)) for _ in range(3)), {"params": CAUSAL}),
    "quantized_matmul": lambda rng: ((CODES, rng.standard_normal((40, 64)), *weights(rng, CODES, 64)), {}),
}


@pytest.mark.parametrize("op", CALLS)
@pytest.mark.parametrize("numerics", ["default", "fast"])
def test_results_stay(op, numerics, monkeypatch):
    """As if the interpreter had 3 dies."""
    asked = []
    for module in (matmul, convolution, attention, quantized_matmul):
        monkeypatch.setattr(module, "dies", lambda device: asked.append(device) or 3)
    operands, keywords = CALLS[op](np.random.default_rng(5))
    operands = tuple(x.astype(np.float32) if getattr(x, "dtype", None) == np.float64 else x for x in operands)
    with accel.config(numerics=numerics):
        check(OPS[op], accel.device("triton:interpreter"), operands, keywords)
    assert asked
