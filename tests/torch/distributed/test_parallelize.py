"""`parallelize` and the functions beside it in one process: what is refused, and what stays as it was."""

from __future__ import annotations

import re

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch.distributed.tensor import Shard  # noqa: E402
from torch.distributed.tensor import parallel as torchs  # noqa: E402

import accel  # noqa: E402
import accel.torch.distributed as parallel  # noqa: E402
from accel.torch.distributed.ranks import Ranks  # noqa: E402


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def model():
    return torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Conv1d(2, 2, 1), torch.nn.Embedding(5, 4))


COLUMNS, ROWS = parallel.ColwiseParallel(), parallel.RowwiseParallel()

REFUSED = {
    "no module": (lambda: parallel.parallelize(3, None, {}), accel.ArgumentError, "module: expected a torch.nn.Module"),
    "no dict": (lambda: parallel.parallelize(model(), None, [COLUMNS]), accel.ArgumentError, "plan: expected a dict"),
    "no name": (lambda: parallel.parallelize(model(), None, {"3": ROWS}), accel.ArgumentError, "'3': no module has"),
    "no style": (
        lambda: parallel.parallelize(model(), None, {"0": "rows"}),
        accel.ArgumentError,
        "plan: '0': expected ColwiseParallel or RowwiseParallel, got 'rows'",
    ),
    "parts": (
        lambda: parallel.parallelize(model(), None, {"0": parallel.ColwiseParallel(parts=4)}),
        accel.ArgumentError,
        "plan: 0: shares: parts: 4 do not divide 6",
    ),
    "a layer without a rule": (
        lambda: parallel.parallelize(model(), None, {"1": ROWS}),
        accel.UnsupportedError,
        "plan: 1: RowwiseParallel of a Conv1d",
    ),
    "columns of an embedding": (
        lambda: parallel.parallelize(model(), None, {"2": COLUMNS}),
        accel.UnsupportedError,
        "plan: 2: ColwiseParallel of a Embedding",
    ),
    "other layouts": (
        lambda: parallel.parallelize(model(), None, {"0": torchs.ColwiseParallel(input_layouts=Shard(0))}),
        accel.UnsupportedError,
        "plan: '0': layouts from",
    ),
    "twice": (
        lambda: parallel.parallelize(parallel.parallelize(model(), None, {}), None, {}),
        accel.ArgumentError,
        "module: 0 is parallel already",
    ),
    "a group": (lambda: parallel.parallelize(model(), 3, {}), accel.ArgumentError, "mesh: expected a process group"),
    "a batch": (
        lambda: parallel.linear(torch.ones(2, 2), torch.ones(2, 2), batch="all"),
        accel.ArgumentError,
        "batch: expected a process group, a DeviceMesh or None, got 'all'",
    ),
    "no tensor": (
        lambda: parallel.row_parallel_linear([1.0], torch.ones(2, 2), group=None),
        accel.ArgumentError,
        "row_parallel_linear: x: expected a torch tensor, got [1.0]",
    ),
    "integers": (
        lambda: parallel.linear(torch.ones(2, 2, dtype=torch.int32), torch.ones(2, 2)),
        accel.DtypeError,
        "linear: x: expected a floating dtype, got torch.int32",
    ),
    "two dtypes": (
        lambda: parallel.linear(torch.ones(2, 2), torch.ones(2, 2).double()),
        accel.DtypeError,
        "linear: weight: expected torch.float32 on cpu as x is, got torch.float64 on cpu",
    ),
    "a weight": (
        lambda: parallel.linear(torch.ones(2), torch.ones(2)),
        accel.ShapeError,
        "linear: weight: expected two axes (out, in), got shape (2,)",
    ),
    "a bias": (
        lambda: parallel.linear(torch.ones(2), torch.ones(3, 2), torch.ones(2)),
        accel.ShapeError,
        "linear: bias: expected shape (3,), got (2,)",
    ),
    "lengths": (
        lambda: parallel.row_parallel_linear(torch.ones(2), torch.ones(3, 2), group=None, lengths=[1, 1]),
        accel.ArgumentError,
        "lengths: expected 1 whole numbers, got [1, 1]",
    ),
    "a length": (
        lambda: parallel.row_parallel_linear(torch.ones(2), torch.ones(3, 2), group=None, lengths=[3]),
        accel.RankError,
        "lengths: expected those of weight on the ranks, [2], got [3]",
    ),
    "tokens": (
        lambda: parallel.embedding(torch.ones(2), torch.ones(3, 2)),
        accel.DtypeError,
        "embedding: tokens: expected integers, got torch.float32",
    ),
    "a token": (
        lambda: parallel.embedding(torch.tensor([-1, 2]), torch.ones(3, 2)),
        IndexError,
        "embedding: tokens: expected numbers from 0 to 2, got -1 to 2",
    ),
    "padding": (
        lambda: parallel.embedding(torch.tensor([1]), torch.ones(3, 2), 3),
        accel.ArgumentError,
        "embedding: padding_idx: 3 is none of 3 rows",
    ),
    "a reduction": (
        lambda: parallel.cross_entropy(torch.ones(2, 3), torch.tensor([0, 1]), reduction="max"),
        accel.ArgumentError,
        "cross_entropy: reduction: expected 'none', 'sum' or 'mean', got 'max'",
    ),
    "targets": (
        lambda: parallel.cross_entropy(torch.ones(2, 3), torch.tensor([[0, 1]])),
        accel.ShapeError,
        "cross_entropy: logits has shape (2, 3) and target (1, 2)",
    ),
    "no smoothing": (
        lambda: parallel.cross_entropy(torch.ones(2, 3), torch.tensor([0, 1]), label_smoothing=1.5),
        accel.ArgumentError,
        "cross_entropy: label_smoothing:",
    ),
    "a weight of other classes": (
        lambda: parallel.cross_entropy(torch.ones(2, 3), torch.tensor([0, 1]), weight=torch.ones(2)),
        accel.ShapeError,
        "cross_entropy: logits has shape (2, 3) and weight (2,)",
    ),
    "a weight of another dtype": (
        lambda: parallel.cross_entropy(torch.ones(2, 3), torch.tensor([0, 1]), weight=torch.ones(3).double()),
        accel.DtypeError,
        "cross_entropy: weight: expected torch.float32 on cpu as logits is, got torch.float64",
    ),
    "a weight that is learned": (
        lambda: parallel.cross_entropy(
            torch.ones(2, 3), torch.tensor([0, 1]), weight=torch.ones(3, requires_grad=True)
        ),
        accel.ArgumentError,
        "cross_entropy: weight: expected a torch tensor that requires no gradient",
    ),
    "no layers": (
        lambda: parallel.column_parallel_linears(torch.ones(2), [], group=None),
        accel.ArgumentError,
        "column_parallel_linears: weights: expected a list of at least one, got []",
    ),
    "too few biases": (
        lambda: parallel.column_parallel_linears(torch.ones(2), [torch.ones(3, 2)], [None, None], group=None),
        accel.ArgumentError,
        "column_parallel_linears: biases: expected 1, one for each weight",
    ),
    "no gradient": (
        lambda: parallel.clip_by_global_norm(model(), 1.0),
        accel.ArgumentError,
        "clip_by_global_norm: module: none of its parameters has a gradient",
    ),
    "no norm": (
        lambda: parallel.clip_by_global_norm(model(), float("nan")),
        accel.ArgumentError,
        "clip_by_global_norm: max_norm: expected a finite number from 0 on, got nan",
    ),
    "a norm's weight": (
        lambda: parallel.rms_norm(torch.ones(2, 3), torch.ones(2)),
        accel.ShapeError,
        "rms_norm: weight has shape (2,), and x (2, 3)",
    ),
    "attention": (
        lambda: parallel.attention(*[torch.ones(2, 3, 4)] * 3),
        accel.ArgumentError,
        "attention: query: expected a torch tensor of four axes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=re.escape(message)):
        call()


def test_a_batch_on_several_ranks_asks_for_a_rule_for_each_module_with_parameters():
    """Whose gradients would be those of some rows."""
    its = model()
    before = {name: id(p) for name, p in its.named_parameters()}
    two = Ranks(None)
    two.size = 2
    two.agreed = lambda op, facts, problem=None: (_ for _ in ()).throw(problem) if problem else []
    with pytest.raises(accel.UnsupportedError, match="module: 1: a Conv1d has parameters, and no rule here"):
        parallel.parallelize(its, None, {}, batch=two)
    assert {name: id(p) for name, p in its.named_parameters()} == before
    parallel.parallelize(its, None, {})
    assert isinstance(its[1], torch.nn.Conv1d)


NORMAL = {
    "linear": lambda x, w: parallel.linear(x, w, w[0]),
    "column": lambda x, w: parallel.column_parallel_linear(x, w, group=None),
    "embedding": lambda x, w: parallel.embedding(torch.tensor([1, 0]), w * x),
    "norm": parallel.rms_norm,
    "cross entropy": lambda x, w: parallel.cross_entropy(x * w, torch.tensor([1, 0])),
    "linears": lambda x, w: parallel.column_parallel_linears(x, [w], group=None)[0],
    "smoothed": lambda x, w: parallel.cross_entropy(x * w, torch.tensor([1, 0]), label_smoothing=0.1),
    "attention": lambda x, w: parallel.attention(*[(x * w)[None, None]] * 3),
}


@pytest.mark.parametrize("name", NORMAL)
def test_a_gradient_of_a_gradient_is_refused(name):
    """It is no constant."""
    x = torch.ones(2, 2, requires_grad=True)
    w = torch.ones(2 if name == "norm" else (2, 2), requires_grad=True)
    grads = torch.autograd.grad(NORMAL[name](x, w).square().sum(), (x, w), create_graph=True)
    with pytest.raises(accel.UnsupportedError, match="no derivative of"):
        sum(g.square().sum() for g in grads).backward()


def test_what_is_set_changes_no_bit():
    """Everything here is reproducible, also where "fast" is set."""
    x, w = (torch.randn(3, 40, generator=torch.Generator().manual_seed(i)).bfloat16() for i in range(2))
    with accel.config(numerics="reproducible"):
        want = accel.nn.linear(x, w)
    with accel.config(numerics="fast"):
        assert torch.equal(parallel.linear(x, w), want)
        assert torch.equal(parallel.row_parallel_linear(x, w, group=None), want)
