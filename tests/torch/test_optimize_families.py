"""`accel.torch.optimize` on tiny models of transformers, against runs in float64 and torch's own tokens."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import accel

torch = pytest.importorskip("torch", reason="torch is not installed")
hf = pytest.importorskip("transformers", reason="transformers is not installed")

sys.path.insert(0, str(Path(__file__).parent))
from families import FAMILIES  # noqa: E402

import accel.torch  # noqa: E402

U = 2.0**-24
"""Unit roundoff of float32."""

FAULT = 2e-3
"""What is added to the last norm's weights in a run that is to be seen as wrong."""

QUICK = ("llama", "gemma", "gpt2", "bert", "whisper")


def families(*names: str, quick: tuple[str, ...] = QUICK) -> Any:
    """Each of them, those that are not quick with --deep alone."""
    slow = [pytest.param(name, marks=pytest.mark.slow) for name in names if name not in quick]
    return pytest.mark.parametrize("name", [*quick, *slow])


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def test_the_families_are_at_least_ten():
    assert len(FAMILIES) >= 10 and set(QUICK) < set(FAMILIES)


def doubled(model: Any, inputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    return copy.deepcopy(model).double(), {
        name: x.double() if x.is_floating_point() else x for name, x in inputs.items()
    }


class Bound:
    """A first-order bound on the error of sums of a float64 model's results with given weights, where each module's
    result is off by what its operation may lose in float32: sum over modules of |d sum / d result| times that.

    A product of k terms loses (k + 2) u |x| |w|; a norm or an activation 16 u of its largest number, which holds more
    than the ULPs of docs/functions.md; attention what scores of d terms, and the weights that follow from them, lose;
    what stands between modules (sums of residuals, gates, rotations) 8 u of a module's operand.
    """

    def __init__(self) -> None:
        self.terms: list[tuple[torch.Tensor, torch.Tensor]] = []

    def hook(self, module: Any, args: Any, result: Any) -> None:
        if any(True for _ in module.children()) or not isinstance(result, torch.Tensor) or not result.requires_grad:
            return
        x, weight = args[0], getattr(module, "weight", None)
        if isinstance(module, torch.nn.Linear):
            lost = (len(weight.T) + 2) * U * (x.abs() @ weight.abs().T) + 2 * U * result.abs()
        elif type(module).__name__ == "Conv1D":
            lost = (len(weight) + 2) * U * (x.abs() @ weight.abs()) + 2 * U * result.abs()
        elif isinstance(module, (torch.nn.Conv1d, torch.nn.Conv2d)):
            sizes = module._conv_forward(x.abs(), weight.abs(), None)
            lost = (weight[0].numel() + 2) * U * sizes + 2 * U * result.abs()
        else:
            lost = 16 * U * result.abs().amax(-1, keepdim=True).expand(result.shape)
        self.add(result, lost)
        if x.is_floating_point() and x.requires_grad:
            self.add(x, 8 * U * x.abs())

    def attention(self, module: Any, q: Any, k: Any, v: Any, mask: Any, scaling: float = 1.0, **keywords: Any) -> Any:
        groups = q.shape[1] // k.shape[1]
        k, v = (x.repeat_interleave(groups, 1) for x in (k, v))
        scores = q @ k.transpose(-1, -2) * scaling
        bias = keywords.get("position_bias")
        scores = scores if bias is None else scores + bias
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype is torch.bool else scores + mask
        weights = scores.softmax(-1).nan_to_num()
        y = weights @ v
        each = (q.shape[-1] + 4) * U * (q.abs() @ k.abs().transpose(-1, -2)) * abs(scaling)
        each = each + 4 * U * (scores - scores.amax(-1, keepdim=True)).nan_to_num(0, 0, 0).abs()
        relative = 2 * each.masked_fill(weights == 0, 0).amax(-1, keepdim=True) + (2 * k.shape[-2] + 16) * U
        self.add(y, (relative * (weights @ v.abs())).detach())
        return y.transpose(1, 2).contiguous(), None

    def add(self, x: Any, lost: Any) -> None:
        x.retain_grad()
        self.terms.append((x, lost.detach()))

    @contextmanager
    def of(self, model: Any) -> Iterator[None]:
        mask = hf.masking_utils.sdpa_mask
        hf.AttentionInterface.register("bounded", self.attention)
        hf.AttentionMaskInterface.register("bounded", lambda **k: mask(**{**k, "allow_is_causal_skip": False}))
        model.set_attn_implementation("bounded")
        handles = [module.register_forward_hook(self.hook) for module in model.modules()]
        yield
        for handle in handles:
            handle.remove()

    def total(self) -> float:
        """Of the sum whose gradient is in the terms, which it takes away."""
        found = 0.0
        for x, lost in self.terms:
            found += float((x.grad.abs() * lost).sum())
        for x, _ in self.terms:
            x.grad = None
        return found


def directions(y: Any) -> Iterator[Any]:
    """Weights by which results are added up: signs, and single elements."""
    generator = torch.Generator().manual_seed(3)
    for _ in range(2):
        yield torch.randint(0, 2, y.shape, generator=generator).double() * 2 - 1
    for place in torch.randint(0, y.numel(), (3,), generator=generator).tolist():
        yield torch.nn.functional.one_hot(torch.tensor(place), y.numel()).double().reshape(y.shape)


def seen(y: Any, inputs: dict[str, Any]) -> Any:
    """Where results count: not at what pads a sequence."""
    mask = inputs.get("attention_mask")
    return torch.ones_like(y) if mask is None or y.shape[1] != mask.shape[1] else mask[..., None].expand(y.shape)


def logits(model: Any, inputs: dict[str, Any]) -> Any:
    with torch.no_grad():
        return model(**inputs).logits


@families(*FAMILIES)
def test_logits_are_within_the_bound_of_float64(name):
    family = FAMILIES[name]
    model, inputs = family.built(), family.inputs()
    exact, theirs = doubled(model, inputs)
    bound = Bound()
    with bound.of(exact):
        result = exact(**theirs).logits
    expected = result.detach()
    with accel.torch.optimize(model) as report:
        assert len(report.replaced) > 15
        got = logits(model, inputs)
        norm = [module for module in model.modules() if getattr(getattr(module, "weight", None), "ndim", 0) == 1][-1]
        with torch.no_grad():
            norm.weight += FAULT
        wrong = logits(model, inputs)
    ratios, faults = [], []
    for direction in directions(expected):
        direction = direction * seen(expected, inputs)
        result.backward(direction, retain_graph=True)
        total = bound.total()
        errors = [float(((y.double() - expected) * direction).sum().abs()) for y in (got, wrong)]
        if total:  # at what pads a sequence it is 0
            ratios.append(errors[0] / total)
            faults.append(errors[1] / total)
    print(f"{name}: error over bound at most {max(ratios):.3f}, of the fault {max(faults):.1f}")
    assert max(ratios) <= 1, ratios
    assert max(faults) > 1, f"a norm that is off by {FAULT} is not seen"


@families(*FAMILIES)
def test_gradients_are_as_good_as_torchs(name):
    """Against float64, the 2-norm of the error of all gradients is at most twice that of torch's float32 run: both lose
    a rounding at the same places."""
    family = FAMILIES[name]
    model, inputs = family.built(), family.inputs()
    exact, theirs = doubled(model, inputs)

    def gradients(model: Any, inputs: dict[str, Any]) -> Any:
        model.zero_grad()
        y = model(**inputs).logits
        weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape) * seen(y, inputs)
        (y * weights).sum().backward()
        return torch.cat([p.grad.double().flatten() for p in model.parameters() if p.grad is not None])

    expected, eager = gradients(exact, theirs), gradients(model, inputs)
    with accel.torch.optimize(model):
        got = gradients(model, inputs)
    assert len(got) == len(expected)
    assert (got - expected).norm() <= 2 * (eager - expected).norm() + 8 * U * expected.norm()
    assert (got - eager).any(), "nothing was computed by accel"


