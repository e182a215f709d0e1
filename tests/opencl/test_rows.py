"""OpenCL's row kernels against the canonical form of the row program, bit for bit."""

from __future__ import annotations

from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from primitive_calls import blank, request, serve

import accel
from accel import registry
from accel.dtypes import TABLE
from accel.kernels.opencl import row
from accel.numerics import BLOCK
from accel.ops.primitive.row import Rows, evaluate
from accel.scalar import Fold, Index, Input, RowProgram, Step
from accel.testing.compare import differing, place


class Build:
    """Makes a RowProgram item by item; values are numbers."""

    def __init__(self, *inputs: Input) -> None:
        self.inputs, self.items = inputs, []

    def add(self, item: Any) -> int:
        self.items.append(item)
        return len(self.inputs) + len(self.items) - 1

    def step(self, function: str, *args: int, dtype: str = "float32") -> int:
        return self.add(Step(function, dtype, args))

    def fold(self, kind: str, arg: int) -> int:
        return self.add(Fold(kind, arg))

    def finish(self, *outputs: int) -> RowProgram:
        return RowProgram(self.inputs, tuple(self.items), outputs)


def each(dtype: str = "float32") -> Input:
    return Input(dtype, True)


def once(dtype: str = "float32") -> Input:
    return Input(dtype, False)


def _shifted(build: Build, x: int, dtype: str) -> tuple[int, int, int]:
    """x less its maximum, the maximum, and the sum of the exponentials."""
    top = build.fold("max", x)
    less = build.step("subtract", x, top, dtype=dtype)
    return less, top, build.fold("sum", build.step("exp", less, dtype=dtype))


def softmax(dtype: str = "float32") -> RowProgram:
    build, wide = Build(each(dtype)), "float64" if dtype == "float64" else "float32"
    x = 0 if dtype == wide else build.step("cast", 0, dtype=wide)
    less, _, total = _shifted(build, x, wide)
    result = build.step("divide", build.step("exp", less, dtype=wide), total, dtype=wide)
    return build.finish(result if dtype == wide else build.step("cast", result, dtype=dtype))


def log_softmax() -> RowProgram:
    build = Build(each())
    less, _, total = _shifted(build, 0, "float32")
    return build.finish(build.step("subtract", less, build.step("log", total)))


def logsumexp() -> RowProgram:
    build = Build(each())
    _, top, total = _shifted(build, 0, "float32")
    return build.finish(build.step("add", build.step("log", total), top))


def layer_norm(dtype: str = "float32") -> RowProgram:
    """Inputs: x, weight, bias, and 1/n and eps for the row. Outputs: the result, the mean, x + x (before any fold)."""
    build = Build(each(dtype), each(dtype), each(), once(), once())
    x, weight = (v if dtype == "float32" else build.step("cast", v) for v in (0, 1))
    mean = build.step("multiply", build.fold("sum", x), 3)
    apart = build.step("subtract", x, mean)
    variance = build.step("multiply", build.fold("sum", build.step("multiply", apart, apart)), 3)
    scale = build.step("divide", apart, build.step("sqrt", build.step("add", variance, 4)))
    result = build.step("add", build.step("multiply", scale, weight), 2)
    twice = build.step("add", x, x)
    return build.finish(build.step("cast", result, dtype=dtype) if dtype != "float32" else result, mean, twice)


def spread(dtype: str = "float32") -> RowProgram:
    """x less its sum, and the sum of the squares of that: little to compile, and any other order of sums shows."""
    build = Build(each(dtype))
    less = build.step("subtract", 0, build.fold("sum", 0), dtype=dtype)
    return build.finish(less, build.fold("sum", build.step("multiply", less, less, dtype=dtype)))


def cross_entropy() -> RowProgram:
    """Inputs: x, the index of a row's class, a zero. Outputs: the loss of each row, and the chosen logit."""
    build = Build(each(), once("int64"), once())
    _, top, total = _shifted(build, 0, "float32")
    chosen = build.step("equal", build.add(Index()), 1, dtype="int64")
    logit = build.fold("sum", build.step("where", chosen, 0, 2))
    loss = build.step("subtract", build.step("add", build.step("log", total), top), logit)
    return build.finish(loss, logit)


def check(device: accel.Device, program: RowProgram, reduced: int, *operands: np.ndarray, results: Any = None) -> None:
    """The kernel's outputs against the canonical ones. results: arrays of the outputs' layouts; None: row-major."""
    params = Rows(program, reduced)
    want = evaluate(params, *operands)
    want = want if isinstance(want, tuple) else (want,)
    got = serve(device, "row", params, operands, want if results is None else results)
    for k, (one, expected) in enumerate(zip(got, want, strict=True)):
        assert (one.shape, one.dtype) == (expected.shape, expected.dtype)
        where = differing(one, expected)
        assert not where.any(), f"output {k}: {where.sum()} of {where.size} differ, first at {np.argwhere(where)[0]}"


