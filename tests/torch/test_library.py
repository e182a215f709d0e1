"""accel's ops as operators of torch: torch's own checks, the bits of accel's functions, and rules for batches."""

from __future__ import annotations

import subprocess
import sys

import pytest

import accel

torch = pytest.importorskip("torch", reason="torch is not installed")

from operator_samples import gradients, requiring, samples, several  # noqa: E402

import accel.torch.library as library  # noqa: E402
import accel.torch.library_batches as batches  # noqa: E402
from accel.torch.library_batches import rule_of  # noqa: E402
from accel.torch.library_schema import UNFIT  # noqa: E402

OPERATORS = library.OPERATORS
QUICK = (
    "argmax", "conv2d", "cross_entropy", "dynamic_quantize", "layer_norm", "linear", "matmul",
    "max_pool2d.return_indices", "qr", "rms_norm.residual", "scaled_dot_product_attention", "softmax", "sort", "take",
)  # fmt: skip
CHECKS = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")

ops = torch.ops.accel


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def checked(name: str, count: int) -> None:
    operator = OPERATORS[name]
    every = list(samples(operator, count))
    assert every, f"no example of {name} fits its schema"
    for args in every:
        torch.library.opcheck(operator.overload, args, test_utils=CHECKS)
        # the last of torch's checks adds up results from an integer on, where the first of them are integers
        smooth = several(operator.overload(*args))[0].is_floating_point()
        torch.library.opcheck(operator.overload, requiring(args), test_utils=CHECKS if smooth else CHECKS[:3])


@pytest.mark.parametrize("name", QUICK)
def test_torchs_checks_pass(name):
    checked(name, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATORS)
def test_torchs_checks_pass_for_every_operator(name):
    checked(name, 3)


def same(x, y):
    return x.shape == y.shape and x.dtype == y.dtype and (x.numpy().tobytes() == y.numpy().tobytes())


def test_every_operator_has_the_functions_bits_and_gradients():
    """Also what torch says of a call without elements, of results and of gradients, against what there is."""
    for name, operator in OPERATORS.items():
        found = list(samples(operator, 1))
        assert found, f"no example of {name} fits its schema"
        (args,) = found
        got = several(operator.overload(*args))
        want = several(operator.compute(*args))
        assert len(got) == operator.signature.results, name
        assert all(map(same, got, want)), name
        empty = several(operator.overload(*[x.to("meta") if isinstance(x, torch.Tensor) else x for x in args]))
        assert [(y.shape, y.dtype) for y in empty] == [(y.shape, y.dtype) for y in got], name
        mine = gradients(operator, args)
        if mine is None:
            continue
        recorded = requiring(args)
        results = several(accel.torch.function(operator.compute)(*recorded))
        results = [y for y in results if y.requires_grad]
        wanted = [x for x in recorded if isinstance(x, torch.Tensor) and x.requires_grad]
        theirs = torch.autograd.grad(results, wanted, list(map(torch.ones_like, results)), allow_unused=True)
        for g, its in zip(mine, theirs, strict=True):
            assert (g is None and its is None) or same(g.contiguous(), its.contiguous()), name


def batch(name, x, size):
    """Several tensors of which the first is x, beside each other on the last axis; in the others elements have other
    places, but those of a positive definite matrix."""
    if name == "cholesky":
        return torch.stack([x * (i + 1) for i in range(size)], -1)
    flat = x.reshape(-1)
    return torch.stack([flat.roll(i).reshape(x.shape) for i in range(size)], -1)


@pytest.mark.parametrize("name", [n for n, its in OPERATORS.items() if rule_of(its.signature)])
def test_a_batch_has_the_bits_of_its_parts(name, monkeypatch):
    """By the operator's rule, in one call, at least where only the first operand is a batch or where all are."""
    operator, loops = OPERATORS[name], []
    loop = batches.looped
    monkeypatch.setattr(batches, "looped", lambda its, *rest: loops.append(its) or loop(its, *rest))
    seen = 0
    for args in samples(operator, 2):
        tensors = [i for i, x in enumerate(args) if isinstance(x, torch.Tensor)]
        for which in (tensors[:1], tensors):
            whole = [batch(name, x, 2) if i in which else x for i, x in enumerate(args)]
            dims = tuple(-1 if i in which else None for i in range(len(args)))
            got = several(torch.vmap(operator.overload, dims)(*whole))
            seen += 1
            for i in range(2):
                part = [x[..., i] if j in which else x for j, x in enumerate(whole)]
                want = several(operator.overload(*part))
                assert all(same(y[i].contiguous(), its.contiguous()) for y, its in zip(got, want, strict=True)), i
    assert len(loops) < seen


def test_convolutions_of_a_batch_of_batches():
    x, w = torch.randn(2, 3, 4, 6, 6), torch.randn(5, 4, 3, 3)
    got = torch.vmap(lambda x: ops.conv2d(x, w, padding=1))(x)
    assert same(got, torch.stack([ops.conv2d(one, w, padding=1) for one in x]))