GENERATING = tuple(name for name in FAMILIES if name not in ("bert", "vit"))


@families(*GENERATING, quick=("llama", "gemma"))
def test_generate_gives_the_tokens_of_eager(name):
    family = FAMILIES[name]
    model = family.built()
    inputs = {key: x for key, x in family.inputs().items() if key != "decoder_input_ids"}

    def generated(**settings: Any) -> list[Any]:
        torch.manual_seed(5)
        return model.generate(**inputs, max_new_tokens=10, **settings).tolist()

    ways = [{"do_sample": False}, {"do_sample": True, "top_k": 20}, {"do_sample": False, "num_beams": 2}]
    if name in ("llama", "gemma"):
        ways.append({"do_sample": False, "cache_implementation": "static"})
    eager = [generated(**way) for way in ways]
    with accel.torch.optimize(model):
        assert [generated(**way) for way in ways] == eager


def test_the_loss_of_a_model_and_its_gradient():
    model, inputs = FAMILIES["llama"].built(), FAMILIES["llama"].inputs()
    labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)

    def loss(**keywords: Any) -> tuple[Any, Any]:
        model.zero_grad()
        its = model(**inputs, labels=labels, **keywords).loss
        its.backward()
        return its.detach(), model.lm_head.weight.grad.clone()

    for keywords in ({}, {"num_items_in_batch": torch.tensor(7)}):
        eager = loss(**keywords)
        with accel.torch.optimize(model) as report:
            assert ("LlamaForCausalLM", "loss") in {(its.type, its.kind) for its in report.replaced}
            torch.testing.assert_close(loss(**keywords), eager, rtol=1e-5, atol=1e-6)


