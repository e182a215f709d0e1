"""accel._cpu.Pointwise about the sizes and layouts at which it changes its way: whole vectors and their rests, rows and
blocks of them, repeated elements, squares transposed in registers, stores around the caches."""

from __future__ import annotations

import numpy as np
import pytest
from native_reference import DTYPES, numpy_dtype, random, run_pointwise, same

SIZES = (0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 1023, 1024, 1025, 65535, 65536, 65537)
GUARD = 77
LARGE = (32 << 20) // 4  # elements of float32 past which, with the inputs, results are stored around the caches


HALVES = ("float16", "bfloat16")


def steps_of(name, dtypes):
    """One function of numbers of the last dtype; of a 16-bit float in float32, as accel's programs have it."""
    count = len(dtypes)
    if dtypes[-1] not in HALVES:
        return [(name, dtypes[-1], list(range(count)))]
    widened = [("cast", "float32", [k]) for k in range(count)]
    return [*widened, (name, "float32", list(range(count, 2 * count))), ("cast", dtypes[-1], [2 * count])]


def program(cpu, isa, name, dtypes, output):
    return cpu.Pointwise(isa, list(dtypes), steps_of(name, dtypes), output)


def inside(shape: tuple[int, ...], dtype: str, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """An array, and a part of it of the given shape that begins `shift` elements after a line of 64 bytes."""
    size = int(np.prod(shape))
    whole = np.full(size + 256, GUARD).astype(numpy_dtype(dtype))
    begin = -whole.ctypes.data % 64 // whole.itemsize + 64 + shift
    return whole, whole[begin : begin + size].reshape(shape)


def untouched(whole: np.ndarray, part: np.ndarray) -> bool:
    begin = (part.ctypes.data - whole.ctypes.data) // whole.itemsize if part.size else 0
    outside = np.concatenate([whole[:begin], whole[begin + part.size :]])
    return bool((outside == np.array(GUARD).astype(whole.dtype)).all())


CASES = (
    ("add", ("float32", "float32"), "float32", np.add),
    ("multiply", ("float64", "float64"), "float64", np.multiply),
    ("subtract", ("int64", "int64"), "int64", np.subtract),
    ("add", ("int8", "int8"), "int8", np.add),
    ("less", ("float32", "float32"), "bool", np.less),
    ("greater_equal", ("float64", "float64"), "bool", np.greater_equal),
    ("equal", ("uint32", "uint32"), "bool", np.equal),
    ("where", ("bool", "float32", "float32"), "float32", np.where),
    ("where", ("bool", "int64", "int64"), "int64", np.where),
    ("add", ("float16", "float16"), "float16", np.add),
    ("multiply", ("bfloat16", "bfloat16"), "bfloat16", np.multiply),
)
IDS = [f"{name}-{dtypes[-1]}" for name, dtypes, _, _ in CASES]


def data(dtypes, shape, seed=0):
    rng = np.random.default_rng(seed)
    return [random(rng, dtype, shape) for dtype in dtypes]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_sizes_and_alignments(cpu, isa, case):
    name, dtypes, output, reference = case
    run = program(cpu, isa, name, dtypes, output)
    for n in SIZES:
        inputs = data(dtypes, (n,), n)
        for shift in (0, 1, 13):
            whole, out = inside((n,), output, shift)
            got = run_pointwise(run, out, inputs)
            assert same(got, reference(*inputs).astype(out.dtype)), (n, shift)
            assert untouched(whole, out), (n, shift)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_operands_of_one_element(cpu, isa, case):
    """Each operand in turn is one element beside whole ones, and each alone beside elements."""
    name, dtypes, output, reference = case
    run = program(cpu, isa, name, dtypes, output)
    count = len(dtypes)
    for n in SIZES:
        for mask in range(1, 1 << count):
            whole, out = inside((n,), output, mask)
            inputs = data(dtypes, (max(n, 1),), n)
            inputs = [np.broadcast_to(x[-1], (n,)) if mask >> k & 1 else x[:n] for k, x in enumerate(inputs)]
            got = run_pointwise(run, out, inputs)
            assert same(got, reference(*inputs).astype(out.dtype)), (n, mask)
            assert untouched(whole, out), (n, mask)


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize("inner", [1, 3, 64, 79, 80, 81, 257, 1030, 66000])
def test_repeated_elements_and_rows(cpu, isa, case, inner):
    """Each operand in turn is a scalar, a row, a column, or a row for every third dimension."""
    name, dtypes, output, reference = case
    outer = max(2, min(40, 9000 // inner))
    shape = (3, outer, inner)
    run = program(cpu, isa, name, dtypes, output)
    for k in range(len(dtypes)):
        for form in ((1, 1, 1), (1, 1, inner), (1, outer, 1), (3, 1, inner), (3, outer, 1)):
            inputs = data(dtypes, shape)
            inputs[k] = data(dtypes, form, 5)[k]
            stretched = [np.broadcast_to(x, shape) for x in inputs]
            whole, out = inside(shape, output, 3)
            got = run_pointwise(run, out, stretched)
            assert same(got, reference(*stretched).astype(out.dtype)), (k, form)
            assert untouched(whole, out)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 5), (4, 4), (15, 33), (17, 16), (64, 31), (200, 300), (257, 1025)])
