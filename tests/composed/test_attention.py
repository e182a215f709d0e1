"""Attention: what a cache, padding and neighbours do to the bits (nothing), torch beside it, and wrong arguments."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import accel
from accel import nn
from accel.conversion import to_numpy
from accel.numerics import ATTENTION, LANES
from accel.ops.parameters import Attention
from accel.ops.primitive.attention import canonical_attention

attention = nn.scaled_dot_product_attention

DEVICES = ("cpu", "opencl:intel", "triton:interpreter")

LENGTH = ATTENTION + LANES + 5


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> accel.Device:
    try:
        return accel.device(request.param)
    except accel.AccelError as error:
        pytest.skip(f"{request.param}: {error}")


def three(*shape: int, dtype: str = "float32", seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for _ in range(3)]


def on(device: accel.Device, *operands: np.ndarray, **keywords: object) -> np.ndarray:
    arrays = [accel.asarray(x, device=device) for x in operands]
    moved = {k: accel.asarray(x, device=device) if isinstance(x, np.ndarray) else x for k, x in keywords.items()}
    return to_numpy(attention(*arrays, **moved))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_decoding_with_a_cache_gives_the_last_row_of_the_whole_sequence(device, dtype):
    length = LANES + 9 if device.backend == "triton" else LENGTH  # of a chunk alone where keys are slow
    q, k, v = three(1, 2, length, 8, dtype=dtype)
    some = length if device.backend == "cpu" else 2  # queries of the whole sequence, the last ones
    rows = {"is_causal": True, "causal_alignment": "lower_right"}
    whole = on(device, q[:, :, -some:], k, v, **rows)[:, :, -1:]
    room = [np.full((1, 2, length + 100, 8), np.nan, dtype) for _ in range(2)]
    for cache, x in zip(room, (k, v), strict=True):
        cache[:, :, 37 : 37 + length] = x
    where = {"key_starts": np.array([37]), "key_lengths": np.array([length])}
    assert whole.tobytes() == on(device, q[:, :, -1:], k, v).tobytes()
    last = on(device, q[:, :, -1:], *room, **rows, **where)
    assert whole.tobytes() == last.tobytes()


def test_blocks_that_begin_elsewhere_would_be_seen():
    """The control of the test above: with blocks that count from the memory's first key, the bits are others."""
    q, k, v = three(1, 2, LENGTH, 8)
    ordinary = canonical_attention(q[:, :, -1:], k, v, params=Attention(0.25))
    pad = [np.concatenate([np.zeros((1, 2, 37, 8), "float32"), x], axis=2) for x in (k, v)]
    mask = np.broadcast_to(np.arange(LENGTH + 37) >= 37, (1, 2, 1, LENGTH + 37))
    moved = canonical_attention(q[:, :, -1:], *pad, mask, params=Attention(0.25, given=("mask",)))
    assert (ordinary != moved).any()
    for other in ({"chunk": 256}, {"block": 32}):
        assert (ordinary != canonical_attention(q[:, :, -1:], k, v, params=Attention(0.25), **other)).any()


def test_a_sequence_is_computed_alone(device):
    q, k, v = three(3, 4, 11, 16)
    together = on(device, q, k, v, is_causal=True, window_size=(9, 0))
    for b in (0, 2):
        for h in (0, 3):
            one = (slice(b, b + 1), slice(h, h + 1))
            alone = on(device, q[one], k[one], v[one], is_causal=True, window_size=(9, 0))
            assert alone.tobytes() == together[one].tobytes()
    some = on(device, q[:, :, 5:9], k, v)
    assert some.tobytes() == on(device, q, k, v)[:, :, 5:9].tobytes()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_chunks_may_be_shared_out(threads):
    q, k, v = three(1, 1, 4 * ATTENTION + 9, 64)
    with accel.config(num_threads=threads):
        shared = on(accel.device("cpu"), q[:, :, :3], k, v)
    expected = canonical_attention(q[:, :, :3], k, v, params=Attention(0.125))
    assert shared.tobytes() == expected.tobytes()


def test_queries_that_see_nothing_get_zeros(device):
    q, k, v = three(1, 1, 4, 8)
    mask = np.array([[True], [False], [True], [False]]) & np.ones((4, 4), bool)
    result = on(device, q, k, np.where(np.arange(8) < 4, np.inf, v), mask)
    assert (result[0, 0, 1::2].view(np.uint32) == 0).all()
    none = on(device, q, k, v, key_lengths=np.array([0]))
    assert (none.view(np.uint32) == 0).all()
    assert (on(device, q, k[:, :, :0], v[:, :, :0]) == 0).all()