def test_attention_of_what_accel_does_not_take_is_torchs():
    model, inputs = FAMILIES["llama"].built(), FAMILIES["llama"].inputs()
    model.config.attention_dropout = 0.5
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    model.train()
    with accel.torch.optimize(model):
        with pytest.warns(accel.FallbackWarning, match=r"self_attn \(attention\): random numbers are torch's"):
            model(**inputs)
        with accel.config(fallback="error"), pytest.raises(accel.UnsupportedError, match=r"config\(fallback\)=error"):
            model(**inputs)


def test_a_model_can_be_copied_pickled_and_compiled():
    model, inputs = FAMILIES["llama"].built(), FAMILIES["llama"].inputs()
    eager = logits(model, inputs)
    accel.torch.optimize(model)
    got = logits(model, inputs)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert (logits(other, inputs) == got).all()
    compiled = torch.compile(model, backend="eager")
    torch.testing.assert_close(logits(compiled, inputs), eager)


@pytest.mark.slow
def test_a_model_can_be_loaded_by_a_process_that_has_not_optimised():
    model, inputs = FAMILIES["llama"].built(), FAMILIES["llama"].inputs()
    accel.torch.optimize(model)
    got = logits(model, inputs)
    code = (
        "import sys, torch, transformers\n"
        "model, inputs = torch.load(sys.argv[1], weights_only=False)\n"
        "with torch.no_grad(): torch.save(model(**inputs).logits, sys.argv[1])"
    )
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "model.pt")
        torch.save((model, inputs), file)
        subprocess.run([sys.executable, "-c", code, file], check=True, env={**os.environ, "ACCEL_DEVICE": "cpu"})
        assert (torch.load(file) == got).all()