def test_crossing_dimensions(cpu, isa, dtype, shape):
    """Transposed, reversed and skipping operands and outputs, copied and added."""
    copy = cpu.Pointwise(isa, [dtype], [], dtype)
    total = program(cpu, isa, "add", (dtype, dtype), dtype)
    rows, columns = shape
    (x,) = data((dtype,), (2 * max(shape), 2 * max(shape)))
    views = {
        "transposed": x.T[:rows, :columns],
        "reversed": x[rows - 1 :: -1, columns - 1 :: -1] if rows > 1 else x[:1, columns - 1 :: -1],
        "skipping": x[: 2 * rows : 2, : 2 * columns : 2],
        "transposed and skipping": x.T[:rows, : 2 * columns : 2],
    }
    plain = np.ascontiguousarray(x[:rows, :columns])
    for kind, view in views.items():
        want = np.ascontiguousarray(view)
        assert same(run_pointwise(copy, np.empty(shape, x.dtype), [view]), want), kind
        assert same(run_pointwise(total, np.empty(shape, x.dtype), [view, plain]), want + plain), kind
        base = np.full_like(x, GUARD)
        out = {"transposed": base.T, "skipping": base[::2, ::2]}.get(kind, base)[:rows, :columns]
        assert same(run_pointwise(copy, out, [plain]), plain), kind
        assert (base == np.array(GUARD, x.dtype)).sum() >= base.size - plain.size


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_copies_of_rows(cpu, isa, dtype):
    """Backwards, every second one, overlapping ones and repeated ones, of rows that are gathered and longer ones, into
    rows that follow each other and every second element, beside which nothing is written."""
    copy = cpu.Pointwise(isa, [dtype], [], dtype)
    for rows, n in ((1, 300), (5, 7), (40, 31), (40, 300), (3, 1030), (70, 1024)):
        x = random(np.random.default_rng(0), dtype, (2 * rows + 1, 2 * n + rows))
        size = x.itemsize
        windows = np.lib.stride_tricks.as_strided(x.ravel(), (rows, n), (size, size))
        sources = (x[:rows, n - 1 :: -1][:, :n], x[rows - 1 :: -1][:, :n], x[: 2 * rows : 2, : 2 * n : 2], windows,
                   x[:rows, -1 : -2 * n - 1 : -2], x[:1, :n].repeat(rows, 0), x[:rows, :1].repeat(n, 1))  # fmt: skip
        for source in sources:
            for step in (1, 2):
                whole, target = inside((rows, n * step), dtype, 3)
                run_pointwise(copy, target[:, ::step], [source], 2)
                assert same(np.ascontiguousarray(target[:, ::step]), np.ascontiguousarray(source)), (rows, n, step)
                assert untouched(whole, target) and (step == 1 or (target[:, 1::2] == GUARD).all())


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_large_results(cpu, isa, case):
    """What is stored around the caches, from any alignment and by any number of threads, is what small calls give."""
    name, dtypes, output, reference = case
    n = LARGE // np.dtype(numpy_dtype(dtypes[-1])).itemsize * 2 + 4099
    run = program(cpu, isa, name, dtypes, output)
    inputs = data(dtypes, (n,))
    want = reference(*inputs).astype(numpy_dtype(output))
    for shift, threads in ((0, 1), (5, 2)):
        whole, out = inside((n,), output, shift)
        assert same(run_pointwise(run, out, inputs, threads), want)
        assert untouched(whole, out)
    if dtypes[-1] == output:  # in place
        target = inputs[-1].copy()
        assert same(run_pointwise(run, target, [*inputs[:-1], target]), want)


