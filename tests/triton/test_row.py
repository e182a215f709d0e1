"""Row kernels against the canonical order, in every form, with controls that change it."""

from __future__ import annotations

from collections import Counter

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from triton_rows import Builder, call, call_of, cross_entropy, launch, layer_norm, logsumexp, softmax

import accel
from accel.backends.triton_kernel import functions, load
from accel.dtypes import TABLE
from accel.kernels.triton import row
from accel.layout import layout
from accel.ops import canonical
from accel.ops.primitive.row import Rows, evaluate
from accel.plan import run_on
from accel.testing.compare import differing, fetch, place

RNG = np.random.default_rng(23)
DTYPES = {"float32": np.float32, "float64": np.float64, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def numbers(shape, dtype="float32"):
    x = RNG.standard_normal(shape) * 2
    return x.astype(DTYPES[dtype])


def compare(program, operands, device, reduced=1):
    """Holds every output against `evaluate`; returns the first."""
    want = evaluate(Rows(program, reduced), *operands)
    want = want if isinstance(want, tuple) else (want,)
    got = [fetch(x) for x in launch(program, [place(x, device) for x in operands], reduced, device)]
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype
        assert not differing(g, w).any(), f"{differing(g, w).sum()} of {g.size} elements differ"
    return got[0]


def normal_operands(rows, n, dtype="float32"):
    wide = np.float64 if dtype == "float64" else np.float32
    shared = [np.broadcast_to(numbers(n, dtype), (rows, n)) for _ in range(2)]
    per_row = [np.broadcast_to(wide(v), (rows,)) for v in (n, 1e-5)]
    return [numbers((rows, n), dtype), *shared, *per_row]


def class_operands(rows, n):
    x = numbers((rows, n))
    return [x, RNG.integers(0, n, rows), np.broadcast_to(np.float32(-0.0), (rows,))]


def totals():
    """The sum and the maximum of a row."""
    b = Builder(("float32", True))
    return b.finish(b.fold("sum", 0), b.fold("max", 0))


def special(x):
    """Infinities, NaN and signed zeros in some rows."""
    x[0, 0], x[0, -1] = np.inf, -0.0
    x[-1, -1] = -np.inf
    x[len(x) // 2, 0] = np.nan
    return x


LENGTHS = [1, 2, 15, 16, 17, 63, 64, 65, 255, 257, 1000, 1025, 4095, 4096, 4097, 2 * 4096 + 37]
EMULATED = {1, 17, 63, 257, 1000, 4097}


@pytest.mark.parametrize("n", LENGTHS)
def test_softmax(device, n):
    """Each width of a tile, and both sides of its edge."""
    if device.kind == "emulated" and n not in EMULATED:
        pytest.skip("the emulator is slow; it runs every width")
    rows = 5 if n < 300 else 3
    compare(softmax(), [special(numbers((rows, n)))], device)


@pytest.mark.parametrize("n", [3, 64, 65, 1000, 4097])
def test_several_outputs(device, n):
    """Layer normalisation with weight, bias and its mean; cross-entropy, by the element's index; logsumexp."""
    if device.kind == "emulated" and n not in (65, 1000):
        pytest.skip("the emulator is slow; it runs two widths")
    compare(layer_norm(), normal_operands(2, n), device)
    compare(cross_entropy(), class_operands(2, n), device)
    compare(logsumexp(), [numbers((2, n))], device)
    if device.kind != "emulated":
        compare(softmax(logarithm=True), [numbers((2, n))], device)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_dtypes(device, dtype):
    for n in (70,) if device.kind == "emulated" else (10, 300, 4300):
        compare(softmax(dtype), [numbers((3, n), dtype)], device)
        compare(layer_norm(dtype), normal_operands(3, n, dtype), device)


def test_many_blocks():
    """More blocks than lanes, so that a lane adds several block results."""
    compare(totals(), [numbers((1, 66 * 4096 + 37))], accel.device("triton:interpreter"))


def test_walked_rows(device, monkeypatch):
    """Long rows, one for each program instance, give the bits of rows that are shared out."""
    n = 4096 + 300
    operands = normal_operands(2, n)
    shared = compare(layer_norm(), operands, device)
    monkeypatch.setattr(row, "FILLED", 1)
    assert row.share(layer_norm(), 2, n, 4, device.architecture).form == "looped"
    np.testing.assert_array_equal(compare(layer_norm(), operands, device), shared)
    if device.kind != "emulated":
        compare(totals(), [numbers((1, 65 * 4096 + 5))], device)


def layouts(x):
    """(operand, reduced axes): views whose kept and reduced axes collapse to none, one and more."""
    return {
        "transposed": (x.T, 1),
        "reversed": (x[::-1, ::-1], 1),
        "sliced": (x[1::2, 3:-2:3], 1),
        "stretched": (np.broadcast_to(x[:, :1], (len(x), 40)), 1),
        "one row": (x[:1], 1),
        "all axes": (x[:12, :30], 2),
        "three axes": (x[:12, :40].reshape(3, 4, 8, 5).transpose(2, 0, 3, 1), 2),
        "kept axes": (x[:12, :40].reshape(3, 4, 8, 5).transpose(1, 3, 0, 2)[::-1], 1),
        "unaligned": (x.reshape(-1)[1:1601].reshape(20, 80), 1),
    }


@pytest.mark.parametrize("case", layouts(np.zeros((30, 70))))
def test_layouts(device, case):
    operand, reduced = layouts(numbers((30, 70)))[case]
    compare(softmax(), [operand], device, reduced)


def test_output_layouts(device):
    """Outputs with strides of their own: columns of a matrix."""
    program, x = layer_norm(), normal_operands(4, 70)
    operands = [place(v, device) for v in x]
    whole = [place(np.zeros(s, np.float32), device) for s in ((140, 9), (12,))]
    outputs = [whole[0].view((4, 70), (2, 18), 3), whole[1].view((4,), (-3,), 10)]
    what = call(program, 1, [v.layout for v in operands], [v.layout for v in outputs], device)
    run_on(what, row.KERNELS[0].prepare(what), operands, outputs)
    for got, want in zip(outputs, evaluate(Rows(program, 1), *x), strict=True):
        assert not differing(fetch(got), want).any()
    assert np.count_nonzero(fetch(whole[0])) == 280
    assert np.count_nonzero(fetch(whole[1])) == 4


def test_integers(device):
    """Integer folds wrap; the largest and least of both signs; products in order; a fold of a row's own value."""
    b = Builder(("int64", True), ("uint64", True), ("float32", True), ("float32", False))
    kinds = [b.fold(kind, v) for v in (0, 1, 2) for kind in ("sum", "prod", "max", "min")]
    counted = b.fold("sum", 3)
    program = b.finish(*kinds, counted, b("subtract", 2, kinds[-1]), b.index())
    for shape in ((3, 70),) if device.kind == "emulated" else ((3, 70), (2, 5000)):
        operands = [
            RNG.integers(-(2**63), 2**63, shape, np.int64),
            RNG.integers(0, 2**64, shape, np.uint64),
            (1 + RNG.standard_normal(shape) / 8).astype(np.float32),
            numbers(shape[0]),
        ]
        compare(program, operands, device)


def test_narrow_storage(device):
    """bool and 8-bit elements, and bool results of elements and of rows."""
    b = Builder(("bool", True), ("int8", True), ("float16", False))
    count = b.fold("sum", b.cast(0, "float32"))
    wide = b.cast(1, "float32")
    above = b("greater", wide, b.cast(2, "float32"))
    program = b.finish(above, b("greater", count, b.cast(2, "float32")), b.cast(b("add", wide, count), "float16"))
    operands = [RNG.integers(0, 2, (5, 48)).astype(bool), RNG.integers(-99, 99, (5, 48), np.int8)]
    compare(program, [*operands, numbers(5, "float16")], device)


def test_no_folds_and_many_levels(device):
    """Steps alone, and five folds of which each needs the one before."""
    b = Builder(("float32", True), ("float32", False))
    compare(b.finish(b("multiply", 0, 1)), [numbers((3, 70)), numbers(3)], device)
    b = Builder(("float32", True))
    x = 0
    for kind in ("sum", "max", "sum", "min", "sum"):
        x = b("divide", b("subtract", x, b.fold(kind, x)), b.fold("max", 0))
    program = b.finish(x, b("exp", b.fold("sum", x)))
    for n in (20,) if device.kind == "emulated" else (20, 700, 4200):
        compare(program, [numbers((2, n))], device)


@st.composite
def programs(draw):
    """Row programs of up to twelve items over two inputs of each element and one of each row."""
    b = Builder(("float32", True), ("float32", True), ("float32", False))
    values = [0, 1, 2]
    for _ in range(draw(st.integers(1, 12))):
        a, c = draw(st.sampled_from(values)), draw(st.sampled_from(values))
        kind = draw(st.sampled_from(("fold", "fold", "step", "step", "step", "index")))
        if kind == "fold":
            values.append(b.fold(draw(st.sampled_from(("sum", "max", "min"))), a))
        elif kind == "index":
            values.append(b.cast(b.index(), "float32"))
        else:
            name = draw(st.sampled_from(("add", "subtract", "multiply", "maximum", "abs", "square", "divide")))
            values.append(b(name, a) if name in ("abs", "square") else b(name, a, c))
    outputs = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True))
    return b.finish(*outputs)


