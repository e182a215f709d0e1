"""`accel.torch.reproducible`: the tokens of torch's own model, the same bits in every batch and on every device."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import pytest

import accel
from accel import receipts

torch = pytest.importorskip("torch")
accel_torch = pytest.importorskip("accel.torch")


@dataclass
class Config:
    """What the decoder below has, in Hugging Face's names."""

    vocab_size: int = 23
    hidden_size: int = 16
    intermediate_size: int = 12
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    rms_norm_eps: float = 1e-5
    rope_theta: float = 500.0
    tie_word_embeddings: bool = False
    hidden_act: str = "silu"


class Norm(torch.nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.weight, self.eps = torch.nn.Parameter(torch.rand(config.hidden_size) + 0.5), config.rms_norm_eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


class Attention(torch.nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, wide = config, config.hidden_size
        kept = wide // config.num_attention_heads * config.num_key_value_heads
        for name, rows in (("q", wide), ("k", kept), ("v", kept), ("o", wide)):
            setattr(self, f"{name}_proj", torch.nn.Linear(wide, rows, bias=False))

    def forward(self, x):
        n, each = x.shape[1], self.config.hidden_size // self.config.num_attention_heads
        q, k, v = (getattr(self, f"{name}_proj")(x).unflatten(-1, (-1, each)).transpose(1, 2).float() for name in "qkv")
        turn = torch.outer(torch.arange(n), self.config.rope_theta ** (-torch.arange(0, each, 2) / each))
        q, k = (self.turned(y, torch.polar(torch.ones_like(turn), turn)) for y in (q, k))
        shared = self.config.num_attention_heads // self.config.num_key_value_heads
        k, v = (y.repeat_interleave(shared, 1) for y in (k, v))
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).flatten(2).to(x.dtype))

    @staticmethod
    def turned(x, turn):
        a, b = x.chunk(2, -1)
        y = torch.complex(a, b) * turn
        return torch.cat([y.real, y.imag], -1)