def test_a_large_copy_and_a_large_program(cpu, isa):
    n = LARGE + 1001
    (x,) = data(("float32",), (n,))
    for shift in (0, 3):
        whole, out = inside((n,), "float32", shift)
        assert same(run_pointwise(cpu.Pointwise(isa, ["float32"], [], "float32"), out, [x]), x)
        assert untouched(whole, out)
        steps = [("negative", "float32", [0]), ("multiply", "float32", [1, 0]), ("less", "float32", [2, 0])]
        whole, out = inside((n,), "bool", shift)
        got = run_pointwise(cpu.Pointwise(isa, ["float32"], steps, "bool"), out, [x])
        assert same(got, -x * x < x) and untouched(whole, out)


def spec_of(scalar, name, dtypes):
    steps = tuple(scalar.Step(function, dtype, tuple(args)) for function, dtype, args in steps_of(name, dtypes))
    return scalar.Program(tuple(dtypes), steps, dtypes[-1])


@pytest.mark.parametrize("half", HALVES)
def test_functions_of_16_bit_floats(cpu, scalar, evaluate, isa, half):
    """Functions of one number at every one, of two at many pairs; the short ones are one kernel where vectors are."""
    every = np.arange(1 << 16, dtype=np.uint16).view(numpy_dtype(half))
    rng = np.random.default_rng(1)
    once = 0
    for row in scalar.FUNCTIONS.values():
        if "float32" not in row.dtypes or set(row.argument_dtypes("float32")) != {"float32"}:
            continue
        if row.expression("float32").dtype != "float32" or row.arity > 2:
            continue
        dtypes = (half,) * row.arity
        run = program(cpu, isa, row.name, dtypes, half)
        inputs = [every, *(rng.permutation(every) for _ in range(row.arity - 1))]
        if isa == "baseline":
            inputs = [x[::16] for x in inputs]  # its fma is software
        got = run_pointwise(run, np.empty(inputs[0].shape, every.dtype), inputs)
        assert same(got, evaluate(spec_of(scalar, row.name, dtypes), *inputs)), row.name
        once += run.passes == 1
        assert 1 <= run.passes <= row.arity + 2
    assert (once > 20) == (isa in ("avx2", "avx512"))


