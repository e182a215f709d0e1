"""`accel.torch.optimize`: what it replaces, what it leaves, and the way back."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest

import accel

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

import accel.torch  # noqa: E402


@pytest.fixture(autouse=True)
def _on_the_cpu():
    torch.manual_seed(0)
    with accel.config(device="cpu"):
        yield


class Doubled(nn.Module):
    """A norm of nobody's library, with another name for its eps."""

    def __init__(self, n, plus_one=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n))
        self.tiny, self.plus_one = 1e-5, plus_one

    def forward(self, hidden):
        y = hidden / torch.sqrt(torch.mean(hidden**2, -1, keepdim=True) + self.tiny)
        return y * (1 + self.weight if self.plus_one else self.weight)


def test_the_model_is_replaced_and_given_back():
    model = nn.Sequential(nn.Linear(8, 16), nn.GELU(), Doubled(16), Doubled(16, True), nn.LayerNorm(16), nn.Dropout())
    x = torch.randn(3, 8)
    model.eval()
    want, state, own = model(x), copy.deepcopy(model.state_dict()), [dict(vars(m)) for m in model.modules()]
    with accel.torch.optimize(model) as report:
        got = model(x)
        assert {its.kind for its in report.replaced} == {"linear", "activation", "norm"}
        assert len(report.replaced) == 5
        assert [(its.name, its.why) for its in report.left] == [("5", "random numbers are torch's")]
        assert "norm: 2 x Doubled" in str(report)
        with torch.no_grad():
            mine = accel.nn.gelu(accel.nn.linear(x, model[0].weight, model[0].bias))
        assert (model[1](model[0](x)) == mine).all()
        for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert (other(x) == got).all()
            assert other[0].forward.module is other[0]
    torch.testing.assert_close(got, want)
    assert (model(x) == want).all()
    assert [dict(vars(m)) for m in model.modules()] == own
    assert all((x == y).all() for x, y in zip(state.values(), model.state_dict().values(), strict=True))


def test_what_is_no_layer_of_accel_is_left_with_its_reason():
    sparse, own = nn.Linear(3, 4), nn.Linear(3, 4)
    sparse.weight = nn.Parameter(sparse.weight.detach().to_sparse())
    own.forward = lambda x: x
    cases = {
        "its weight is on the meta device": nn.Linear(3, 4, device="meta"),
        "its weight is of torch.complex64": nn.Linear(3, 4, dtype=torch.complex64),
        "its weight is a tensor with layout torch.sparse_coo": sparse,
        "its weight is made at the first call": nn.LazyLinear(4),
        "its forward was set on the module itself": own,
        "max_norm writes into the weight": nn.Embedding(3, 4, max_norm=1.0),
        "its gradient is sparse": nn.Embedding(3, 4, sparse=True),
        "it writes into its argument": nn.ReLU(inplace=True),
        "padding_mode is 'reflect'": nn.Conv1d(3, 4, 3, padding_mode="reflect"),
        "it is compiled by TorchScript": torch.jit.script(nn.Linear(3, 4)),
        "not recognised by what it computes": nn.Softmax(-1),
        "random numbers are torch's": nn.Dropout(),
    }
    model = nn.ModuleList(cases.values())
    before = [dict(vars(module)) for module in model]
    report = accel.torch.optimize(model)
    assert not report.replaced
    named = {its.name: its.why for its in report.left}
    assert [named[str(i)] for i in range(len(cases))] == list(cases)
    assert [dict(vars(module)) for module in model] == before
    quantised = torch.ao.nn.quantized.dynamic.Linear(3, 4)
    assert not accel.torch.optimize(nn.Sequential(quantised)).replaced
    assert quantised(torch.randn(2, 3)).shape == (2, 4)


