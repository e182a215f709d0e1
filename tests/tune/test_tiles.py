"""The computed tiles fit every GPU, also one that is not known yet; and every choice that a kernel lists gives the bits
of the computed one."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuned_calls import asked

import accel
from accel import registry
from accel.bench.tune.trial import DifferentBits, Trial
from accel.dtypes import TABLE

KNOWN = ("sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "gfx90a", "gfx942", "gfx950", "gfx1100", "gfx1201")
UNKNOWN = ("sm_75", "sm_103", "sm_121", "sm_130", "gfx908", "gfx1250", "gfx1300")
DTYPES = ("float16", "bfloat16", "float32", "float64", "int8")
SIZES = (1, 100, 128, 4096)

triton = pytest.mark.skipif(registry.unavailable("triton") is not None, reason="triton cannot be used")


def configs(architecture):
    from accel.kernels.triton import matmul

    device = SimpleNamespace(architecture=architecture, kind="gpu")
    for dtype, m, n, numerics in itertools.product(DTYPES, SIZES, SIZES, ("default", "fast", "reproducible")):
        for finished in (False, True):
            yield matmul.choose(device, TABLE[dtype], TABLE[dtype], m, n, numerics, finished)


@triton
@pytest.mark.parametrize("architecture", [*KNOWN, *UNKNOWN])
def test_computed_tiles_fit_the_shared_memory(architecture):
    from accel.kernels.triton.matmul_tiles import LEAST, SHARED_MEMORY

    most = SHARED_MEMORY.get(architecture, LEAST)
    for config in set(configs(architecture)):
        if config.kernel == "dot":
            height, width, depth = config.tile
            assert config.num_stages * depth * (height + width) * TABLE[config.load].itemsize <= most, config
            assert min(height, width) >= (1 if config.ordered else 16) and config.num_stages >= 2


@triton
@pytest.mark.parametrize("architecture", KNOWN)
def test_known_architectures_keep_their_tiles(architecture, monkeypatch):
    """The room that they have cuts nothing; the control: half as much does."""
    from accel.kernels.triton import matmul, matmul_tiles

    found = list(configs(architecture))
    with monkeypatch.context() as patch:
        patch.setattr(matmul, "fitted", lambda architecture, tile, stages, itemsize: (tile, stages))
        assert list(configs(architecture)) == found
    monkeypatch.setitem(matmul_tiles.SHARED_MEMORY, architecture, 16 << 10)
    assert list(configs(architecture)) != found


@triton
@given(st.sampled_from([*KNOWN, *UNKNOWN]), st.sampled_from((16, 32, 64, 128)), st.sampled_from((16, 32, 64, 128, 256)),
       st.sampled_from((8, 16, 32, 64, 128)), st.integers(1, 5), st.sampled_from((1, 2, 4, 8)))  # fmt: skip
def test_fitted(architecture, height, width, depth, stages, itemsize):
    """The result fits, is no larger in any number, and fits itself."""
    from accel.kernels.triton.matmul_tiles import fitted

    tile, its = fitted(architecture, (height, width, depth), stages, itemsize)
    assert tile[0] <= height and tile[1] <= width and tile[2] == depth and its <= stages
    assert fitted(architecture, tile, its, itemsize) == (tile, its)


CALLS = {
    "square": (70, 72, 300, np.float32, 0, False),
    "few rows": (3, 130, 600, np.float32, 0, False),
    "turned": (20, 40, 270, np.float32, 0, True),
    "batch": (9, 33, 40, np.float32, 3, False),
    "float64": (40, 24, 260, np.float64, 0, False),
    "int8": (33, 40, 70, np.int8, 0, False),
}


@pytest.mark.parametrize("name", ["square", *(pytest.param(x, marks=pytest.mark.slow) for x in CALLS if x != "square")])
def test_every_choice_gives_the_same_bits_on_intel(intel, name):
    """Of results with guards around them, past every edge of a tile."""
    kernel, call = asked(intel, *CALLS[name])
    trial = Trial(kernel, call, 0.0)
    choices = kernel.tunable.choices(call)
    assert len(choices) >= 6 and choices[0] == kernel.tunable.default(call) and len(set(choices)) == len(choices)
    for choice in choices[:: 2 if name == "square" else 1]:
        assert trial.bits_of(choice) == trial.expected, choice


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_every_tile_of_work_groups_gives_the_same_bits(intel, step):
    import pyopencl as cl

    device = registry.backend("opencl").adopt(cl.CommandQueue(intel.context))
    device.geometry = "lanes"
    kernel, call = asked(device, 70, 72, 300)
    trial = Trial(kernel, call, 0.0)
    choices = kernel.tunable.choices(call)
    assert len(choices) >= 6 and all(len(choice) == 5 for choice in choices)
    for choice in choices[::step]:
        assert trial.bits_of(choice) == trial.expected, choice


@triton
@pytest.mark.parametrize(("shape", "dtype"), [((17, 20, 270), np.float32), ((17, 20, 70), np.int8)])
def test_every_choice_gives_the_same_bits_under_triton(shape, dtype):
    """In the interpreter; chunks shared out and not, too."""
    kernel, call = asked(accel.device("triton:interpreter"), *shape, dtype)
    trial = Trial(kernel, call, 0.0)
    choices = kernel.tunable.choices(call)
    assert len(choices) >= 6 and len({choice[5] for choice in choices}) == (2 if dtype is np.float32 else 1)
    seen = {choice[:3] + choice[5:]: choice for choice in choices}  # warps and stages mean nothing there
    for choice in list(seen.values())[::3]:
        assert trial.bits_of(choice) == trial.expected, choice


def test_control_a_wrong_choice_is_refused(intel):
    """Other bits in one element, and a byte written behind the result."""
    kernel, call = asked(intel, 16, 16, 16)
    trial = Trial(kernel, call, 0.0)
    for at in (0, len(trial.expected[0]) // 2, len(trial.expected[0]) - 1):
        expected = bytearray(trial.expected[0])
        expected[at] ^= 1
        good, trial.expected = trial.expected, [bytes(expected)]
        with pytest.raises(DifferentBits, match="other bits than with packed=0"):
            trial.ratio(kernel.tunable.choices(call)[-1])
        trial.expected = good
    assert min(trial.ratio(kernel.tunable.choices(call)[-1])) > 0