@pytest.mark.parametrize("half", HALVES)
def test_programs_that_are_no_function_of_16_bit_floats(cpu, scalar, evaluate, isa, half):
    """Arguments of another dtype, results that are used once more, other dtypes of the result."""
    other = HALVES[1 - HALVES.index(half)]
    wide = ("cast", "float32", [0])
    cases = {
        "an argument is float32": ((half, "float32"), [wide, ("add", "float32", [2, 1]), ("cast", half, [3])], half),
        "of two dtypes": ((half, other), [wide, ("cast", "float32", [1]), ("add", "float32", [2, 3]),
                                          ("cast", half, [4])], half),
        "rounded to the other": ((half,), [wide, ("negative", "float32", [1]), ("cast", other, [2])], other),
        "used again": ((half,), [wide, ("exp", "float32", [1]), ("cast", half, [2]), ("cast", "float32", [3]),
                                 ("subtract", "float32", [2, 4]), ("cast", half, [5])], half),
        "a widened value twice": ((half,), [wide, ("multiply", "float32", [1, 1]), ("cast", half, [2])], half),
        "two in a row": ((half,), [wide, ("sqrt", "float32", [1]), ("cast", half, [2]), ("cast", "float32", [3]),
                                   ("negative", "float32", [4]), ("cast", half, [5])], half),
        "no cast before": (("float32",), [("negative", "float32", [0]), ("cast", half, [1])], half),
    }  # fmt: skip
    for what, (dtypes, steps, output) in cases.items():
        inputs = data(dtypes, (1500,), 3)
        run = cpu.Pointwise(isa, list(dtypes), steps, output)
        spec = scalar.Program(dtypes, tuple(scalar.Step(f, d, tuple(a)) for f, d, a in steps), output)
        with np.errstate(all="ignore"):
            want = evaluate(spec, *inputs)
        assert same(run_pointwise(run, np.empty(1500, numpy_dtype(output)), inputs), want), what


COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
ARITHMETIC = ("add", "subtract", "multiply")


def two_steps(first, second, dtype):
    """(a first b) second c, or a choice between c and d by a comparison of a with b."""
    if second == "where":
        return (dtype,) * 4, [(first, dtype, [0, 1]), ("where", dtype, [4, 2, 3])]
    if second in ("square", "exp"):
        return (dtype,) * 2, [(first, dtype, [0, 1]), (second, dtype, [2])]
    return (dtype,) * 3, [(first, dtype, [0, 1]), (second, dtype, [3, 2])]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_steps_in_a_pass(cpu, scalar, evaluate, isa, dtype):
    """What the kernels have in one, on rare numbers, with one element for each operand in turn, and in place."""
    cases = [(first, "where") for first in COMPARISONS]
    cases += [(first, second) for first in ARITHMETIC for second in ARITHMETIC]
    cases += [("subtract", "square"), ("subtract", "exp")]
    rare = np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 2.5], dtype)
    rng = np.random.default_rng(2)
    for first, second in cases:
        dtypes, steps = two_steps(first, second, dtype)
        run = cpu.Pointwise(isa, list(dtypes), steps, dtype)
        assert run.passes == 1, (first, second)
        spec = scalar.Program(dtypes, tuple(scalar.Step(f, d, tuple(a)) for f, d, a in steps), dtype)
        for single in range(-1, len(dtypes)):
            inputs = [rng.choice(rare, 1500) for _ in dtypes]
            inputs = [np.broadcast_to(x[:1], x.shape) if k == single else x for k, x in enumerate(inputs)]
            with np.errstate(all="ignore"):
                want = evaluate(spec, *inputs)
            assert same(run_pointwise(run, np.empty(1500, dtype), inputs), want), (first, second, single)
            if single != 0:
                target = inputs[0].copy()
                assert same(run_pointwise(run, target, [target, *inputs[1:]]), want), (first, second, "in place")


def test_steps_that_are_not_made_one(cpu, scalar, evaluate, isa):
    """A comparison of another dtype than is chosen from, or whose result is needed twice; the control: needed once."""
    three, four = ["float32"] * 3, ["float64", "float64", "float32", "float32"]
    cases = {
        "once": (three, [("less", "float32", [0, 1]), ("where", "float32", [3, 1, 2])], 1),
        "of float64": (four, [("less", "float64", [0, 1]), ("where", "float32", [4, 2, 3])], 2),
        "twice": (three, [("less", "float32", [0, 1]), ("where", "float32", [3, 1, 2]),
                          ("where", "float32", [3, 2, 4])], 3),
        "a sum twice": (three, [("add", "float32", [0, 1]), ("multiply", "float32", [3, 2]),
                                ("subtract", "float32", [4, 3])], 2),
    }  # fmt: skip
    for what, (dtypes, steps, passes) in cases.items():
        inputs = data(dtypes, (1500,), 4)
        run = cpu.Pointwise(isa, dtypes, steps, "float32")
        assert run.passes == passes, what
        spec = scalar.Program(tuple(dtypes), tuple(scalar.Step(f, d, tuple(a)) for f, d, a in steps), "float32")
        assert same(run_pointwise(run, np.empty(1500, np.float32), inputs), evaluate(spec, *inputs)), what