@pytest.mark.parametrize(
    "module",
    [
        nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.ReLU(), nn.Sigmoid(), nn.Tanh(), nn.ELU(), nn.Mish(), nn.Softplus(),
        nn.Hardswish(), nn.ReLU6(), nn.LeakyReLU(), nn.Softsign(), nn.LogSigmoid(), nn.SELU(), nn.CELU(),
    ],
    ids=lambda module: type(module).__name__,
)  # fmt: skip
def test_activations_are_known_by_what_they_compute(module):
    x = torch.randn(64, dtype=torch.float64, requires_grad=True)
    want = module(x)
    (slope,) = torch.autograd.grad(want.sum(), x)
    with accel.torch.optimize(module) as report:
        assert [its.kind for its in report.replaced] == ["activation"]
        got = module(x)
        torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(torch.autograd.grad(got.sum(), x)[0], slope, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("module", [nn.ELU(0.5), nn.LeakyReLU(0.3), nn.Softplus(2.0), nn.GLU(), nn.Hardshrink()])
def test_activations_like_no_other_are_left(module):
    report = accel.torch.optimize(module)
    assert not report.replaced and report.left[0].why == "not recognised by what it computes"


class Nearly(Doubled):
    """Not the norm that it looks like: the mean is of absolute values."""

    def forward(self, hidden):
        return hidden / (hidden.abs().mean(-1, keepdim=True) + self.tiny) * self.weight


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return torch.rand_like(x)


@pytest.mark.parametrize("settings", [{"device": "null"}, {"backend": "opencl"}, {"override": "silu=null"}])
def test_modules_are_known_whatever_device_computes(settings):
    """What the null device computes is like nothing, and others may have no float64."""
    module = nn.SiLU()
    with accel.config(device=None), accel.config(**settings):
        report = accel.torch.optimize(module)
    assert [its.kind for its in report.replaced] == ["activation"]
    torch.testing.assert_close(module(torch.ones(3)), nn.SiLU()(torch.ones(3)))


def test_probing_leaves_no_trace():
    model = nn.Sequential(Nearly(8), Counting())
    drawn = torch.random.get_rng_state()
    report = accel.torch.optimize(model)
    assert not report.replaced and model[1].calls == 0
    assert (torch.random.get_rng_state() == drawn).all()


def layers():
    """Modules of torch.nn, an input of each, and how far results in float32 may be from torch's."""
    grouped = nn.GroupNorm(2, 8)
    trained = nn.BatchNorm2d(8)
    nn.init.normal_(grouped.weight)
    nn.init.normal_(trained.weight)
    images = torch.randn(2, 8, 6, 6)
    yield grouped, images
    yield trained, images
    yield nn.BatchNorm1d(8, affine=False), torch.randn(5, 8)
    yield nn.BatchNorm2d(8, track_running_stats=False), images
    yield nn.Conv2d(8, 4, 3, padding="same", groups=2), images
    yield nn.Conv2d(8, 4, 3, stride=2, padding=1, dilation=2, bias=False), images.transpose(2, 3)
    yield nn.Conv1d(8, 4, 3), images[0, :, 0]
    yield nn.Conv3d(2, 4, 3), images.reshape(1, 2, 4, 2 * 6, 6)
    yield nn.LayerNorm((6, 6), bias=False), images
    yield nn.PReLU(8), images
    yield nn.RMSNorm(6), images
    yield nn.RMSNorm(6, eps=1e-3, elementwise_affine=False), images
    yield nn.Linear(6, 5, bias=False), images[:, :, ::2]
    yield nn.utils.parametrizations.weight_norm(nn.Linear(6, 5)), images


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("module", "x"), list(layers()), ids=lambda x: type(x).__name__)
def test_layers_their_gradients_and_their_statistics(module, x, training):
    twin = copy.deepcopy(module).train(training)
    module = copy.deepcopy(module).train(training)
    report = accel.torch.optimize(module)
    assert len(report.replaced) == 1
    results = []
    for its in (module, twin):
        given = x.clone().requires_grad_()
        y = its(given)
        (y * torch.linspace(-1, 1, y.numel()).reshape(y.shape)).sum().backward()
        results.append([y, given.grad, *(p.grad for p in its.parameters()), *its.buffers()])
    assert type(results[0][0].grad_fn).__name__ == "_CallBackward"
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)


def losses():
    logits, classes = torch.randn(6, 5), torch.tensor([0, 4, -100, 2, 1, 1])
    yield nn.CrossEntropyLoss(weight=torch.rand(5), label_smoothing=0.1), logits, classes
    yield nn.CrossEntropyLoss(reduction="sum"), logits, torch.rand(6, 5)
    yield nn.NLLLoss(ignore_index=-100), logits.log_softmax(-1), classes
    yield nn.KLDivLoss(reduction="batchmean"), logits.log_softmax(-1), torch.rand(6, 5)
    for kind in (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss):
        yield kind(), logits, torch.randn(6, 5)