def numbers(seed: int, *shape: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(TABLE[dtype].numpy)


def rows_for(program: str, rows: int, n: int) -> tuple[np.ndarray, ...]:
    """Operands for one of the programs: weights and uniforms are broadcast."""
    x = numbers(n, rows, n)
    if program == "layer_norm":
        weight, bias = numbers(1, n), numbers(2, n)
        uniforms = (np.broadcast_to(np.float32(v), (rows,)) for v in (1 / n, 1e-5))
        return x, np.broadcast_to(weight, x.shape), np.broadcast_to(bias, x.shape), *uniforms
    if program == "cross_entropy":
        return x, np.random.default_rng(n).integers(0, n, rows), np.broadcast_to(np.float32(0), (rows,))
    return (x,)


PROGRAMS = {f.__name__: f for f in (softmax, log_softmax, logsumexp, layer_norm, cross_entropy)}
LENGTHS = (1, 4, 5, 63, 64, 65, 1000, 4095, 4096, 4097, 2 * 4096 + 37, 66 * 4096 + 37)


@pytest.mark.parametrize("n", LENGTHS)
def test_softmax_rows_of_every_class(variant: accel.Device, n: int) -> None:
    check(variant, softmax(), 1, *rows_for("softmax", 3, n))


@pytest.mark.parametrize("n", [1, 4, 5, 16, 17, 64, 65, 200, 256, 257])
def test_many_short_rows(device: accel.Device, n: int) -> None:
    """Rows that do not fill vectors, of every layout; on Intel's runtime by work-items or sub-groups."""
    x = numbers(n, 37, 2 * n)
    check(device, softmax(), 1, x[:, ::2])
    check(device, spread(), 1, x[::-1, n:][:, ::-1])
    check(
        device,
        spread(),
        1,
        numbers(n, n, 40).T,
        results=[np.empty((n, 40), np.float32).T, np.empty(80, np.float32)[::2]],
    )
    if device.packs_items:
        x = accel.asarray(np.ascontiguousarray(x[:, :n]), device=device)
        its, _ = row.kind(request(device, "row", Rows(softmax(), 1), [x], [x]))
        assert its.form.geometry == ("items" if n <= 16 else "sub-groups")


@pytest.mark.parametrize("n", [1000, 4096, 2 * 4096 + 37])
def test_many_long_rows_by_sub_groups(backend: Any, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elements that are held in local memory, and that are computed again where it is too small; rows of blocks."""
    device = backend.device("intel")
    if device is None or not device.shuffles(16):
        pytest.skip("no CPU device here has sub-groups")
    original = row.form
    for local in (1 << 18, 1 << 10):
        monkeypatch.setattr(row, "form", lambda *given, local=local: original(*given[:-1], local))
        accel.dispatch.forget()
        x = numbers(n, 17, 2 * n)
        check(device, softmax(), 1, x[:, ::2])
        check(device, spread(), 1, x[::-1, n:][:, ::-1])
        placed = accel.asarray(np.ascontiguousarray(x[:, :n]), device=device)
        its, _ = row.kind(request(device, "row", Rows(softmax(), 1), [placed], [placed]))
        assert its.form.geometry == "sub-groups"
        assert (its.form.held > 0) == (local == 1 << 18)
        assert its.form.blocks == (n > 4096)
    accel.dispatch.forget()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_long_rows_that_lie_apart(device: accel.Device, dtype: str) -> None:
    """Of several blocks. Intel's runtime makes several sums of a plain loop that adds, and joins them (`IN_ORDER`)."""
    for n, rows in ((BLOCK, 20), (BLOCK + 1, 20), (2 * BLOCK + 37, 20), (2 * BLOCK + 37, 3)):
        x = 4 * numbers(n + rows, n, rows, dtype=dtype)
        check(device, spread(dtype), 1, x.T)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_many_short_rows_of_dtypes(device: accel.Device, dtype: str) -> None:
    check(device, softmax(dtype), 2, numbers(8, 37, 3, 5, dtype=dtype)[..., ::2])


@pytest.mark.parametrize("program", [name for name in PROGRAMS if name != "softmax"])
def test_programs_of_many_short_rows(device: accel.Device, program: str) -> None:
    for n in (13, 140):
        check(device, PROGRAMS[program](), 1, *rows_for(program, 19, n))


@pytest.mark.parametrize("n", [3, 200, 1030, 2 * 4096 + 37])
@pytest.mark.parametrize("program", [name for name in PROGRAMS if name != "softmax"])
def test_programs(variant: accel.Device, program: str, n: int) -> None:
    check(variant, PROGRAMS[program](), 1, *rows_for(program, 5, n))


def test_long_rows_that_fill_the_device(variant: accel.Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks in one launch, by teams of work-items where there are work-groups."""
    monkeypatch.setattr(row, "FULL", 0)
    for n in (4097, 66 * 4096 + 37):
        check(variant, spread(), 1, *rows_for("spread", 2, n))


def test_infinities_and_nan(variant: accel.Device) -> None:
    x = numbers(3, 8, 70)
    x[0, 3], x[1, 69], x[2, 0], x[3] = np.inf, -np.inf, np.nan, -np.inf
    x[4], x[5, ::2] = 0, -0.0
    check(variant, softmax(), 1, x)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_softmax_of_dtypes(variant: accel.Device, dtype: str) -> None:
    check(variant, softmax(dtype), 1, numbers(4, 6, 130, dtype=dtype))


def test_layer_norm_of_bfloat16(variant: accel.Device) -> None:
    x, weight, *others = rows_for("layer_norm", 6, 300)
    dtype = TABLE["bfloat16"].numpy
    check(variant, layer_norm("bfloat16"), 1, x.astype(dtype), weight.astype(dtype), *others)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint64"])
def test_every_fold(variant: accel.Device, dtype: str) -> None:
    """Four folds of one pass, and one of a value that is the row's."""
    rng = np.random.default_rng(5)
    x = rng.integers(0, 1 << 62, (5, 4500)).astype(dtype)
    if "float" in dtype:
        x = 1 + numbers(5, 5, 4500, dtype=dtype) / 99
    if dtype == "int64":
        x[::2] = -x[::2]
    if "float" in dtype:
        x[0, ::3], x[0, 1::3], x[0, 2::3] = 0.0, -0.0, 1e-3
        x[1, 4400] = np.nan
        x[2] = -x[2]
    build = Build(each(dtype), once(dtype))
    folds = [build.fold(kind, 0) for kind in ("sum", "prod", "max", "min")]
    program = build.finish(*folds, build.fold("sum", 1))
    check(variant, program, 1, x, np.arange(5).astype(dtype))
    for n in (9, 75, 130):
        check(variant, program, 1, x[:, 4480 - n : 4480].repeat(5, 0), np.arange(25).astype(dtype))


def test_layouts(variant: accel.Device) -> None:
    """Rows over several axes, transposed, reversed and stepped; neighbouring rows whose elements are far apart; outputs
    in another order."""
    x = numbers(6, 4, 30, 5, 40)
    check(variant, spread(), 2, x[:, ::2, ::-1])
    check(variant, spread(), 2, x.transpose(3, 0, 2, 1))
    check(variant, spread(), 1, x[0, :, 0, ::3].T)
    other = [np.empty((40, 5, 30, 4), np.float32).transpose(3, 2, 1, 0), np.empty((), np.float32)]
    check(variant, spread(), 4, x, results=other)
    columns = numbers(7, 5000, 70)
    other = [np.empty((5000, 70), np.float32).T, np.empty(140, np.float32)[::-2]]
    check(variant, spread(), 1, columns.T, results=other)
    check(variant, spread(), 1, columns[:900].T)


def test_many_folds_of_columns(variant: accel.Device) -> None:
    """Fewer rows for each work-group, so that the lanes of all folds fit local memory."""
    build = Build(each("float64"))
    x = 0
    for _ in range(5):
        x = build.step("subtract", x, build.fold("sum", x), dtype="float64")
    check(variant, build.finish(x), 1, numbers(14, 70, 40, dtype="float64").T)


def test_several_outputs_with_strides(variant: accel.Device) -> None:
    x, *others = rows_for("layer_norm", 6, 300)
    results = [np.empty((300, 6), np.float32).T, np.empty(12, np.float32)[::2], np.empty((6, 300), np.float32)[:, ::-1]]
    check(variant, layer_norm(), 1, x, *others, results=results)


def test_three_folds_of_few_long_rows(variant: accel.Device) -> None:
    """More folds in sequence than blocks are shared out for, and no elements after the last."""
    build = Build(each())
    less = build.step("subtract", 0, build.fold("sum", 0))
    scaled = build.step("multiply", less, build.fold("sum", less))
    program = build.finish(build.fold("min", scaled))
    check(variant, program, 1, numbers(8, 2, 3 * BLOCK + 5))


def test_steps_without_a_fold(variant: accel.Device) -> None:
    build = Build(each(), once())
    program = build.finish(build.step("multiply", 0, 1), build.add(Index()), build.step("exp", 1))
    check(variant, program, 1, numbers(9, 7, 4200), numbers(10, 7))


def test_64_bit_offsets_of_rows(variant: accel.Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row.build, "index_types", lambda *values: {"INDEX": "long", "UINDEX": "ulong"})
    check(variant, spread(), 2, numbers(11, 3, 8, 9)[:, ::2])


def test_controls() -> None:
    """Sums in another order would be seen: the same rows with their elements reversed have other ones."""
    x = numbers(12, 3, 4097)
    forward = evaluate(Rows(softmax(), 1), x)
    backward = evaluate(Rows(softmax(), 1), x[:, ::-1])[:, ::-1]
    assert differing(forward, backward).any()
    assert not differing(forward, evaluate(Rows(softmax(), 1), x.copy())).any()


STEPS = (("add", 2), ("multiply", 2), ("subtract", 2), ("maximum", 2), ("abs", 1))


@st.composite
def programs(draw: st.DrawFn) -> RowProgram:
    """Random row programs over float32 inputs, of each element and of each row, that may use the index."""
    build = Build(each(), *draw(st.lists(st.sampled_from([each(), once()]), max_size=3)))
    values = list(range(len(build.inputs)))
    if draw(st.booleans()):
        values.append(build.step("cast", build.add(Index())))
    for _ in range(draw(st.integers(1, 14))):
        if draw(st.integers(0, 2)) == 0:
            kind = draw(st.sampled_from(("sum", "prod", "max", "min")))
            values.append(build.fold(kind, draw(st.sampled_from(values))))
        else:
            name, arity = draw(st.sampled_from(STEPS))
            values.append(build.step(name, *(draw(st.sampled_from(values)) for _ in range(arity))))
    outputs = draw(st.lists(st.sampled_from(values), min_size=1, max_size=4, unique=True))
    return build.finish(*outputs)


@pytest.mark.parametrize("seed", range(6))
def test_random_programs(variant: accel.Device, seed: int) -> None:
    """The same programs on every device, with rows of two classes each."""
    found: list[RowProgram] = []

    @settings(max_examples=1, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @hypothesis.seed(seed)
    @given(programs().filter(lambda program: len(program.steps) > 5))
    def draw(program: RowProgram) -> None:
        found.append(program)

    draw()
    program, rng = found[-1], np.random.default_rng(seed)
    for n in rng.choice((3, 60, 200, 1000, 3000, 9000), 2, replace=False):
        operands = [numbers(seed + i, 3, *([n] if its.each else [])) for i, its in enumerate(program.inputs)]
        check(variant, program, 1, *operands)


def kinds(device: accel.Device, program: RowProgram, rows: int, lengths: range) -> set[row.Kind]:
    """What is compiled for rows of these lengths."""
    found = set()
    for n in lengths:
        x = accel.empty((rows, n), dtype=accel.float32, device=device)
        found.add(row.kind(request(device, "row", Rows(program, 1), [x], [x]))[0])
    return found


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_few_kernels_serve_every_length(variant: accel.Device, rows: int) -> None:
    program = softmax()
    count = len({row.source(kind, True) for kind in kinds(variant, program, rows, range(1, 4097))})
    assert 1 <= count <= 12, count


def test_launches(variant: accel.Device) -> None:
    """One launch where rows are short or many, one for every pass where few rows are long."""
    for shape, program, launches in (
        ((1000, 1000), softmax(), 1),
        ((1, 1000), softmax(), 1),
        ((10_000, 5000), softmax(), 1),
        ((1, 1 << 20), softmax(), 3),
        ((2, 5000), logsumexp(), 3),
    ):
        its_kind, its_rows = _described(variant, program, shape)
        assert len(row.stages(its_kind, its_rows, variant.details["compute units"])) == launches


def _described(device: accel.Device, program: RowProgram, shape: tuple[int, ...]) -> tuple[row.Kind, row.Rows]:
    x = place(np.broadcast_to(np.float32(0), shape), device)
    like = accel.layout.layout(x.dtype, shape, None, device)
    out = like if program.values[program.outputs[0]].each else accel.layout.layout(x.dtype, shape[:-1], None, device)
    call = accel.backends.base.Call("row", (like,), (out,), Rows(program, 1), device, accel.config.current())
    return row.kind(call)


def test_what_cannot_be_served_is_refused(variant: accel.Device) -> None:
    """Too many operands, rows that are too long: with the reason, and nothing raised."""
    build = Build(*[each() for _ in range(70)])
    total = 0
    for v in range(1, 70):
        total = build.step("add", total, v)
    program = build.finish(total)
    x = place(numbers(13, 2, 3), variant)
    call = request(variant, "row", Rows(program, 1), [x] * 70, [blank(variant, numbers(13, 2, 3))])
    kernel = next(k for k in registry.kernels("opencl") if k.op == "row")
    assert "bytes of arguments" in kernel.supports(call)
    long = place(np.broadcast_to(np.float32(0), (1, (1 << 24) + 1)), variant)
    call = request(variant, "row", Rows(softmax(), 1), [long], [long])
    assert "at most 16777216" in kernel.supports(call)