def test_gradients_under_torch_func():
    x, w = torch.randn(3, 4), torch.randn(4)
    mine, its = (
        torch.vmap(torch.func.grad(lambda x, f=f: f(x, [4], w).square().sum()))(x)
        for f in (ops.rms_norm, torch.nn.functional.rms_norm)
    )
    torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-5)


def test_forward_mode():
    x, t = torch.randn(3, 4, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)
    for mine, its in ((ops.softmax, lambda x: torch.softmax(x, -1)), (ops.silu, torch.nn.functional.silu)):
        got, want = (torch.func.jvp(f, (x,), (t,)) for f in (mine, its))
        torch.testing.assert_close(got, want)
        got, want = (torch.func.hessian(lambda x, f=f: f(x).pow(3).sum())(x) for f in (mine, its))
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("name", ["softmax", "layer_norm", "scaled_dot_product_attention"])
def test_derivatives_of_derivatives(name):
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    function = {
        "softmax": lambda x: ops.softmax(x, 1),
        "layer_norm": lambda x: ops.layer_norm(x, [4]),
        "scaled_dot_product_attention": lambda x: ops.scaled_dot_product_attention(x, x, x, is_causal=True),
    }[name]
    assert torch.autograd.gradcheck(function, x) and torch.autograd.gradgradcheck(function, x)


def test_names_and_numbers_as_torch_has_them():
    x = torch.randn(2, 3, 8, 8)
    assert same(ops.avg_pool2d(x, 2, padding=[1, 0]), accel.nn.avg_pool2d(x, 2, padding=(1, 0)))
    y, places = ops.max_pool2d.return_indices(x, [2, 2])
    assert same(y, ops.max_pool2d(x, 2)) and places.dtype == torch.int64
    assert same(ops.sum(x.half(), [-1], dtype=torch.float32), accel.sum(x.half(), axis=-1, dtype="float32"))
    y, total = ops.rms_norm(x, [8], residual=x)
    assert same(total, x + x)


def test_the_first_results_of_an_op_share_no_memory():
    x = torch.randn(3)
    assert same(ops.positive(x), x) and ops.positive(x).data_ptr() != x.data_ptr()
    wide = torch.randn(3, 1).expand(3, 4)
    assert ops.copy(wide).is_contiguous()


def test_autocast_casts_nothing():
    x, w = torch.randn(2, 4), torch.randn(3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert ops.linear(x, w).dtype == torch.float32
        assert ops.linear(x.bfloat16(), w.bfloat16()).dtype == torch.bfloat16
        assert torch.nn.functional.linear(x, w).dtype == torch.bfloat16  # torch's own is cast


@pytest.mark.parametrize("backend", ["aot_eager", "accel"])
def test_compiled_models_have_them_whole(backend):
    torch._dynamo.reset()
    w = torch.randn(8, requires_grad=True)

    def model(x):
        return ops.softmax(ops.rms_norm(x * 2, [8], w) @ x.mT, -1).sum(-1)

    compiled = torch.compile(model, backend=backend, fullgraph=True)
    for n in (2, 5, 7):
        x = torch.randn(n, 8, requires_grad=True)
        got, want = compiled(x), model(x)
        torch.testing.assert_close(got, want)
        g = torch.randn(n)
        for mine, its in zip(torch.autograd.grad(got, (x, w), g), torch.autograd.grad(want, (x, w), g), strict=True):
            torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-5)


def test_accels_operators_are_of_its_parts():
    explanation = accel.torch.explain(lambda x: ops.softmax(ops.gelu(x) + 1, -1), torch.randn(3, 4, requires_grad=True))
    assert explanation.share == 1 and not any(graph.left for graph in explanation.graphs), str(explanation)


def test_exported_programs_have_them():
    class Model(torch.nn.Module):
        def forward(self, x):
            return ops.silu(x) * x

    x = torch.randn(3)
    program = torch.export.export(Model(), (x,))
    assert any(node.target is ops.silu.default for node in program.graph.nodes)
    assert same(program.module()(x), ops.silu(x) * x)


def test_bad_input():
    for x in (torch.randn(2, 3), torch.empty(2, 3, device="meta")):
        with pytest.raises(accel.ShapeError, match=r"rms_norm: .*normalized_shape"):
            ops.rms_norm(x, [4])
        with pytest.raises(accel.AccelError, match="softmax: axis"):
            ops.softmax(x, 5)
    with pytest.raises(RuntimeError, match="Expected a value of type 'Tensor'"):
        ops.add(torch.ones(1), 2.0)
    with pytest.raises(NotImplementedError, match="SparseCPU"):
        ops.relu(torch.eye(2).to_sparse())


def test_what_is_no_operator_is_told():
    """Every public op of the table is one, or the reason why not is stated."""
    there = {name.partition(".")[0] for name in OPERATORS}
    public = {spec.name for spec in accel.registry.OPS.values() if spec.namespace != "internal"}
    assert public == there | set(UNFIT) and not there & set(UNFIT)


def test_the_import_registers():
    code = (
        "import torch, accel.torch; assert not hasattr(torch.ops.accel, 'softmax')\n"
        "import accel.torch.library; assert torch.ops.accel.softmax(torch.ones(2)).tolist() == [0.5, 0.5]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