@pytest.mark.parametrize(("module", "x", "target"), list(losses()), ids=lambda x: type(x).__name__)
def test_losses_and_their_gradients(module, x, target):
    given = x.clone().requires_grad_()
    want = module(given, target)
    (slope,) = torch.autograd.grad(want.sum(), given)
    with accel.torch.optimize(module) as report:
        assert [its.kind for its in report.replaced] == ["loss"]
        got = module(given, target)
        torch.testing.assert_close(got, want)
        torch.testing.assert_close(torch.autograd.grad(got.sum(), given)[0], slope)
        if isinstance(module, nn.CrossEntropyLoss) and not target.is_floating_point():
            with pytest.raises(IndexError, match="Target 5 is out of bounds"):
                module(given, torch.tensor([0, 5, 0, 0, 0, 0]))


@pytest.mark.parametrize("batch_first", [False, True])
def test_multi_head_attention_and_an_encoder(batch_first):
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=batch_first, activation="gelu")
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=batch_first)
    x = torch.randn(3, 3, 16)
    padding = torch.tensor([[False, False, True]]).expand(3, 3)
    causal = nn.Transformer.generate_square_subsequent_mask(3)
    for its in (model.eval(), copy.deepcopy(model).train()):
        wants = [its(x), its(x, src_key_padding_mask=padding), its(x, mask=causal, is_causal=True)]
        with accel.torch.optimize(its) as report:
            assert [r.kind for r in report.replaced].count("attention") == 2
            called = []
            for module in its.modules():
                module.register_forward_hook(lambda module, *_, called=called: called.append(type(module)))
            with torch.set_grad_enabled(its.training):
                gots = [its(x), its(x, src_key_padding_mask=padding), its(x, mask=causal, is_causal=True)]
            assert nn.MultiheadAttention in called and nn.Linear in called
        for got, want in zip(gots, wants, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    attention = nn.MultiheadAttention(16, 2, batch_first=batch_first, add_bias_kv=True, add_zero_attn=True, vdim=8)
    value = torch.randn(3, 3, 8)
    want = attention(x, x, value, average_attn_weights=False)
    accel.torch.optimize(attention)
    for got, its in zip(attention(x, x, value, average_attn_weights=False), want, strict=True):
        torch.testing.assert_close(got, its)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(10, 8), nn.Linear(8, 10, bias=False)
        self.head.weight = self.table.weight

    def forward(self, index):
        return self.head(self.table(index))


def test_tied_weights_stay_tied_and_get_both_gradients():
    model, index = Tied(), torch.tensor([1, 4, 4])
    model(index).square().sum().backward()
    want, model.table.weight.grad = model.table.weight.grad, None
    accel.torch.optimize(model)
    model(index).square().sum().backward()
    assert model.head.weight is model.table.weight
    torch.testing.assert_close(model.table.weight.grad, want)
    for grad in (True, False):
        with torch.set_grad_enabled(grad), pytest.raises(IndexError, match="10"):
            model(torch.tensor([10]))


def test_hooks_run_and_see_what_they_saw():
    model, seen = nn.Sequential(nn.Linear(3, 4), nn.GELU()), []
    model[0].register_forward_pre_hook(lambda module, args: seen.append(("pre", args[0].shape)))
    model[0].register_forward_hook(lambda module, args, y: y * 2)
    model[1].register_full_backward_hook(lambda module, into, out: seen.append(("back", into[0].shape)))
    x = torch.randn(2, 3, requires_grad=True)
    want = model(x)
    accel.torch.optimize(model)
    got = model(x)
    got.sum().backward()
    torch.testing.assert_close(got, want)
    assert seen == [("pre", (2, 3)), ("pre", (2, 3)), ("back", (2, 4))]


def test_writes_into_views_under_autograd():
    model = nn.Sequential(nn.Linear(3, 4))
    twin, results = copy.deepcopy(model), []
    accel.torch.optimize(model)
    for its in (model, twin):
        x = torch.ones(2, 3, requires_grad=True)
        given = x * 1
        given[0].mul_(2)
        y = its(given)
        y[0].mul_(3)
        y.view(-1)[1:3].relu_()
        y.sum().backward()
        results.append(x.grad)
    torch.testing.assert_close(*results)
    x = torch.ones(2, 3, requires_grad=True) * 1
    y = model(x)
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_a_gradient_of_the_gradient_is_refused_by_name():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    accel.torch.optimize(model)
    x = torch.randn(2, 3, requires_grad=True)
    (slope,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
    with pytest.raises(accel.UnsupportedError, match=r"[01] \((linear|activation)\): .* no derivative of the gradient"):
        slope.sum().backward()


def test_optimising_twice_is_refused_and_after_undo_it_works():
    model = nn.Sequential(nn.Linear(3, 4), nn.GELU())
    report = accel.torch.optimize(model[1])
    before = [dict(vars(module)) for module in model.modules()]
    with pytest.raises(accel.ArgumentError, match="optimize: model: 1 is optimised already"):
        accel.torch.optimize(model)
    assert [dict(vars(module)) for module in model.modules()] == before
    report.undo()
    report.undo()
    accel.torch.optimize(model).undo()


def test_undo_takes_back_all_or_nothing():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4))
    report = accel.torch.optimize(model)
    mine = vars(model[1])["forward"]
    model[1].forward = lambda x: x
    with pytest.raises(accel.ArgumentError, match="undo: 1: its forward was set anew since"):
        report.undo()
    assert "forward" in vars(model[0])
    vars(model[1])["forward"] = mine
    report.undo()
    assert not any("forward" in vars(module) for module in model)