class Gated(torch.nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gate_proj, self.up_proj = (
            torch.nn.Linear(config.hidden_size, config.intermediate_size, bias=False) for _ in range(2)
        )
        self.down_proj = torch.nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x):
        return self.down_proj(torch.nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(torch.nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = Norm(config), Norm(config)
        self.self_attn, self.mlp = Attention(config), Gated(config)

    def forward(self, x):
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(torch.nn.Module):
    """A decoder of the Llama family as torch computes it, with Hugging Face's names of weights."""

    def __init__(self, config: Config, factor: float = 1.0) -> None:
        super().__init__()
        self.config, self.factor = config, factor
        self.model = torch.nn.Module()
        self.model.embed_tokens = torch.nn.Embedding(config.vocab_size, config.hidden_size)
        self.model.layers = torch.nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.model.norm = Norm(config)
        self.lm_head = torch.nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    def forward(self, tokens):
        x = self.model.embed_tokens(tokens) * self.factor
        for layer in self.model.layers:
            x = layer(x)
        return self.lm_head(self.model.norm(x))


def llama(factor: float = 1.0, **fields) -> Llama:
    torch.manual_seed(4)
    return Llama(Config(**fields), factor).eval()


PROMPTS = [[3, 1, 10, 22, 0], [7], [5, 5, 6]]


def greedy(model, prompt, count):
    """Tokens and scores by torch, without a cache."""
    tokens, scores = list(prompt), []
    with torch.no_grad():
        for _ in range(count):
            scores.append(model(torch.tensor([tokens]))[0, -1])
            tokens.append(int(scores[-1].argmax()))
    return tokens[len(prompt) :], torch.stack(scores)


@pytest.mark.parametrize("tied", [False, True])
def test_torchs_own_tokens(tied):
    model = llama(tie_word_embeddings=tied)
    before = copy.deepcopy(model.state_dict())
    made = accel_torch.reproducible(model, device="cpu").generate(PROMPTS, 4)
    for prompt, tokens, scores in zip(PROMPTS, made.tokens, made.logits, strict=True):
        want, theirs = greedy(model, prompt, 4)
        assert tokens.tolist() == want
        assert tokens.dtype == torch.int64
        assert (scores - theirs).norm() < 1e-5 * theirs.norm()
    for name, x in model.state_dict().items():
        assert torch.equal(x, before[name])


@pytest.mark.parametrize("how", [{}, {"temperature": 0.9, "top_k": 8, "top_p": 0.9}])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_alone_and_in_a_batch(how, dtype):
    model = accel_torch.reproducible(llama().to(dtype), device="cpu")
    seeds = (3, 4, 5)
    together = model.generate(PROMPTS, 3, accel_torch.Sampler(**how, seeds=seeds))
    for i, seed in enumerate(seeds):
        alone = model.generate([torch.tensor(PROMPTS[i])], 3, accel_torch.Sampler(**how, seeds=(seed,)))
        assert torch.equal(alone.tokens[0], together.tokens[i])
        assert torch.equal(alone.logits[0].view(torch.int32), together.logits[i].view(torch.int32))
    if how:
        others = [model.generate(PROMPTS, 3, accel_torch.Sampler(**how, seeds=(seed,))).tokens for seed in (6, 7)]
        assert any(not torch.equal(a, b) for other in others for a, b in zip(other, together.tokens, strict=True))


def test_a_receipt_of_the_cpu_on_another_device(tmp_path):
    """One is enough: tests/receipts has the same decoder on all of them."""
    try:
        device = accel.device("opencl:intel")
    except accel.AccelError as error:
        pytest.skip(f"opencl:intel: {error}")
    model = llama(num_hidden_layers=1)
    path = tmp_path / "r.json"
    made = accel_torch.reproducible(model, device="cpu").generate([PROMPTS[0]], 2, receipt=path, values=True)
    weights = {name: x.detach().numpy() for name, x in model.state_dict().items()}
    receipt = receipts.load(path)
    assert receipt.output("logits", 0, 1).tobytes() == made.logits[0][1].numpy().tobytes()
    assert receipts.verify(receipt, device=device, weights=weights).same
    there = accel_torch.reproducible(model, device=device).generate([PROMPTS[0]], 2)
    assert torch.equal(there.logits[0].view(torch.int32), made.logits[0].view(torch.int32))
    weights["lm_head.weight"] = weights["lm_head.weight"] + np.float32(1)
    with pytest.raises(accel.FileError, match=r"weights\.tensors\.lm_head\.weight"):
        receipts.verify(receipt, device=device, weights=weights)


def test_it_holds_the_weights_as_they_were():
    model = llama()
    made = accel_torch.reproducible(model, device="cpu")
    before = made.generate(PROMPTS, 2).logits[0]
    with torch.no_grad():
        model.lm_head.weight.mul_(2)
    assert torch.equal(made.generate(PROMPTS, 2).logits[0], before)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (lambda: 3, "model: expected a torch.nn.Module, got 3"),
        (lambda: llama().train(), r"model: it is in training mode; call model\.eval\(\) first"),
        (lambda: torch.nn.Linear(2, 2).eval(), "model.config has no vocab_size: it is not of the Llama family"),
        (lambda: llama(hidden_act="tanh"), "model.config: hidden_act: expected one of silu, .*, got 'tanh'"),
        (lambda: llama(hidden_act="gelu"), "its scores of 8 tokens are .* away from this decoder's"),
        (lambda: llama(factor=1.5), "its scores of 8 tokens are .* away from this decoder's"),
        (
            lambda: llama().to("meta"),
            "model.model.embed_tokens.weight: expected a tensor with plain elements, got one on",
        ),
    ],
)
def test_what_is_no_llama(model, expected):
    with pytest.raises(accel.AccelError, match=expected):
        accel_torch.reproducible(model(), device="cpu")