RARE = {
    "log": ([0, -0.0, -1, np.inf, np.nan, 1e-310], 1),
    "log2": ([0, -1, np.inf, np.nan, 1e-310], 1),
    "log10": ([0, -1, np.inf, np.nan, 1e-310], 1),
    "log1p": ([-1, -2, np.inf, np.nan, 0, -0.0, 1e30], 1),
    "expm1": ([0, -0.0, np.inf, -np.inf, np.nan], 1),
    "tanh": ([0, -0.0, np.inf, -np.inf, np.nan], 1),
    "pow": ([0, -0.0, -1, -2, np.inf, -np.inf, np.nan, 1e-310], 2),
    "remainder": ([0, np.inf, np.nan, 1e-310, 1e300, 1e30], 2),
}


@pytest.mark.parametrize("name", RARE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rare_arguments_change_no_other_lane(cpu, scalar, evaluate, isa, name, dtype):
    """One special argument, in every lane and alone; a vector without one leaves out the work for it."""
    values, arity = RARE[name]
    with np.errstate(over="ignore"):
        special = np.array(values).astype(dtype)
    rng = np.random.default_rng(3)
    usual = np.abs(random(rng, dtype, (arity, 40))) + np.array(0.5, dtype)
    run = program(cpu, isa, name, (dtype,) * arity, dtype)
    spec = scalar.Program((dtype,) * arity, (scalar.Step(name, dtype, tuple(range(arity))),), dtype)
    batch = [usual]
    for value in special:
        for k in range(arity):
            for lane in range(33):
                batch.append(usual.copy())
                batch[-1][k, lane] = value
    for arguments in batch:
        assert same(run_pointwise(run, np.empty(40, dtype), list(arguments)), evaluate(spec, *arguments))


@pytest.mark.parametrize("source", ["float16", "bfloat16", "float32", "float64"])
def test_casts_of_every_magnitude(cpu, scalar, evaluate, isa, source):
    """Every 16-bit float; and of wider ones those about the numbers and midpoints of narrower dtypes."""
    every = np.arange(1 << 16, dtype=np.uint16)
    if source in ("float16", "bfloat16"):
        x = every.view(numpy_dtype(source))
    else:
        with np.errstate(all="ignore"):
            halves = [every.view(numpy_dtype(h)).astype(source) for h in ("float16", "bfloat16")]
            near = np.concatenate([*halves, *((h[1:] + h[:-1]) / 2 for h in halves)])
            whole = (2.0 ** np.arange(65))[:, None] + np.array([-1.5, -1, -0.5, 0, 0.5, 1])
            near = np.concatenate([near, whole.ravel().astype(source), -whole.ravel().astype(source)])
            x = np.concatenate([near, np.nextafter(near, np.inf), np.nextafter(near, -np.inf)])
    for target in DTYPES:
        if target == source:
            continue
        spec = scalar.Program((source,), (scalar.Step("cast", target, (0,)),), target)
        run = cpu.Pointwise(isa, [source], [("cast", target, [0])], target)
        if (source, target) not in EXPECTED:
            EXPECTED[source, target] = evaluate(spec, x)
        got = run_pointwise(run, np.empty(x.shape, numpy_dtype(target)), [x])
        assert same(got, EXPECTED[source, target]), target


EXPECTED: dict[tuple[str, str], np.ndarray] = {}
"""Evaluated once for all instruction sets."""