def test_nothing_is_half_replaced(monkeypatch):
    """Where a weight cannot be quantised, or a change cannot be made."""
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    before = [dict(vars(module)) for module in model.modules()]
    real, made = accel.nn.PackedWeight.quantized, []

    def failing(*args, **keywords):
        made.append(1)
        if len(made) == 2:
            raise accel.OutOfMemoryError("no memory")
        return real(*args, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(accel.nn.PackedWeight, "quantized", failing)
        with pytest.raises(accel.OutOfMemoryError):
            accel.torch.optimize(model, weights="int8")
    assert [dict(vars(module)) for module in model.modules()] == before
    from accel.torch.optimize.changes import Frozen

    with monkeypatch.context() as patch:
        patch.setattr(Frozen, "make", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            accel.torch.optimize(model, weights="int8")
    assert [dict(vars(module)) for module in model.modules()] == before
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"numerics": "quick"}, "numerics: expected one of .* got 'quick'"),
        ({"weights": "int3"}, "weights: expected one of .* got 'int3'"),
        ({"weights": 4}, "weights: expected one of .* got 4"),
    ],
)
def test_wrong_arguments(keywords, message):
    model = nn.Linear(3, 4)
    with pytest.raises(accel.ArgumentError, match=message):
        accel.torch.optimize(model, **keywords)
    assert "forward" not in vars(model)
    with pytest.raises(accel.ArgumentError, match=r"model: expected a torch\.nn\.Module, got 3"):
        accel.torch.optimize(3)


def test_calls_that_are_torchs_are_told_of_once():
    model = nn.Sequential(nn.Linear(3, 4))
    twin, x = copy.deepcopy(model), torch.randn(5, 2, 3)
    accel.torch.optimize(model)
    told = pytest.warns(accel.FallbackWarning, match=r"0 \(linear\): autocast chooses the dtypes")
    with told, torch.autocast("cpu", torch.bfloat16):
        assert model(x).dtype is torch.bfloat16
    with pytest.warns(accel.FallbackWarning, match=r"0 \(linear\): a transform of torch.func is at work"):
        assert (torch.func.vmap(model)(x) == twin(x)).all()
    torch.func.jvp(model, (x,), (x,))  # said before
    with accel.config(fallback="allow"):
        assert (model(x.double().to(torch.float32)) == model(x)).all()
        for wrong in (x[..., :2], x.double()):
            with pytest.raises(RuntimeError) as mine:
                model(wrong)
            with pytest.raises(RuntimeError) as theirs:
                twin(wrong)
            assert str(mine.value) == str(theirs.value)


def test_what_records_the_model_records_torchs_operators():
    model, x = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.LayerNorm(4)), torch.randn(2, 3)
    want = model(x)
    accel.torch.optimize(model)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    assert (compiled(x) == want).all()
    assert (torch.jit.trace(model, x)(x) == want).all()
    assert (torch.export.export(model, (x,)).module()(x) == want).all()


def test_numerics_are_those_that_were_asked_for(monkeypatch):
    from accel.torch.optimize import layers

    seen, real = [], layers.nn.linear

    def watched(*args):
        seen.append(accel.config.numerics)
        return real(*args)

    monkeypatch.setattr(layers.nn, "linear", watched)
    x = torch.randn(2, 3)
    for numerics in ("reproducible", "fast", None):
        model = nn.Linear(3, 4)
        with accel.torch.optimize(model, numerics=numerics), accel.config(numerics="default"), torch.no_grad():
            model(x)
    assert seen == ["reproducible", "fast", "default"]