WRONG_PLACES = {"rope_type": "llama3", "factor": 2.0, "low_freq_factor": "1"}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("clip_qkv", 2.0, r"model\.config\.clip_qkv: expected None, got 2\.0"),
        ("use_bidirectional_attention", True, r"model\.config\.use_bidirectional_attention: expected False, got True"),
        ("sliding_window", 4, "its scores of 12 tokens are .* away"),
        ("sliding_window", 40, "its scores of 48 tokens are .* away"),
        ("layer_types", ["full_attention", "chunked_attention"], "layer_types: .* got 'chunked_attention'"),
        ("rope_scaling", {"type": "linear", "factor": 2.0}, "its scores of 8 tokens are .* away"),
        ("rope_scaling", {"rope_type": "linear"}, r"rope_parameters\.factor: expected a number, got None"),
        ("rope_scaling", {"rope_type": "longrope"}, "rope_type: expected one of default, .*, got 'longrope'"),
        ("rope_parameters", WRONG_PLACES, r"rope_parameters\.low_freq_factor: expected a number, got '1'"),
        ("head_dim", 8, r"q_proj\.weight"),
        ("head_dim", 3, "model.config: head_dim: expected 2 to divide 3"),
        ("partial_rotary_factor", 0.5, "its scores of 8 tokens are .* away"),
    ],
)
def test_a_field_that_changes_the_function_is_seen(field, value, expected):
    """The model here looks at none of these: with them it would be another function."""
    model = llama()
    setattr(model.config, field, value)
    with pytest.raises(accel.UnsupportedError, match=expected):
        accel_torch.reproducible(model, device="cpu")


def test_other_weights_are_named():
    model = llama()
    model.model.layers[0].mlp.inner_norm = Norm(model.config)
    with pytest.raises(accel.UnsupportedError, match=r"unexpected tensors: model\.layers\.0\.mlp\.inner_norm\.weight"):
        accel_torch.reproducible(model, device="cpu")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([],), r"prompts: expected a list of token lists, one at least, got \[\]"),
        (([[1], [23]],), r"prompts\[1\]: expected tokens from 0 to 22, got 23"),
        (([[1], []],), r"prompts\[1\]: expected integers of shape \(n,\), one at least"),
        (([[0.5]],), r"prompts\[0\]: expected integers"),
        (([[1]], 0), "max_new_tokens: expected 1 or more, got 0"),
        (([[1]], 2, "greedy"), "sampler: expected a Sampler, got 'greedy'"),
    ],
)
def test_wrong_arguments(arguments, expected):
    with pytest.raises(accel.ArgumentError, match=expected):
        accel_torch.reproducible(llama(), device="cpu").generate(*arguments)


def test_hugging_faces_own():
    """Its configuration, weights, greedy tokens and stop token, where transformers is installed."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {name: value for name, value in vars(Config()).items() if name not in ("rope_theta", "hidden_act")}
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, initializer_range=0.3)).eval()
    model.generation_config.eos_token_id = None
    made = accel_torch.reproducible(model, device="cpu")
    tokens = torch.tensor(PROMPTS[:1])
    given = {"attention_mask": torch.ones_like(tokens), "max_new_tokens": 5, "do_sample": False, "pad_token_id": 0}
    want = model.generate(tokens, **given)[0, 5:]
    assert made.generate(PROMPTS, 5).tokens[0].tolist() == want.tolist()
    model.generation_config.eos_token_id = int(want[1])
    ended = accel_torch.reproducible(model, device="cpu").generate(PROMPTS, 5).tokens[0].tolist()
    assert ended == want.tolist()[: want.tolist().index(int(want[1])) + 1]
    granite = transformers.GraniteConfig(**sizes, embedding_multiplier=3.0)
    with pytest.raises(accel.UnsupportedError, match="away from this decoder's"):
        accel_torch.reproducible(transformers.GraniteForCausalLM(granite).eval(), device="cpu")