def test_random_programs(any_device):
    """Programs as they come, on short rows, and on rows of two blocks in the interpreter."""
    forms = Counter()

    @settings(
        max_examples=5 if any_device.kind == "emulated" else 25,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(program=programs(), n=st.sampled_from((1, 9, 70, 300) + (() if any_device.kind == "emulated" else (4200,))))
    def check(program, n):
        forms[row.share(program, 3, n, 4, any_device.architecture).form] += 1
        operands = [numbers((3, n)), np.broadcast_to(numbers((1, n)), (3, n)), numbers(3)]
        compare(program, operands, any_device)

    check()
    assert forms["kept"] > 3
    assert any_device.kind == "emulated" or forms["shared"] > 1


@pytest.mark.parametrize("variant", [{"lanes": 32}, {"lanes": 128}, {"block": 2048}], ids=str)
def test_another_order_has_other_bits(device, variant, monkeypatch):
    """Control: other lanes and another block change the bits that rows are compared with."""
    x = numbers((4, 4096))
    b = Builder(("float32", True))
    program = b.finish(b.fold("sum", 0))
    got = compare(program, [x], device)
    assert differing(got, canonical.reduce("sum", x, (1,), accel.float32, **variant)).any()


class Counted:
    """A GPU that keeps what it would compile."""

    kind, backend, architecture = "gpu", "triton", "sm_90"

    def __init__(self):
        self.keys = set()

    def kernel(self, path, name):
        return getattr(load(path, False), name)

    def functions(self, found):
        return functions(found, False)

    def prepare(self, what, grid, sizes):
        self.keys.add(what.key())


@pytest.mark.parametrize("program", [softmax(), softmax("float16"), layer_norm(), layer_norm("float64")])
@pytest.mark.parametrize("rows", [1, 1000])
def test_few_variants(program, rows):
    """Rows of 1 to 4,096 elements compile at most twelve kernels; another rank compiles another."""
    device = Counted()
    for n in (*range(1, 70), *range(70, 4097, 7), 4096):
        row.KERNELS[0].prepare(call_of(program, rows, n, device))
    print(f"{rows} rows of {program.inputs[0].dtype}: {len(device.keys)} variants")
    assert 5 <= len(device.keys) <= 12
    before = len(device.keys)
    shape, strides = (8, 3, 3, 4), (256, 64, 4, 1)
    inputs = [
        layout(TABLE[v.dtype], *((s if v.each else s[:2]) for s in (shape, strides)), device) for v in program.inputs
    ]
    values = [program.values[v] for v in program.outputs]
    outputs = [layout(TABLE[v.dtype], shape if v.each else shape[:2], None, device) for v in values]
    row.KERNELS[0].prepare(call(program, 2, inputs, outputs, device))
    assert len(device.keys) == before + 1


def test_launches():
    """One launch where rows fill a device or are short; one more for every level of folds where few are long, but none
    for one that nothing follows: the last program of a row joins its blocks."""
    device = Counted()
    device.architecture = "sm_90"
    for program, launches in ((softmax(), 3), (layer_norm(), 3), (logsumexp(), 2)):
        assert len(row.specializations(call_of(program, 1000, 128256, device))) == 1
        assert len(row.specializations(call_of(program, 4, 4096, device))) == 1
        assert len(row.specializations(call_of(program, 64, 128256, device))) == launches


def test_too_long_rows_are_refused():
    """Beyond blocks of blocks the kernel says so."""
    device = Counted()
    assert row.KERNELS[0].supports(call_of(logsumexp(), 1, 1 << 24, device)) is None
    assert "16777217" in row.KERNELS[0].supports(call_of(logsumexp(), 1, (1 << 24) + 1, device))