def test_weights_of_few_bits():
    model = nn.Sequential(nn.Linear(64, 8), nn.Linear(8, 3, dtype=torch.float64), nn.Linear(7, 4))
    nn.utils.parametrizations.weight_norm(model[1])
    report = accel.torch.optimize(model, weights="int4")
    assert [its.kind for its in report.replaced] == ["linear int4", "linear", "linear"]
    assert [(its.name, its.why) for its in report.left if its.name in "012"] == [
        ("1", "its weight stays float: it is parametrised"),
        ("2", "its weight stays float: 4 bits need an even number of inputs"),
    ]
    layer, x = model[0], torch.randn(2, 64, requires_grad=True)

    def dequantised():
        return torch.from_dlpack(
            accel.nn.PackedWeight.quantized(layer.weight.detach(), bits=4, group=64, symmetric=False).dequantize()
        )

    y = layer(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, dequantised().sum(0).expand(2, 64))
    assert layer.weight.grad is None and (layer.bias.grad == 2).all()
    with torch.no_grad():
        assert (layer(x) == y).all()
        layer.weight.mul_(2)
        assert (layer(x) == accel.nn.linear(x.detach(), dequantised(), layer.bias)).all()
    with torch.inference_mode():
        layer(x)
    loaded = copy.deepcopy(layer)
    loaded.load_state_dict({"weight": torch.zeros(8, 64), "bias": torch.zeros(8)})
    assert (loaded(x) == 0).all() and (layer(x) != 0).any()
    report.undo()
    assert all(p.requires_grad for p in model.parameters())


def test_training_gives_the_losses_of_eager():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.SiLU(), nn.LayerNorm(16), nn.Linear(16, 4))
    twin, loss = copy.deepcopy(model), nn.CrossEntropyLoss()
    accel.torch.optimize(model)
    x, target = torch.randn(32, 8), torch.randint(0, 4, (32,))
    curves = []
    for its in (model, twin):
        optimizer = torch.optim.AdamW(its.parameters(), lr=0.05)
        curve = []
        for _ in range(8):
            optimizer.zero_grad()
            value = loss(its(x), target)
            value.backward()
            optimizer.step()
            curve.append(float(value))
        curves.append(curve)
    assert curves[0][-1] < 0.7 * curves[0][0]
    torch.testing.assert_close(torch.tensor(curves[0]), torch.tensor(curves[1]), rtol=1e-3, atol=1e-3)


class Residual(nn.Module):
    """A residual block of convolutions, as torchvision's BasicBlock."""

    def __init__(self, n):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n, n, 3, padding=1, bias=False), nn.BatchNorm2d(n)
        self.conv2, self.bn2 = nn.Conv2d(n, n, 3, padding=1, bias=False), nn.BatchNorm2d(n)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))) + x)


def test_a_residual_block_beside_float64():
    """Errors in 2-norm are at most twice those of torch's float32 run, and a few roundings."""
    block, x = Residual(8), torch.randn(2, 8, 10, 10)
    for training in (True, False):
        results = []
        for optimised, dtype in ((False, torch.float64), (False, torch.float32), (True, torch.float32)):
            its = copy.deepcopy(block).to(dtype).train(training)
            if optimised:
                assert len(accel.torch.optimize(its).replaced) == 4
            given = x.clone().to(dtype).requires_grad_()
            y = its(given)
            (y * torch.linspace(-1, 1, y.numel(), dtype=dtype).reshape(y.shape)).sum().backward()
            kept = [y.detach(), given.grad, *(p.grad for p in its.parameters()), its.bn1.running_var]
            results.append(torch.cat([value.double().flatten() for value in kept]))
        exact, eager, got = results
        assert (got - exact).norm() <= 2 * (eager - exact).norm() + 8 * 2**-24 * exact.norm()
        assert (got != eager).any()


def test_it_imports_no_transformers_and_little_else():
    code = (
        "import time, sys, torch, accel; begin = time.process_time()\n"
        "import accel.torch; took = time.process_time() - begin\n"
        "accel.torch.optimize(torch.nn.Linear(2, 2)); assert 'transformers' not in sys.modules; print(took)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert float(run.stdout) < 0.3