@pytest.mark.parametrize("p", [0.25, 0.7])
def test_as_many_weights_are_dropped_as_asked_and_places_say_which(p):
    """Of values that are the identity's rows a result is the weights."""
    q, k, _ = three(2, 3, 60, 4)
    identity = np.broadcast_to(np.eye(60, dtype=np.float32), (2, 3, 60, 60))
    rows = {"is_causal": True, "causal_alignment": "lower_right"}
    weights = on(accel.device("cpu"), q, k, identity, **rows)
    chance = {"dropout_p": p, "dropout_key": np.array([0, 3], np.uint64)}
    left = on(accel.device("cpu"), q, k, identity, **rows, **chance)
    seen = weights != 0
    assert abs((left == 0)[seen].mean() - p) < 5 * np.sqrt(p * (1 - p) / seen.sum())
    assert np.allclose(left[left != 0], weights[left != 0] / (1 - p), rtol=1e-6)
    few = on(accel.device("cpu"), q[:1, :, -5:], k[:1], identity[:1], **rows, **chance)
    assert few.tobytes() == left[:1, :, -5:].tobytes(), "the last queries alone, and the first sequence alone"
    every = on(accel.device("cpu"), q, k, identity, **rows, dropout_p=1.0, dropout_key=chance["dropout_key"])
    assert not every.any()


MEMORY = """
import re
from pathlib import Path
import accel
from accel import nn

def peak():  # not ru_maxrss, which begins with the parent's
    return int(re.search(r"VmHWM:\\s*([0-9]+)", Path("/proc/self/status").read_text())[1]) // 1024

cpu = accel.device("cpu")
x = accel.random.default_rng(0, "cpu").normal(size=(1, 16384, 16))
few = x[:, :64]
nn.scaled_dot_product_attention(few, few, few, is_causal=True)
before = peak()
nn.scaled_dot_product_attention(x, x, x, is_causal=True)
linear = peak() - before
few = x[:, :8192]
nn.softmax(accel.matmul(few, few.mT))
print(linear, peak() - before)
"""


def test_memory_grows_with_the_length_alone():
    """Of 16384 queries and keys all scores would be 1024 MiB. The control: those of half as many are seen."""
    found = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, encoding="utf-8", check=True)
    linear, control = map(int, found.stdout.split())
    assert linear < 40 < 200 < control


@pytest.mark.parametrize(
    "keywords",
    [{}, {"is_causal": True}, {"scale": 0.3}, {"enable_gqa": True}, {"attn_mask": "bool"}, {"attn_mask": "float"}],
)
def test_torch_gives_as_much(keywords):
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    q, k, v = three(2, 4, 33, 24, dtype="float64")
    if "enable_gqa" in keywords:
        k, v = k[:, :2], v[:, :2]
    if "attn_mask" in keywords:
        noise = np.random.default_rng(3).standard_normal((33, 33))
        keywords = {"attn_mask": noise > -1 if keywords["attn_mask"] == "bool" else noise}
    of_torch = {n: torch.tensor(x) if isinstance(x, np.ndarray) else x for n, x in keywords.items()}
    want = torch.nn.functional.scaled_dot_product_attention(*map(torch.tensor, (q, k, v)), **of_torch).numpy()
    np.testing.assert_allclose(attention(q, k, v, **keywords), want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("error", "words", "change"),
    [
        (accel.ShapeError, "enable_gqa", {"key": (1, 3, 5, 8), "value": (1, 3, 5, 8)}),
        (accel.ShapeError, "do not divide", {"key": (1, 3, 5, 8), "value": (1, 3, 5, 8), "enable_gqa": True}),
        (accel.ShapeError, "one last axis", {"key": (1, 4, 5, 7)}),
        (accel.ShapeError, "one length", {"value": (1, 4, 6, 8)}),
        (accel.ShapeError, "1 to 256", {"value": (1, 4, 5, 257)}),
        (accel.ShapeError, "as many axes", {"value": (5, 8)}),
        (accel.ShapeError, "attn_mask", {"attn_mask": (3, 5)}),
        (accel.ShapeError, "sinks", {"sinks": (3,)}),
        (accel.ShapeError, "key_lengths", {"key_lengths": np.array([1, 2])}),
        (accel.DtypeError, "attn_mask", {"attn_mask": np.ones((5, 5), int)}),
        (accel.DtypeError, "value", {"value": np.ones((1, 4, 5, 8), np.float16)}),
        (accel.ArgumentError, "dropout_p", {"dropout_p": 1.5}),
        (accel.ArgumentError, "dropout_key", {"dropout_p": 0.5}),
        (accel.DtypeError, "dropout_key", {"dropout_key": np.array([1, 2])}),
        (accel.ArgumentError, "window_size", {"window_size": (-2, 0)}),
        (accel.ArgumentError, "window_size", {"window_size": 3}),
        (accel.ArgumentError, "causal_alignment", {"causal_alignment": "centre"}),
        (accel.ArgumentError, "scale", {"scale": float("inf")}),
        (accel.ArgumentError, "softcap", {"softcap": -1.0}),
    ],
)
def test_wrong_arguments(error, words, change):
    arguments = {"query": (1, 4, 5, 8), "key": (1, 4, 5, 8), "value": (1, 4, 5, 8), **change}
    given = {
        name: np.ones(x, np.float32) if isinstance(x, tuple) and name != "window_size" else x
        for name, x in arguments.items()
    }
    with pytest.raises(error, match=words):
        attention(**given)
