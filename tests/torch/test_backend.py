"""`torch.compile(model, backend="accel")`: outputs and gradients near torch's in float64, nearly all of it in accel."""

from __future__ import annotations

import copy

import pytest

import accel

torch = pytest.importorskip("torch", reason="torch is not installed")
nn = torch.nn

import accel.torch  # noqa: E402
from accel.torch.aten import TABLE  # noqa: E402
from accel.torch.backend import compiled as watched  # noqa: E402
from accel.torch.explained import report  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    torch.manual_seed(0)
    with accel.config(device="cpu"):
        yield


class Perceptron(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 4))


class Transformer(nn.Module):
    """Embeddings, a normed causal attention and a gated layer, and the loss of the next token."""

    def __init__(self):
        super().__init__()
        self.embedding, self.place = nn.Embedding(11, 16, padding_idx=0), nn.Embedding(8, 16)
        self.norm, self.last = nn.RMSNorm(16), nn.LayerNorm(16)
        self.attend, self.up, self.down = nn.Linear(16, 48), nn.Linear(16, 64), nn.Linear(32, 16, bias=False)
        self.head = nn.Linear(16, 11, bias=False)

    def forward(self, tokens, targets):
        x = self.embedding(tokens) + self.place(torch.arange(tokens.shape[1]))
        its = self.attend(self.norm(x)).view(*x.shape[:2], 3, 2, 8).permute(2, 0, 3, 1, 4)
        attended = nn.functional.scaled_dot_product_attention(*its.unbind(0), is_causal=True)
        x = x + attended.transpose(1, 2).reshape(x.shape)
        a, b = self.up(x).chunk(2, dim=-1)
        x = self.last(x + self.down(nn.functional.silu(a) * b))
        return nn.functional.cross_entropy(self.head(x).flatten(0, 1), targets.flatten())


class Convolutional(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, stride=2, groups=2, bias=False),
            nn.GroupNorm(2, 8),
            nn.SiLU(),
            nn.AvgPool2d(2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 10),
        )


def encoder():
    return nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True, norm_first=True)


MODELS = {
    "perceptron": (Perceptron, lambda: (torch.randn(5, 6),)),
    "transformer": (Transformer, lambda: (torch.randint(0, 11, (2, 6)), torch.randint(0, 11, (2, 6)))),
    "encoder": (encoder, lambda: (torch.randn(2, 5, 16),)),
    "convolutional": (Convolutional, lambda: (torch.randn(4, 3, 16, 16),)),
}


def loss(y):
    return (y.square() * torch.linspace(0.5, 1, y.numel(), dtype=y.dtype).reshape(y.shape)).mean()


def exact(x):
    return x.double() if x.is_floating_point() else x


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_torchs_and_trains(name):
    make, draw = MODELS[name]
    model, inputs = make(), draw()
    wide = copy.deepcopy(model).double()
    graphs = []
    compiled = torch.compile(
        model, backend=lambda g, i: watched(g, i, lambda kind, its: graphs.append(report(kind, its)))
    )
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1) for m in (model, wide)]
    for _ in range(3):
        for optimizer in optimizers:
            optimizer.zero_grad()
        got, want = compiled(*inputs), wide(*map(exact, inputs))
        torch.testing.assert_close(got.double(), want, rtol=1e-4, atol=1e-5)
        loss(got).backward()
        loss(want).backward()
        scale = max(p.grad.abs().max() for p in wide.parameters())
        for mine, its in zip(model.parameters(), wide.parameters(), strict=True):
            torch.testing.assert_close(mine.grad.double(), its.grad, rtol=1e-4, atol=1e-5 * scale.item())
        for optimizer in optimizers:
            optimizer.step()
    assert [graph.kind for graph in graphs] == ["forward", "backward"]  # no break, no recompilation
    assert all(graph.flops[1] >= 0.95 * graph.flops[0] > 0 for graph in graphs), graphs
    for mine, its in zip(model.buffers(), wide.buffers(), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-5, check_dtype=False)
    if name == "convolutional":  # batch norm is another graph there
        model.eval(), wide.eval()
        with torch.no_grad():
            torch.testing.assert_close(compiled(*inputs).double(), wide(*map(exact, inputs)), rtol=1e-3, atol=1e-4)


