"""`accel.torch.reproducible` of transformers' own families: their tokens and scores, in every batch and on devices."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import accel
from accel import receipts
from accel.demo import decoder

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
accel_torch = pytest.importorskip("accel.torch")
sys.path.insert(0, str(Path(__file__).parent))
import families  # noqa: E402

STRETCHED = {
    "llama3": {"factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16},
    "linear": {"factor": 4.0},
    "yarn": {"factor": 32.0, "original_max_position_embeddings": 64},
}
NAMES = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma3", "phi3", "mixtral")
FAMILIES = {name: families.FAMILIES[name] for name in NAMES}
FAMILIES |= {
    kind: families.of(
        "LlamaForCausalLM", "LlamaConfig", **families.GROUPED, head_dim=16, max_position_embeddings=2048,
        rope_parameters={"rope_type": kind, "rope_theta": 1000.0, **fields},
    )
    for kind, fields in STRETCHED.items()
}  # fmt: skip
FAMILIES["llama with biases"] = families.of(
    "LlamaForCausalLM", "LlamaConfig", **families.GROUPED, attention_bias=True, mlp_bias=True
)
FAMILIES["gemma2"] = families.of(
    "Gemma2ForCausalLM", "Gemma2Config", **families.GROUPED, head_dim=16, sliding_window=4, query_pre_attn_scalar=24
)
FAMILIES["gemma3 of both kinds of layers"] = families.of(
    "Gemma3ForCausalLM", "Gemma3TextConfig", **families.GROUPED, head_dim=16, sliding_window=4,
    layer_types=["sliding_attention", "full_attention"],
)  # fmt: skip
FAMILIES["qwen3_moe"] = families.of(
    "Qwen3MoeForCausalLM", "Qwen3MoeConfig", **families.GROUPED, head_dim=16, num_experts=6, num_experts_per_tok=2,
    moe_intermediate_size=20, norm_topk_prob=False, experts_implementation="eager",
)  # fmt: skip

PROMPTS = [[5, 9, 40, 41, 3, 77, 8, 30, 95, 11, 4], [17, 60], [33, 3, 12, 50, 51, 52]]
COUNT = 4


def built(name, dtype=torch.float32):
    """A tiny model whose norms and biases are not those that do nothing, and whose scores are apart."""
    model = FAMILIES[name].built()
    with torch.no_grad():
        for at, x in model.named_parameters():
            if x.ndim == 1:
                x.add_(0.3 * torch.randn_like(x))
            elif "embed" not in at:
                x.mul_(5.0)
    return model.to(dtype)


@pytest.mark.parametrize("name", FAMILIES)
def test_its_own_tokens_and_scores(name):
    """Each token has the largest of the model's own scores, which are those found; and they are far apart."""
    model = built(name)
    made = accel_torch.reproducible(model, device="cpu").generate(PROMPTS, COUNT, stop_tokens=())
    for prompt, tokens, scores in zip(PROMPTS, made.tokens, made.logits, strict=True):
        with torch.no_grad():
            theirs = model(torch.tensor([[*prompt, *tokens]])).logits[0, len(prompt) - 1 : -1]
        assert torch.equal(theirs.argmax(-1), tokens)
        assert (scores - theirs).norm() < 3e-6 * theirs.norm()
        assert (theirs - theirs.mean(0)).norm() > 0.01 * theirs.norm(), "control: they depend on the tokens"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["gemma3 of both kinds of layers", "qwen3", "phi3", "mixtral"])
def test_alone_and_in_a_batch(name, dtype):
    model = accel_torch.reproducible(built(name, dtype), device="cpu")
    together = model.generate(PROMPTS, COUNT, stop_tokens=())
    for i, prompt in enumerate(PROMPTS):
        alone = model.generate([prompt], COUNT, stop_tokens=())
        assert torch.equal(alone.tokens[0], together.tokens[i])
        assert torch.equal(alone.logits[0].view(torch.int32), together.logits[i].view(torch.int32))


def test_a_receipt_on_another_device(tmp_path):
    try:
        device = accel.device("opencl:intel")
    except accel.AccelError as error:
        pytest.skip(f"opencl:intel: {error}")
    model = built("gemma3 of both kinds of layers")
    path = tmp_path / "r.json"
    accel_torch.reproducible(model, device="cpu").generate([PROMPTS[1]], 2, stop_tokens=(), receipt=path)
    weights = {k: x.detach().numpy() for k, x in model.state_dict().items() if k != "lm_head.weight"}
    receipt = receipts.load(path)
    assert receipts.verify(receipt, device=device, weights=weights).same


def test_a_configuration_in_a_receipt_says_what_is_not_llamas(tmp_path):
    """What is as it is without the field is left out, so that receipts of before the field say the same."""
    paths = {name: tmp_path / f"{name}.json" for name in ("llama", "gemma3")}
    for name, path in paths.items():
        accel_torch.reproducible(built(name), device="cpu").generate([PROMPTS[1]], 1, stop_tokens=(), receipt=path)
    plain, other = (json.loads(path.read_text(encoding="utf-8"))["model"]["config"] for path in paths.values())
    assert plain.keys() == {
        "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "rms_norm_eps", "rope_theta", "tie_word_embeddings", "head_dim",
    }  # fmt: skip
    assert other["windows"] == [4, 4] and other["qk_norm"] is True and other["norm_offset"] == 1.0
    assert decoder.Config(**{**other, "windows": tuple(other["windows"])}).rope_local_theta == 10000.0


@pytest.mark.parametrize(("name", "expected"), [("phi", "has no rms_norm_eps"), ("gpt2", "has no hidden_size")])
def test_other_families_are_refused(name, expected):
    with pytest.raises(accel.UnsupportedError, match=expected):
        accel_torch.reproducible(families.FAMILIES[name].built(), device="cpu")
