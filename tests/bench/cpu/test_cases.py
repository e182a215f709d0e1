"""Every kind of case, small: accel and the peers give the answer, and a wrong result is seen."""

from __future__ import annotations

import numpy as np
import pytest

from accel import composition, nn
from accel.bench.cases.functions import operations
from accel.bench.cpu import (
    aims,
    attention,
    compositions,
    convolutions,
    factorizations,
    gathers,
    grouped,
    joins,
    matrix,
    overhead,
    pointwise,
    quantized,
    reductions,
    rows,
    scans,
    searches,
    transforms,
    worker,
)
from accel.bench.cpu.case import Case
from accel.bench.cpu.data import Data
from accel.bench.machine.limits import Limit
from accel.bench.peers import functions as peers
from accel.bench.peers.answers import host, wrong
from accel.registry import OPS
from accel.scalar import FUNCTIONS

KINDS = (("sum", "float32"), ("mean", "float32"), ("max", "float32"), ("any", "bool"), ("argmax", "float32"))

SMALL = [
    *pointwise.scalar(300, True),
    *(case for case in pointwise.broadcast() if "4096" not in case.name),
    *(pointwise.cast(source, target, 300) for source, target in pointwise.CASTS),
    *(
        matrix.product(5, 7, 9, dtype, layout)
        for dtype in ("float32", "float64", "float16", "bfloat16")
        for layout in matrix.LAYOUTS
    ),
    *(matrix.product(32, 32, 64, "int8", layout) for layout in matrix.LAYOUTS),
    *(matrix.product(1, 32, 64, "int8", layout) for layout in ("NN", "NT")),  # TN: torch 2.13 gives wrong numbers
    *matrix.batched((4, 8), 10),
    matrix.linear(5, 7, 9),
    *(
        reductions.along(kind, dtype, (6, 7, 8), axis)
        for kind, dtype in KINDS
        for axis in (None, 0, 1, 2)
    ),
    *(reductions.of_rows(name, (20, 50)) for name in reductions.COMPOSED),
    attention.prefill(2, 70, 16),
    attention.decode(4, 2, 70, 16),
    rows.embedding(50, 8, 9),
    *(rows.bag(mode, 50, 8, (5, 4)) for mode in ("sum", "mean")),
    *(rows.segment(50, 8, 7, ascending) for ascending in (False, True)),
    *(rows.rotation((1, 2, 5, 16), between) for between in (False, True)),
    *(scans.along(dtype, (70, 40), axis) for dtype in ("float32", "int64") for axis in (0, 1)),
    *(gathers.along((70, 40), 9, axis) for axis in (0, 1)),
    *(joins.parted("parts", (70, 40), 3, axis) for axis in (0, 1)),
    *(quantized.layer(70, 256, 3, name) for name in ("int8", "int4", *quantized.FLOATS, *quantized.BLOCKS)),
    grouped.groups((3, 0, 5), 33, 9),
    quantized.integer_layer(70, 64, 3),
    *(joins.rolled((70, 40), 9, axis) for axis in (0, 1)),
    *(joins.flipped((70, 40), axis) for axis in (0, 1)),
    *(joins.padded(shape, 3, mode) for shape in ((70,), (7, 40)) for mode in ("constant", "reflect")),
    *(searches.search("float32", 500, ordered) for ordered in (False, True)),
    *(searches.mask("float32", shape, 0.5) for shape in ((500,), (50, 6))),
    *(searches.unique(dtype, 500) for dtype in ("float32", "int8")),
    *(searches.top("float32", shape, 3, largest) for shape in ((500,), (4, 50)) for largest in (False, True)),
    *(factorizations.symmetric(70, dtype) for dtype in factorizations.DTYPES),
    convolutions.convolved(2, convolutions.Layer(3, 9, 5)),
    convolutions.convolved(1, convolutions.Layer(4, 9, 4, 3, 2, True)),
    factorizations.factors(70, "float64"),
    *(factorizations.system(70, k, "float32") for k in (1, 9)),
    transforms.vector(60),
    transforms.square(12),
    *(gathers.elements("int64", 500), gathers.each_row((20, 30))),
    *(case for name in compositions.MADE for case in compositions.rows_of(name, ((20, 50), (3, 5000)))),
    *compositions.quotient(3000),
    *compositions.squashed(3000),
    *compositions.activations(2048),
    *(case for case in compositions.activations(1 << 18) if case.name.startswith("glu")),  # of which some is taken
    *compositions.repeated(),
    *compositions.unseen(),
    *(
        case
        for op in ("add", "matmul", "linear")
        for kind in ("Array", "ndarray")
        for case in overhead.overhead(op, kind)
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def data() -> Data:
    return Data()


@pytest.mark.parametrize("case", SMALL, ids=lambda case: f"{case.name} {case.dtype}")
def test_accel_and_peers_give_the_answer(case: Case, data: Data):
    with np.errstate(all="ignore"):
        calls = case.build(data)
        got, want = host(calls.accel()), calls.expected()
        assert wrong(calls.sample(got), want) is None
        kept, _, notes = worker.sound(calls, want, got.dtype)
    assert not notes
    assert kept or not calls.peers


def test_every_scalar_function_has_a_peer(data: Data):
    """A new function whose peers have other names gets a row in the tables of names. Neither has the other two."""
    public = [name for name in FUNCTIONS if OPS[name].namespace != "internal"]
    missing = [name for name in public if peers.numpy_function(name) is None]
    if data.torch is not None:
        missing = [name for name in missing if peers.torch_function(data.torch, name) is None]
    assert missing == ["gamma", "trigamma"]


def test_operands_are_the_same_memory_for_all_and_not_zero(data: Data):
    for dtype in ("float32", "bfloat16", "int8"):
        x = data.array(dtype, (64, 3))
        assert data.accel(x)[0].buffer.address == x.ctypes.data
        if data.torch is not None:
            assert data.tensor(x).data_ptr() == x.ctypes.data
        assert np.count_nonzero(x) > 0.9 * x.size
        assert data.array(dtype, (64, 3)) is x
        assert Data().array(dtype, (64, 3)).tobytes() == x.tobytes(), "the seed is fixed"


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool"])
def test_wrong_values_dtypes_and_shapes_are_seen(dtype: str):
    want = np.array([1, 0, 1, 1], dtype).astype(np.float64)
    assert wrong(want.astype(dtype), want) is None
    changed = want.astype(dtype)
    changed[2] = 0
    assert wrong(changed, want) == "1 of 4 compared are wrong; the first is 0.0 and not 1.0"
    assert wrong(changed[:3], want) == "shape (3,), expected (4,)"
    if dtype.startswith("float"):
        assert wrong(np.full(4, np.nan, dtype), want) is not None
        assert wrong(np.full(4, np.nan, dtype), np.full(4, np.nan)) is None


@pytest.mark.parametrize("case", compositions.unseen(), ids=lambda case: case.name)
def test_each_call_of_a_new_layout_is_traced_anew(case: Case, data: Data, monkeypatch):
    """And the control: a call on a layout that was there is not."""
    traced, tracer = [], composition.Tracer

    def counted(*arguments, **keywords):
        traced.append(arguments)
        return tracer(*arguments, **keywords)

    monkeypatch.setattr(composition, "Tracer", counted)
    call = case.build(data).accel
    call()  # its shape may have been there in another test
    before = len(traced)
    for calls in (1, 2, 3):
        call()
        assert len(traced) >= before + calls
    same = data.accel(data.array("float32", (3, 77)))[0]
    nn.softmax(same)
    before = len(traced)
    nn.softmax(same)
    assert len(traced) == before


def test_every_composed_activation_is_timed():
    """But prelu, whose slopes are an operand, and those that torch has no function for."""
    timed = {*compositions.ACTIVATIONS, "prelu", "softcap", "swiglu", "geglu", "reglu"}
    assert {spec.name for spec in OPS.values() if spec.reference.__module__.endswith("exact_activation")} <= timed


def test_operations_count_what_computes():
    assert operations("add") == 1
    assert operations("positive") == 0
    assert 10 < operations("exp") < 30 < operations("gelu")


def test_rows_have_distinct_names_cases_and_limits():
    assert len({row.name for row in aims.ROWS}) == len(aims.ROWS)
    for row in aims.ROWS:
        cases = row.cases()
        assert cases, row.name
        assert len({case.name for case in cases}) == len(cases), row.name
        assert any(case.limit for case in cases) == (row.limit is not None), row.name


def test_share_of_a_time_that_a_call_may_take():
    allowed = compositions.unseen()[0].limit
    assert allowed.rate("avx2", 1) is not None
    assert allowed.share(2e-3, allowed.rate("avx2", 1)) == pytest.approx(1.5)
    assert allowed.share(6e-3, allowed.rate("avx2", 2)) == pytest.approx(0.5)


def test_share_of_a_limit():
    limit = Limit("fma_float32", 2e9)
    assert limit.share(0.02, 200.0) == pytest.approx(0.5)
    assert Limit("vnni_int8", 1).rate("avx2", 1) is None