def test_what_accel_lacks_stays_torchs():
    def mixed(x, w):
        y = torch.special.bessel_j0(x @ w) + torch.rand(3) * 0.0
        return torch.linalg.det(y @ y.T) * x.clone(), x + 1

    x, w = torch.randn(3, 3), torch.randn(3, 3, requires_grad=True)
    explanation = accel.torch.explain(lambda x, w: mixed(x, w.detach()), x, w)
    assert any("bessel_j0" in name for graph in explanation.graphs for name, _, _ in graph.left)
    assert 0 < explanation.share < 1 and "accel has no rule" in str(explanation)
    for got, want in zip(torch.compile(mixed, backend="accel")(x, w.detach()), mixed(x, w.detach()), strict=True):
        torch.testing.assert_close(got, want)


def test_results_are_apart_and_dtypes_are_torchs():
    def many(x, n):
        half = x.half()
        return (
            x.clone(),
            n / 2,
            n + 1.5,
            (n > 1) & (x > 0),
            half * 2.0 + 1,
            n.sum(),
            x.transpose(0, 1).contiguous(),
            x * True,
        )

    x, n = torch.randn(3, 3), torch.tensor([1, 2, 3])
    got = torch.compile(many, backend="accel")(x, n)
    for mine, its in zip(got, many(x, n), strict=True):
        torch.testing.assert_close(mine, its)
        assert mine.stride() == its.stride() and mine.data_ptr() != x.data_ptr()


def test_other_lengths_are_compiled_anew_and_right():
    model = Perceptron()
    compiled = torch.compile(model, backend="accel")
    for n in (2, 3, 5):
        x = torch.randn(n, 6)
        got, want = compiled(x), model(x)
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
        mine, its = (torch.autograd.grad(y.sum(), model[0].weight)[0] for y in (got, want))
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-5)


def cut_of(function, *inputs):
    """What a compiled function gives, and the graphs that it was cut into."""
    graphs = {}
    compiled = torch.compile(function, backend=lambda g, i: watched(g, i, graphs.__setitem__))
    return compiled(*inputs), graphs


def attended(rank, **how):
    """Attention as models write it: heads taken from a last axis, and put back there."""

    def function(q, k, v):
        q, k, v = (x.unflatten(-1, (-1, 8)).transpose(-3, -2) for x in (q, k, v))
        y = nn.functional.scaled_dot_product_attention(q, k, v, **how)
        return y.transpose(-3, -2).reshape(*y.shape[: rank - 3], y.shape[-2], -1)

    return function


HEADS = torch.ones(9, 9, dtype=torch.bool).tril(2)
WAYS = {
    "all": (4, {}),
    "causal": (4, {"is_causal": True, "scale": 0.3}),
    "mask": (4, {"attn_mask": HEADS}),
    "added": (4, {"attn_mask": torch.zeros(2, 9, 9).masked_fill(~HEADS, -torch.inf)}),
    "grouped": (4, {"enable_gqa": True}),
    "one sequence": (3, {"is_causal": True}),
}


@pytest.mark.parametrize("name", WAYS)
def test_attention_is_one_operator_forward_and_backward(name):
    rank, how = WAYS[name]
    batch = (2,) if rank == 4 else ()
    given = [torch.randn(*batch, 9, n, requires_grad=True) for n in (32, *(2 * [16 if name == "grouped" else 32]))]
    if name == "added":
        how = {"attn_mask": how["attn_mask"].repeat(2, 1, 1)[None].expand(2, -1, -1, -1)}
    function = attended(rank, **how)
    got, graphs = cut_of(function, *given)
    wide = [x.detach().double().requires_grad_() for x in given]
    exact = {k: x.double() if k == "attn_mask" and x.is_floating_point() else x for k, x in how.items()}
    want = attended(rank, **exact)(*wide)
    torch.testing.assert_close(got.double(), want, rtol=1e-5, atol=1e-6)
    loss(got).backward()
    loss(want).backward()
    for mine, its in zip(given, wide, strict=True):
        torch.testing.assert_close(mine.grad.double(), its.grad, rtol=1e-4, atol=1e-7)
    for kind, operator in (
        ("forward", "accel.scaled_dot_product_attention.default"),
        ("backward", "accel.vjp.default"),
    ):
        nodes = [node for part in graphs[kind].parts for node in part]
        assert operator in map(str, (node.target for node in nodes)) and not graphs[kind].left
        assert not any("mm" in str(node.target) or "softmax" in str(node.target) for node in nodes)


