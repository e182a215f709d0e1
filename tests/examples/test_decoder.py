"""examples/decoder.py and its model against float64, one head after the other and without a cache."""

from __future__ import annotations

import dataclasses
import json

import float64 as exact
import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

import accel
from accel.demo import decoder
from examples.decoder import main, seeded

CONFIG = decoder.Config(11, 16, 12, 2, 4, 2)
TOKENS = np.array([[3, 1, 10, 0, 5, 5], [2, 2, 9, 4, 7, 1]])


def rms_norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * weight


def rotate(x: np.ndarray, theta: float) -> np.ndarray:
    """Heads of 4 features in rows (batch, n, heads * 4): features i and i + 2 are a complex number."""
    heads = x.reshape(*x.shape[:2], -1, 4)
    turned = (heads[..., :2] + 1j * heads[..., 2:]) * np.exp(
        1j * np.arange(x.shape[1])[:, None, None] * theta ** -np.array([0, 0.5])
    )
    return np.concatenate([turned.real, turned.imag], axis=-1).reshape(x.shape)


def logits(w: dict[str, np.ndarray], tokens: np.ndarray, theta: float = 10000.0) -> np.ndarray:
    batch, n = tokens.shape
    x, seen = w["model.embed_tokens.weight"][tokens], np.tril(np.ones((batch, n, n), bool))
    for i in range(CONFIG.num_hidden_layers):
        layer = f"model.layers.{i}"
        y = rms_norm(x, w[f"{layer}.input_layernorm.weight"])
        q, k, v = (exact.linear(y, w, f"{layer}.self_attn.{name}_proj") for name in "qkv")
        y = exact.attention(rotate(q, theta), rotate(k, theta), v, 4, seen)
        x = x + exact.linear(y, w, f"{layer}.self_attn.o_proj")
        y = rms_norm(x, w[f"{layer}.post_attention_layernorm.weight"])
        y = exact.silu(exact.linear(y, w, f"{layer}.mlp.gate_proj")) * exact.linear(y, w, f"{layer}.mlp.up_proj")
        x = x + exact.linear(y, w, f"{layer}.mlp.down_proj")
    return exact.linear(rms_norm(x, w["model.norm.weight"]), w, "lm_head")


def test_scores_of_a_prompt_and_with_the_cache(same_bits, near):
    def run(device):
        weights, tokens = seeded(decoder.shapes(CONFIG), 1, device), accel.asarray(TOKENS, device=device)
        whole = decoder.logits(CONFIG, weights, tokens, decoder.Cache(CONFIG, 2, 6, weights["lm_head.weight"]))
        cache = decoder.Cache(CONFIG, 2, 8, weights["lm_head.weight"])
        parts = [decoder.logits(CONFIG, weights, tokens[:, a:b], cache) for a, b in ((0, 3), (3, 4), (4, 6))]
        return whole, accel.concat(parts, axis=1)

    whole, parts = same_bits(run)
    assert whole.tobytes() == parts.tobytes(), "a prompt at once and piece by piece: the same bits"
    w = exact.wide(seeded(decoder.shapes(CONFIG), 1, "cpu"))
    for made in (whole, parts):
        near(made, logits(w, TOKENS), logits(w, TOKENS, 500.0))


def test_greedy_and_drawn_tokens(same_bits):
    def run(device, temperature=0.7, seed=5):
        weights, tokens = seeded(decoder.shapes(CONFIG), 1, device), accel.asarray(TOKENS[:, :2], device=device)
        greedy = decoder.generate(CONFIG, weights, tokens, 3)
        return *greedy, *decoder.generate(
            CONFIG, weights, tokens, 3, temperature, accel.random.default_rng(seed, device)
        )

    greedy, scores, drawn, _ = same_bits(run)
    assert (greedy == scores.argmax(-1)).all()
    w, tokens = exact.wide(seeded(decoder.shapes(CONFIG), 1, "cpu")), TOKENS[:, :2]
    for _ in range(3):
        tokens = np.concatenate([tokens, logits(w, tokens)[:, -1:].argmax(-1)], axis=1)
    assert (greedy == tokens[:, 2:]).all()
    others = [np.asarray(run("cpu", seed=seed)[2]) for seed in (6, 7)]
    assert any((drawn != other).any() for other in others)
    assert (np.asarray(run("cpu", temperature=1e-4)[2]) == greedy).all(), "nearly no noise is greedy"


def test_drawn_tokens_have_the_probabilities_of_softmax():
    """2,000 rows of one token each: the frequencies' distance from softmax's, and from uniform ones as a control."""
    weights = seeded(decoder.shapes(CONFIG), 1, "cpu")
    tokens = accel.asarray(np.full((2000, 1), 3), device="cpu")
    made, scores = decoder.generate(CONFIG, weights, tokens, 1, 1.5, accel.random.default_rng(2, "cpu"))
    want = exact.softmax(np.asarray(scores)[0, 0].astype(np.float64) / 1.5)
    got = np.bincount(np.asarray(made)[:, 0], minlength=11) / 2000
    assert abs(got - want).max() < 5 * np.sqrt(0.25 / 2000)
    assert abs(got - 1 / 11).max() > 5 * np.sqrt(0.25 / 2000)


def test_tied_embeddings(near):
    tied = decoder.Config(11, 16, 12, 2, 4, 2, tie_word_embeddings=True)
    weights = seeded(decoder.shapes(tied), 1, "cpu")
    assert "lm_head.weight" not in weights
    table = weights["model.embed_tokens.weight"]
    made = decoder.logits(tied, weights, accel.asarray(TOKENS, device="cpu"), decoder.Cache(tied, 2, 6, table))
    w = exact.wide(weights)
    near(
        made,
        logits(w | {"lm_head.weight": w["model.embed_tokens.weight"]}, TOKENS),
        logits(w | {"lm_head.weight": w["model.embed_tokens.weight"][::-1]}, TOKENS),
    )


def test_heads_that_do_not_divide():
    with pytest.raises(accel.ArgumentError, match="num_key_value_heads: expected 3 to divide 4"):
        decoder.Config(num_key_value_heads=3)


def test_the_command_reads_a_folder(tmp_path):
    config = decoder.Config()
    weights = {name: np.asarray(w) for name, w in seeded(decoder.shapes(config), 0, "cpu").items()}
    names = sorted(weights)
    for i, part in enumerate((names[:5], names[5:])):
        save_file({name: weights[name] for name in part}, tmp_path / f"model-{i}.safetensors")
    (tmp_path / "config.json").write_text(
        json.dumps({**dataclasses.asdict(config), "rope_scaling": None, "model_type": "llama"}), encoding="utf-8"
    )
    run, given = CliRunner(), ["--device", "cpu", "--count", "3"]
    seeded_output = run.invoke(main, given)
    assert seeded_output.exit_code == 0, seeded_output.output
    assert len(seeded_output.output.splitlines()[0].split()) == 3
    from_files = run.invoke(main, [*given, "--weights", str(tmp_path), "--config", str(tmp_path / "config.json")])
    assert from_files.output == seeded_output.output
    assert run.invoke(main, [*given, "--seed", "1"]).output != seeded_output.output
    wrong = run.invoke(main, ["--prompt", "1 256"])
    assert wrong.exit_code == 2
    assert "expected tokens from 0 to 255" in wrong.output
