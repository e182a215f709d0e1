"""A sequence's scores and tokens have the bits that they have alone, in every batch, with every split of the cache."""

from __future__ import annotations

import dataclasses
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.demo import decoder
from accel.demo.seeded import seeded
from accel.receipts import digest, llama
from accel.receipts.sampling import Sampler

CONFIG = decoder.Config(11, 16, 12, 1, 4, 2)
EVERYTHING = decoder.Config(
    11, 16, 12, 2, 4, 2, tie_word_embeddings=True, head_dim=6, rotary_dim=4, hidden_act="gelu_pytorch_tanh",
    windows=(2, 0), qkv_bias=True, o_bias=True, mlp_bias=True, qk_norm=True, sandwich_norms=True, fused=True,
    norm_offset=1.0, embed_scale=4.0, attention_scale=0.5, attn_logit_softcapping=3.0, final_logit_softcapping=2.0,
    rope_local_theta=50.0, rope_type="yarn", rope_factor=4.0, rope_high=1.0, rope_attention=1.1,
)  # fmt: skip
"""What any family has beside Llama's."""
EXPERTS = decoder.Config(11, 16, 12, 1, 4, 2, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=6)

PROMPT = st.lists(st.integers(0, 10), min_size=1, max_size=6)


def run(prompts, parameters, piece=None, dtype=accel.float32, config=CONFIG):
    """The hashes of scores and tokens, by sequence."""
    weights = {name: accel.astype(w, dtype) for name, w in seeded(decoder.shapes(config), 5, "cpu").items()}
    found = defaultdict(list)
    with accel.config(numerics="reproducible", device="cpu"):
        arrays = [np.array(prompt) for prompt in prompts]
        for sequence, _, scores, token in llama.generate(config, weights, arrays, parameters, piece):
            found[sequence] += [digest.sha256(np.asarray(scores)), int(token)]
    return [found[i] for i in range(len(prompts))]


SAMPLERS = [{}, {"temperature": 0.8}, {"temperature": 2.0, "top_k": 4}, {"temperature": 1.5, "top_k": 9, "top_p": 0.7}]


@given(
    st.lists(st.tuples(PROMPT, st.integers(0, 3)), min_size=1, max_size=4),
    st.sampled_from(SAMPLERS),
    st.integers(1, 6),
    st.sampled_from([accel.float32, accel.bfloat16]),
    st.sampled_from([CONFIG, EVERYTHING, EXPERTS]),
)
def test_neither_batch_padding_nor_cache_change_a_bit(sequences, how, piece, dtype, config):
    parameters = llama.Parameters(**how, max_new_tokens=3, seeds=tuple(seed for _, seed in sequences))
    together = run([prompt for prompt, _ in sequences], parameters, piece, dtype, config)
    for (prompt, seed), got in zip(sequences, together, strict=True):
        assert got == run([prompt], dataclasses.replace(parameters, seeds=(seed,)), None, dtype, config)[0]


def test_control_padding_that_is_seen_changes_bits(monkeypatch):
    prompts, parameters = [[1, 2, 3, 4, 5], [6, 7]], llama.Parameters(max_new_tokens=2)
    right = run(prompts, parameters)
    assert right[1] == run(prompts[1:], parameters)[0]
    true = decoder.logits
    monkeypatch.setattr(decoder, "logits", lambda *operands: true(*operands[:4]))
    wrong = run(prompts, parameters)
    assert wrong[0] == right[0]
    assert wrong[1] != right[1]


def test_the_decoders_own_generation_has_the_same_bits():
    weights = seeded(decoder.shapes(CONFIG), 5, "cpu")
    with accel.config(numerics="reproducible"):
        tokens, scores = decoder.generate(CONFIG, weights, accel.asarray([[1, 2, 3]], device="cpu"), 4)
    got = run([[1, 2, 3]], llama.Parameters(max_new_tokens=4))[0]
    assert got[1::2] == np.asarray(tokens)[0].tolist()
    assert got[::2] == [digest.sha256(row) for row in np.asarray(scores)[0]]


def test_a_sequence_ends_with_a_stop_token():
    free = run([[1, 2, 3], [4]], llama.Parameters(max_new_tokens=6))
    tokens = [row[1::2] for row in free]
    stop = tokens[0][2]
    ended = run([[1, 2, 3], [4]], llama.Parameters(max_new_tokens=6, stop_tokens=(stop,)))
    for whole, cut, row in zip(free, ended, tokens, strict=True):
        count = row.index(stop) + 1 if stop in row else 6
        assert cut == whole[: 2 * count]
    assert len(ended[0]) < 12


def frequencies(sampler, scores, draws=4000):
    generators = [accel.random.default_rng(seed, "cpu") for seed in range(4)]
    rows = accel.asarray(np.tile(np.array(scores, np.float32), (4, 1)), device="cpu")
    drawn = np.concatenate([np.asarray(sampler.choose(rows, generators)) for _ in range(draws // 4)])
    return np.bincount(drawn, minlength=len(scores)) / draws


@pytest.mark.parametrize(
    ("how", "left"),
    [
        ({"temperature": 0.7}, [0, 1, 2, 3, 4]),
        ({"temperature": 0.7, "top_k": 2}, [0, 3]),
        ({"temperature": 0.7, "top_k": 9}, [0, 1, 2, 3, 4]),
        ({"temperature": 1.0, "top_p": 0.5}, [3]),
        ({"temperature": 1.0, "top_p": 0.8}, [0, 3]),
        ({"temperature": 1.0, "top_k": 2, "top_p": 1.0}, [0, 3]),
    ],
)
def test_tokens_are_drawn_with_their_probabilities(how, left):
    """Of softmax over those that are left; the bound is five deviations, and uniform frequencies are beyond it."""
    scores = np.array([2.0, 0.0, -0.5, 2.7, 0.4])
    want = np.zeros(5)
    want[left] = np.exp(scores[left] / how["temperature"])
    want /= want.sum()
    got = frequencies(Sampler(**how), scores)
    assert abs(got - want).max() < 5 * np.sqrt(0.25 / 4000)
    assert (got[[i for i in range(5) if i not in left]] == 0).all()
    assert abs(got - 0.2).max() > 5 * np.sqrt(0.25 / 4000)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"temperature": -1}, "temperature: expected 0 or above, got -1"),
        ({"temperature": float("nan")}, "temperature: expected 0 or above, got nan"),
        ({"temperature": "1"}, "temperature: expected 0 or above, got '1'"),
        ({"top_k": -1}, "top_k: expected 0 or a count, got -1"),
        ({"top_k": 1.0}, r"top_k: expected 0 or a count, got 1\.0"),
        ({"top_p": 0}, "top_p: expected above 0, to 1, got 0"),
        ({"top_p": 1.1}, r"top_p: expected above 0, to 1, got 1\.1"),
        ({"seeds": ()}, r"seeds: expected integers from 0 to 2\^64 - 1, got \(\)"),
        ({"seeds": 3}, r"seeds: expected integers from 0 to 2\^64 - 1, got 3"),
        ({"seeds": (-1,)}, r"seeds: expected integers from 0"),
    ],
)
def test_a_wrong_sampler(how, expected):
    with pytest.raises(accel.ArgumentError, match=expected):
        Sampler(**how)