def test_attention_has_torchs_strides():
    """So that a model may view it as it does with torch's."""

    def function(x):
        x = x.view(2, -1, 3, 8).transpose(1, 2)
        y = nn.functional.scaled_dot_product_attention(x, x, x)
        return y.transpose(1, 2).view(2, -1, 24)

    x = torch.randn(2, 5, 24)
    got, graphs = cut_of(function, x)
    torch.testing.assert_close(got, function(x))
    (part,) = graphs["inference"].parts
    assert "accel.scaled_dot_product_attention.default" in map(str, (node.target for node in part))


def test_attention_that_accel_lacks_is_taken_apart():
    x = torch.randn(1, 2, 5, 300)
    got, graphs = cut_of(lambda x: nn.functional.scaled_dot_product_attention(x, x, x), x)
    torch.testing.assert_close(got, nn.functional.scaled_dot_product_attention(x, x, x))
    assert any("mm" in str(node.target) for part in graphs["inference"].parts for node in part)
    torch.manual_seed(0)
    dropped, _ = cut_of(lambda x: nn.functional.scaled_dot_product_attention(x, x, x, dropout_p=0.5), x[..., :8])
    assert not torch.equal(dropped, nn.functional.scaled_dot_product_attention(*[x[..., :8]] * 3))


def test_training_at_many_lengths_is_one_graph():
    model = encoder()
    wide = copy.deepcopy(model).double()
    compiled = torch.compile(model, backend="accel")
    for n in range(2, 14):  # more than torch's limit of recompilations
        x = torch.randn(2, n, 16)
        got, want = compiled(x), wide(x.double())
        torch.testing.assert_close(got.double(), want, rtol=1e-4, atol=1e-5)
        weights = model.self_attn.in_proj_weight, wide.self_attn.in_proj_weight
        mine, its = (torch.autograd.grad(y.sum(), w)[0] for y, w in zip((got, want), weights, strict=True))
        torch.testing.assert_close(mine.double(), its, rtol=1e-3, atol=1e-4)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 2  # of the first length, and of all others


def test_a_model_is_explained_and_left_alone():
    model = Perceptron()
    explanation = accel.torch.explain(model, torch.randn(2, 6))
    assert explanation.share == 1 and not explanation.breaks, str(explanation)
    assert [graph.kind for graph in explanation.graphs] == ["forward", "backward"]
    assert all(p.grad is None for p in model.parameters())


def test_graph_breaks_are_told():
    def broken(x):
        y = x.sin()
        return y.cos() if y.sum() > 0 else y.exp()

    assert len(accel.torch.explain(broken, torch.ones(3)).breaks) == 1


def test_bad_input():
    with pytest.raises(accel.ArgumentError, match=r"model: expected a torch\.nn\.Module or a function, got 3"):
        accel.torch.explain(3)


@pytest.mark.parametrize(
    "model",
    [
        lambda x, i: nn.functional.embedding(i, x) * 2,
        lambda x, i: torch.gather(x, 0, i[:, None]) * 2,
        lambda x, i: torch.index_select(x, 0, i) * 2,
        lambda x, i: torch.scatter(x, 0, i[:, None], 2.0) * 2,
        lambda x, i: torch.scatter_add(x, 0, i[:, None], x[:2]) * 2,
        lambda x, i: x[i] * 2,
        lambda x, i: nn.functional.cross_entropy(x.mT[:2] @ x, i) * 2,
    ],
    ids=["embedding", "gather", "index_select", "scatter", "scatter_add", "index", "cross_entropy"],
)
def test_an_index_out_of_range_is_an_error_as_in_torch(model):
    x, compiled = torch.rand(3, 3), torch.compile(model, backend="accel")
    torch.testing.assert_close(compiled(x, torch.tensor([0, 2])), model(x, torch.tensor([0, 2])))
    for bad in (3, -4):
        for call in (model, compiled):
            with pytest.raises((IndexError, RuntimeError), match=r"out of (range|bounds)") as caught:
                call(x, torch.tensor([0, bad]))
        assert caught.type is IndexError


def test_the_table_is_of_operators():
    assert all(isinstance(target, torch._ops.OpOverload) for target in TABLE)