def test_bfloat16_is_as_near_to_float64_as_torchs():
    """Each layer's result is rounded to bfloat16 in both, so that errors in 2-norm differ by less than a half."""
    model, inputs = FAMILIES["llama"].built().to(torch.bfloat16), FAMILIES["llama"].inputs()
    exact, eager = logits(*doubled(model, inputs)), logits(model, inputs)
    with accel.torch.optimize(model):
        got = logits(model, inputs)
    seen_here = seen(exact, inputs)
    error, theirs = (((y.double() - exact) * seen_here).norm() for y in (got, eager))
    assert got.dtype is torch.bfloat16 and (got != eager).any() and error <= 1.5 * theirs


def test_models_that_share_a_configuration_do_not_disturb_each_other():
    config = hf.LlamaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    torch.manual_seed(0)
    one, other = (hf.LlamaForCausalLM(config).eval() for _ in range(2))
    ids = torch.arange(6)[None]
    eager = logits(other, {"input_ids": ids})
    with accel.torch.optimize(one):
        assert (logits(other, {"input_ids": ids}) == eager).all()
        with accel.torch.optimize(other) as report:
            assert [its.why for its in report.left if "Attention" in its.type] == [
                "its configuration is shared with a model that is optimised"
            ]
    assert (logits(other, {"input_ids": ids}) == eager).all() and config._attn_implementation == "sdpa"


@pytest.mark.parametrize(("weights", "tolerance"), [("int8", 0.02), ("int4", 0.2)])
def test_generate_with_weights_of_few_bits(weights, tolerance):
    """Tied weights stay tied; the codes are those of accel.nn.quantize; tokens are those of the weights that the codes
    stand for."""
    torch.manual_seed(0)
    config = hf.LlamaConfig(
        vocab_size=96, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True,
    )  # fmt: skip
    model = hf.LlamaForCausalLM(config).eval()
    table = model.model.embed_tokens.weight.detach().clone()
    like = copy.deepcopy(model)
    like.lm_head.weight = torch.nn.Parameter(like.lm_head.weight.detach().clone())
    settings = {"bits": 8} if weights == "int8" else {"bits": 4, "symmetric": False}
    for module in like.modules():
        if isinstance(module, torch.nn.Linear):
            w = module.weight.detach()
            group = None if weights == "int8" else 64 if w.shape[1] % 64 == 0 else 32
            packed = accel.nn.PackedWeight.quantized(w.numpy(), group=group, **settings)
            module.weight = torch.nn.Parameter(torch.from_dlpack(packed.dequantize()))
    ids = torch.tensor([[5, 17, 3]])
    eager = logits(model, {"input_ids": ids})
    with accel.torch.optimize(model, weights=weights) as report, accel.torch.optimize(like):
        assert f"linear {weights}: 15 x Linear" in str(report)
        got = logits(model, {"input_ids": ids})
        assert (got == logits(like, {"input_ids": ids})).all()
        assert 0 < (got - eager).norm() / eager.norm() < tolerance
        assert model.lm_head.weight is model.model.embed_tokens.weight
        assert not model.lm_head.weight.requires_grad
        written = model.generate(ids, max_new_tokens=8, do_sample=False)
        assert (written == like.generate(ids, max_new_tokens=8, do_sample=False)).all()
    assert model.lm_head.weight.requires_grad and (model.lm_head.weight == table).all()
    assert (logits(model, {"input_ids": ids}) == eager).all()


@pytest.mark.slow
@pytest.mark.parametrize("weights", [None, "int4"])
def test_logits_have_the_same_bits_on_another_device(weights):
    """What is left to torch here is computed on the host for both: sums of residuals, gates, tables of cosines."""
    model, inputs = FAMILIES["llama"].built(), FAMILIES["llama"].inputs()
    other, eager = copy.deepcopy(model), logits(model, inputs)
    with accel.torch.optimize(model, weights=weights):
        expected = logits(model, inputs)
    assert (expected != eager).any()
    with accel.config(device=None), accel.config(device="opencl:pocl"):
        try:
            accel.default_device()
        except accel.AccelError as error:
            pytest.skip(f"pocl: {error}")
        with accel.torch.optimize(other, weights=weights):
            assert (logits(other, inputs) == expected).all()
