"""Attention with projections: torch beside it, what the weights cost (no bit), and wrong arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import accel
from accel import nn
from accel.conversion import to_numpy

N, L, S, E, HEADS = 2, 5, 7, 12, 3

RNG = np.random.default_rng(0)
WEIGHTS = {
    "in_proj_weight": RNG.standard_normal((3 * E, E)),
    "in_proj_bias": RNG.standard_normal(3 * E),
    "out_proj_weight": RNG.standard_normal((E, E)),
    "out_proj_bias": RNG.standard_normal(E),
}
ADDED = {"bias_k": RNG.standard_normal((1, 1, E)), "bias_v": RNG.standard_normal((1, 1, E))}
PADDED = np.arange(S) >= np.array([5, S])[:, None]
CASES: list[dict[str, Any]] = [
    {},
    {"add_zero_attn": True},
    ADDED,
    {**ADDED, "add_zero_attn": True, "key_padding_mask": PADDED},
    {"attn_mask": np.arange(S) > np.arange(L)[:, None]},
    {"attn_mask": RNG.standard_normal((N * HEADS, L, S)), "key_padding_mask": np.where(PADDED, -np.inf, 0.5)},
]


def three() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.standard_normal((N, n, E)) for n in (L, S, S)]


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_torch_gives_as_much(case, average):
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    arguments = {"bias_k": None, "bias_v": None, "add_zero_attn": False, **WEIGHTS, **case}
    tensors = {n: torch.tensor(x) if isinstance(x, np.ndarray) else x for n, x in arguments.items()}
    want, shares = torch.nn.functional.multi_head_attention_forward(
        *(torch.tensor(x).transpose(0, 1) for x in three()), E, HEADS, dropout_p=0.0, training=False,
        average_attn_weights=average, **tensors,
    )  # fmt: skip
    keywords = {**WEIGHTS, **case, "average_attn_weights": average}
    result, weights = nn.multi_head_attention(*three(), HEADS, **keywords, need_weights=True)
    np.testing.assert_allclose(result, want.transpose(0, 1), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(weights, shares, rtol=1e-11, atol=1e-13)
    assert nn.multi_head_attention(*three(), HEADS, **keywords).tobytes() == result.tobytes()


def test_causal_is_a_mask_and_separate_weights_are_packed_ones():
    mask = np.arange(S) > np.arange(L)[:, None]
    want = nn.multi_head_attention(*three(), HEADS, **WEIGHTS, attn_mask=mask)
    assert nn.multi_head_attention(*three(), HEADS, **WEIGHTS, is_causal=True).tobytes() == want.tobytes()
    assert nn.multi_head_attention(*three(), HEADS, **WEIGHTS).tobytes() != want.tobytes()
    names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
    apart = dict(zip(names, np.split(WEIGHTS["in_proj_weight"], 3), strict=True))
    others = {n: x for n, x in WEIGHTS.items() if n != "in_proj_weight"}
    assert nn.multi_head_attention(*three(), HEADS, **others, **apart, is_causal=True).tobytes() == want.tobytes()


def test_a_query_that_sees_no_key_gets_zeros_of_the_heads():
    keywords = {"in_proj_weight": WEIGHTS["in_proj_weight"], "key_padding_mask": np.ones((N, S), bool)}
    result, weights = nn.multi_head_attention(*three(), HEADS, **keywords, need_weights=True)
    assert not result.any() and not weights.any()


def test_dropout_changes_no_weight_and_follows_from_its_key():
    given: dict[str, Any] = {**WEIGHTS, "need_weights": True}
    want, weights = nn.multi_head_attention(*three(), HEADS, **given)
    one, same, two = (
        nn.multi_head_attention(*three(), HEADS, **given, dropout_p=0.3, dropout_key=np.array(key, np.uint64))
        for key in ((0, 1), (0, 1), (0, 2))
    )
    assert one[1].tobytes() == weights.tobytes() and one[0].tobytes() == same[0].tobytes()
    assert (one[0] != want).any() and (one[0] != two[0]).any()


@pytest.mark.parametrize("name", ["opencl:intel", "triton:interpreter"])
def test_devices_agree(name):
    try:
        device = accel.device(name)
    except accel.AccelError as error:
        pytest.skip(f"{name}: {error}")
    given = {**WEIGHTS, "attn_mask": CASES[4]["attn_mask"], **ADDED}
    wide = [x.astype(np.float32) for x in three()]
    keywords = {n: x if x.dtype == bool else x.astype(np.float32) for n, x in given.items()}
    moved = {n: accel.asarray(x, device=device) for n, x in keywords.items()}
    want = nn.multi_head_attention(*wide, HEADS, **keywords, need_weights=True)
    found = nn.multi_head_attention(*(accel.asarray(x, device=device) for x in wide), HEADS, **moved, need_weights=True)
    assert [to_numpy(x).tobytes() for x in found] == [x.tobytes() for x in want]


@pytest.mark.parametrize(
    ("error", "words", "change"),
    [
        (accel.ShapeError, "5 heads do not divide 12", {"num_heads": 5}),
        (accel.ShapeError, "0 heads", {"num_heads": 0}),
        (accel.ShapeError, "one length", {"value": np.ones((N, S + 1, E))}),
        (accel.ShapeError, "two axes each", {"query": np.ones(E)}),
        (accel.ShapeError, "key of shape", {"key": np.ones((N, S, E + 1))}),
        (accel.ShapeError, "in_proj_weight", {"in_proj_weight": np.ones((3 * E + 1, E))}),
        (accel.ShapeError, "in_proj_bias", {"in_proj_bias": np.ones(E)}),
        (accel.ShapeError, "out_proj_weight", {"out_proj_weight": np.ones((E, E + 1))}),
        (accel.ShapeError, "out_proj_bias", {"out_proj_bias": np.ones(E + 1)}),
        (accel.ShapeError, "key_padding_mask", {"key_padding_mask": np.ones((N, S + 1), bool)}),
        (accel.ShapeError, "attn_mask", {"attn_mask": np.ones((L, S + 1), bool)}),
        (accel.DtypeError, "attn_mask", {"attn_mask": np.ones((L, S), int)}),
        (accel.ArgumentError, "bias_k and bias_v", {"bias_k": np.ones(E)}),
        (accel.ArgumentError, "in_proj_weight, or all", {"q_proj_weight": np.ones((E, E))}),
        (accel.ArgumentError, "out_proj_bias", {"out_proj_weight": None}),
    ],
)
def test_wrong_arguments(error, words, change):
    names = ("query", "key", "value")
    arguments = {**dict(zip(names, three(), strict=True)), "num_heads": HEADS, **WEIGHTS, **change}
    with pytest.raises(error, match=words):
        nn.multi_head_attention(**arguments)
