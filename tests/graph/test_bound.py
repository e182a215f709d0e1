"""Bounds that follow from bodies: rules hold for arguments with errors, composed ops stay inside theirs, and what is
off is seen."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import accel
from accel.array import Array
from accel.conversion import from_numpy, on_host
from accel.dtypes import FLOAT32, FLOAT64, FLOATS
from accel.graph import interpret
from accel.graph.bound import Analysis
from accel.graph.bounded import Bounded
from accel.graph.propagation import RULES
from accel.ops import compose
from accel.ops.parameters import Product, Reduction
from accel.ops.spec import Inferred
from accel.registry import OPS
from accel.scalar import FUNCTIONS
from accel.scalar.scalar_function import DISCRETE

OF_FLOATS = [name for name, row in FUNCTIONS.items() if "float" in row.kinds]
MEASURED = [name for name in OF_FLOATS if FUNCTIONS[name].reference is not None]
LONG = {"fmod": 2400, "remainder": 2400, "floor_divide": 2400}
"""Bits that the exact floor of a quotient needs."""
RNG = np.random.default_rng(5)
COMPOSED = (
    "mean",
    "softmax",
    "log_softmax",
    "logsumexp",
    "softmin",
    "var",
    "std",
    "layer_norm",
    "rms_norm",
    "normalize",
)


def analysed(primitive: str, params, output, *operands: Bounded) -> Bounded:
    """The one result of a primitive."""
    (result,) = interpret.analysed(Analysis(), primitive, Inferred((output,), params), *operands)
    return result


def test_every_function_of_floats_has_a_rule_and_a_derivative_or_the_reason_for_none():
    assert [name for name in OF_FLOATS if name not in RULES] == []
    wanted = [name for name in OF_FLOATS if FUNCTIONS[name].result == "same"]
    assert [name for name in wanted if FUNCTIONS[name].derivative == DISCRETE] == []


def arguments(name: str, dtype: str, relative: float) -> list[Bounded]:
    """Numbers of several sizes, zeros and integers, with errors relative to them, some of which are zero."""
    found = []
    for _ in range(FUNCTIONS[name].arity):
        x = np.concatenate(
            [RNG.standard_normal(12), RNG.uniform(-9, 9, 8), RNG.integers(-4, 5, 8), [0.0, 1e-30, 88, -100]]
        )
        if name in ("log", "log2", "log10", "sqrt", "rsqrt", "pow"):
            x = np.abs(x)
        error = np.abs(x) * relative * RNG.uniform(0, 1, x.size) * (RNG.uniform(0, 1, x.size) < 0.8)
        found.append(Bounded(x.astype(dtype), error))
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MEASURED)
def test_functions(name, dtype):
    """The exact function of numbers that the arguments may be, at the ends and inside, for small and large errors."""
    tightest = max(_judged(name, dtype, arguments(name, dtype, relative)) for relative in (2.0**-20, 0.3))
    print(f"largest error / bound: {tightest:.3g}")
    assert tightest > 0.05 or not any(FUNCTIONS[name].ulp)


@pytest.mark.parametrize(
    "name", ["divide", "multiply", "reciprocal", "rsqrt", "sqrt", "cbrt", "hypot", "square", "log"]
)
def test_functions_of_sizes_near_the_ends_of_the_range(name):
    """Where a product of an error and a slope may be too small for a number, and what it is a part of is not."""
    for relative in (2.0**-53, 2.0**-40):
        values = [10 ** RNG.uniform(-323, 308, 3000) for _ in range(FUNCTIONS[name].arity)]
        _judged(name, "float64", [Bounded(x, x * relative) for x in values])


def _judged(name: str, dtype: str, x: list[Bounded]) -> float:
    """The largest error over its bound."""
    tightest = 0.0
    result = Analysis().step(name, dtype, *x)
    for _ in range(2):
        aside = [i.error * RNG.choice([-1.0, 1.0, 0.5, 0.0], i.error.size) for i in x]
        for at in range(result.value.size):
            with mpmath.workprec(LONG.get(name, 160)):
                exact = [mpmath.mpf(float(i.value[at])) + mpmath.mpf(a[at]) for i, a in zip(x, aside, strict=True)]
                try:
                    want = mpmath.mpf(FUNCTIONS[name].reference(mpmath.mp, *exact))
                except (ZeroDivisionError, ValueError, TypeError):
                    continue
                if not mpmath.isfinite(want) or not np.isfinite(result.error[at]):
                    continue
                off = abs(want - mpmath.mpf(float(result.value[at])))
                assert off <= result.error[at], f"{name} of {exact}, as {[i.value[at] for i in x]}: {off}"
                if result.error[at]:
                    tightest = max(tightest, float(off / mpmath.mpf(float(result.error[at]))))
    return tightest


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min"])
def test_folds(kind, dtype):
    for n in (1, 5, 64, 300, 5000):
        wide = RNG.standard_normal((3, n)) if kind != "prod" else RNG.uniform(0.99, 1.01, (3, n))
        x = Bounded(wide.astype(dtype.numpy), np.abs(wide) * 2.0**-12 * (RNG.uniform(size=(3, n)) < 0.5))
        result = analysed("reduce", Reduction(kind, (1,)), ((3,), dtype), x)
        assert np.isfinite(result.error).all()
        for step in (-1.0, 1.0):
            exact = x.value.astype(np.longdouble) + step * x.error
            off = np.abs(getattr(exact, kind)(-1) - result.value.astype(np.longdouble))
            assert (off <= result.error).all()


def test_sums_of_integers_have_no_error():
    x = Bounded.exact(RNG.integers(-99, 99, (4, 1000)).astype(np.float32))
    assert not analysed("reduce", Reduction("sum", (0, 1)), ((), FLOAT32), x).error.any()


def test_nothing_is_promised_of_a_zero_beside_a_product_that_overflows():
    """0 * inf is NaN, in an order that depends on where the zero stands."""
    for x, known in (([0.0, 2.0, 3.0], True), ([0.0, 1e30, 1e30], False)):
        rows = Bounded.exact(np.array([x], np.float32))
        error = Analysis().fold("prod", rows).error
        assert (error == 0).all() if known else np.isinf(error).all()


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_products(dtype):
    a, b = RNG.standard_normal((4, 300)).astype(dtype.numpy), RNG.standard_normal((300, 5)).astype(dtype.numpy)
    errors = [np.abs(x.astype(np.float64)) * 2.0**-10 for x in (a, b)]
    result = analysed("matmul", Product(), ((4, 5), dtype), Bounded(a, errors[0]), Bounded(b, errors[1]))
    for signs in ((1, 1), (-1, 1), (-1, -1)):
        moved = [x.astype(np.longdouble) + s * e for x, s, e in zip((a, b), signs, errors, strict=True)]
        assert (np.abs(moved[0] @ moved[1] - result.value.astype(np.longdouble)) <= result.error).all()


@pytest.mark.parametrize(
    ("dtype", "numerics", "least"),
    [
        ("float16", "reproducible", 0.0),
        ("float16", "default", 0.8),
        ("bfloat16", "default", 0.8),
        ("float32", "fast", 0.8),
    ],
)
def test_products_of_kernels_that_promise_a_bound(dtype, numerics, least):
    """Whatever is inside a product's own bound is inside after a step that follows, and at its end not far from it:
    matrix units may be off to the one side where the canonical order is to the other."""
    a, b = (RNG.standard_normal(shape).astype(dtype) for shape in ((8, 300), (300, 8)))
    exact = a.astype(np.float64) @ b.astype(np.float64)
    with accel.config(numerics=numerics):
        own = OPS["matmul"].bound(exact, a, b, dtype="float32")
        result = analysed("matmul", Product(), ((8, 8), FLOAT32), *map(Bounded.exact, (a, b)))
        scaled = Analysis().step("multiply", "float32", result, Bounded.exact(np.full((8, 8), 0.75, np.float32)))
    ratio = 0.0
    for sign in (-1, 1):
        member = (exact + sign * own).astype(np.float32)
        off = np.abs(member * np.float32(0.75) - 0.75 * exact)
        ratio = max(ratio, float((off / scaled.error).max()))
    assert least < ratio <= 1.001, "a thousandth for the member's own rounding"


def test_linear_has_the_bound_of_its_product():
    """Not twice that, in any mode, and none around what it does not compute."""
    x, weight = (RNG.standard_normal(shape).astype(np.float16) for shape in ((4, 300), (5, 300)))
    exact = OPS["linear"].reference(x, weight, dtype="float32")
    for numerics in ("default", "reproducible"):
        with accel.config(numerics=numerics):
            mine, product = (
                OPS["linear"].bound(exact, x, weight, dtype="float32"),
                OPS["matmul"].bound(exact, x, weight.T, dtype="float32"),
            )
        assert (mine >= product * 0.999).all()
        assert (mine <= product * 1.05).all()


def test_either_branch_of_an_undecided_choice():
    """x > 0 for x within its error of 0: the bound covers both branches, and the choice is counted."""
    analysis = Analysis()
    x = Bounded(np.array([1e-3, 1.0], np.float32), np.array([1e-2, 1e-2]))
    zero, one, far = (Bounded.exact(np.full(2, v, np.float32)) for v in (0.0, 1.0, 100.0))
    condition = analysis.step("greater", "float32", x, zero)
    assert (condition.error > 0).tolist() == [True, False]
    assert (analysis.undecided, analysis.decided) == (1, 1)
    chosen = analysis.step("where", "float32", condition, one, far)
    assert chosen.error[0] == pytest.approx(99)
    assert chosen.error[1] == 0
    assert (analysis.step("logical_not", "bool", condition).error > 0).tolist() == [True, False]
    floor = analysis.step("floor", "float32", x)
    assert floor.error == pytest.approx([1, 1])
    exact = analysis.step("equal", "float32", zero, zero)
    assert not exact.error.any(), "equal numbers without errors are equal"


def test_infinities_that_are_exact():
    """A masked row: exp(-inf - m) is exactly 0; and an overflow leaves nothing known."""
    x = np.array([[1.0, -np.inf, 2.0], [3e38, -3e38, 1.0]], np.float32)
    result, _ = interpret.analyse(OPS["softmax"].function, x, axis=1)
    assert result.value[0, 1] == 0
    assert np.isfinite(result.error[0]).all()
    twice = Analysis().step("add", "float32", *[Bounded.exact(np.array([3e38, 1.0], np.float32))] * 2)
    assert twice.error.tolist() == [np.inf, 0]


def test_a_constant_is_rounded_once():
    x = np.ones(3, np.float32)
    third, _ = interpret.analyse(lambda x: x * (1 / 3), x)
    half, _ = interpret.analyse(lambda x: x * 0.5, x)
    assert abs(float(third.value[0]) - 1 / 3) <= third.error[0] < 2.0**-25
    assert not half.error.any()


# composed ops


def rows(dtype, n: int) -> np.ndarray:
    return RNG.standard_normal((4, n)).astype(dtype.numpy)


def keywords(op: str, x: np.ndarray) -> dict:
    """Along the last axis."""
    return {"normalized_shape": x.shape[1:]} if op in ("layer_norm", "rms_norm") else {"axis": 1}


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("op", COMPOSED)
def test_composed(op, dtype):
    """Inside the bound at every length; near enough to it in short rows; nothing without a bound, nothing undecided."""
    spec = OPS[op]
    for n in (3, 17, 64, 700) if dtype is not FLOAT32 else (3, 17, 64, 700, 5000):
        x = rows(dtype, n)
        exact = spec.reference(x, **keywords(op, x))
        result, analysis = interpret.analyse(spec.function, x, **keywords(op, x))
        bound = interpret.around(result, exact)
        assert np.isfinite(bound).all()
        assert analysis.undecided <= 0.01 * (analysis.undecided + analysis.decided)
        off = np.abs(result.value.astype(exact.dtype) - exact).astype(np.float64)
        assert (off <= bound).all()
        ratio = float((off / bound).max())
        print(f"{op} {dtype} rows of {n}: largest error / bound {ratio:.3g}")
        assert ratio > 0.03 or n > 64


def tame(x: object) -> bool:
    """Whether an operand is of ordinary size, so that nothing overflows or is lost."""
    if not isinstance(x, np.ndarray) or x.dtype.kind in "biu" or not x.size:
        return True
    size = np.abs(x.astype(np.float64))
    return bool(((size == 0) | (size > 1e-6)).all() and (size < 1e6).all())


DERIVED = [
    name
    for name, spec in OPS.items()
    if getattr(getattr(spec.bound, "__wrapped__", None), "func", None) is compose.bound_of and FLOAT32 in spec.dtypes
]
assert "softmax" in DERIVED


@pytest.mark.parametrize("op", DERIVED)
def test_few_elements_are_left_without_a_bound(op):
    """Of an op's own examples of ordinary size, at most one in a hundred; nor are more decisions left open."""
    spec = OPS[op]
    samples = spec.samples(FLOAT32)
    first, elements, unbounded, open_, decisions = len(samples.edges), 0, 0, 0, 0
    numbers = [i for i, edge in enumerate(samples.edges) if edge.size < 1200]
    for number in [*numbers, *range(first, first + 300)]:
        if number >= first + 12 and elements:
            break
        sample = samples.example(number)
        if not all(map(tame, (*sample.operands, *sample.keywords.values()))):
            continue
        exact = spec.reference(*sample.operands, **sample.keywords)
        results, analysis = interpret.analyse(spec.function, *sample.operands, **sample.keywords)
        several = isinstance(results, tuple)
        bounds = interpret.around(results, exact)
        for x, want, bound in zip(*((v if several else (v,)) for v in (results, exact, bounds)), strict=True):
            judged = np.isfinite(np.asarray(want, np.float64))
            off = np.abs(x.value.astype(np.float64) - want).astype(np.float64)
            assert (off <= bound)[judged].all()
            elements, unbounded = elements + int(judged.sum()), unbounded + int((judged & ~np.isfinite(bound)).sum())
        open_, decisions = open_ + analysis.undecided, decisions + analysis.undecided + analysis.decided
    print(f"{op}: {unbounded} of {elements} elements without a bound, {open_} of {decisions} decisions open")
    assert elements
    assert unbounded <= 0.01 * elements
    assert open_ <= (0.02 if op == "interp" else 0.01) * decisions  # its values may be on the abscissae


class Off(interpret.Judge):
    """The canonical answers, except that one call of a primitive gives a result that is off by 16 times what that call
    adds to errors. how: upwards in all elements, outwards in all, or in the one whose result is largest."""

    def __init__(self, which: int, how: str) -> None:
        self.which, self.how, self.calls, self.moved = which, how, 0, False

    def run(self, primitive, inferred, inputs) -> tuple[Array, ...]:
        self.calls += 1
        if self.calls - 1 != self.which:
            return super().run(primitive, inferred, inputs)
        (result,) = interpret.analysed(Analysis(), primitive, inferred, *(Bounded.exact(on_host(x)) for x in inputs))
        ((shape, dtype),) = inferred.outputs
        value, own = (np.broadcast_to(x, shape).astype(np.float64) for x in (result.value, result.error))
        own = np.where(np.isfinite(own), own, 0)
        if self.how == "one":
            own = np.where(np.abs(value) == np.abs(value).max(), own, 0)
        elif self.how == "outwards":
            own = np.where(value < 0, -own, own)
        self.moved = dtype.kind == "f" and bool(own.any())
        return (from_numpy((value + 16 * own).astype(dtype.numpy), inputs[0].device),)


@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
@pytest.mark.parametrize("op", COMPOSED)
def test_a_member_that_is_off_is_seen(op, dtype):
    """Each call in the body that rounds, in rows of up to 64 elements; but to first order a variance does not depend on
    the mean that is subtracted."""
    spec, unseen = OPS[op], (0, 1) if op in ("var", "std") else ()
    for n in (5, 64):
        x = np.random.default_rng(n).standard_normal((3, n)).astype(dtype.numpy)
        exact = spec.reference(x, **keywords(op, x))
        bound = interpret.bound(spec.function, exact, x, **keywords(op, x))
        which = seen = 0
        while True:
            judges = [Off(which, how) for how in ("upwards", "outwards", "one")]
            wrong = [np.abs(interpret.judged(j, spec.function, x, **keywords(op, x)) - exact) > bound for j in judges]
            if judges[0].calls <= which:
                break
            assert not judges[0].moved or any(w.any() for w in wrong) or which in unseen, (
                f"call {which} of {op}, rows of {n}"
            )
            seen += judges[0].moved
            which += 1
        assert seen


def test_a_result_that_is_off_is_a_disagreement():
    """The kit's comparison uses the bound."""
    from dataclasses import replace

    from accel.testing import compare

    spec, x = OPS["rms_norm"], rows(FLOAT32, 33)
    compare.check(spec, accel.device("cpu"), (x,), {"normalized_shape": (33,)})
    bound = spec.bound(spec.reference(x, (33,)), x, (33,))
    off = replace(spec, reference=lambda *a, **k: spec.reference(*a, **k) + 16 * bound)
    with pytest.raises(compare.Disagreement, match="exceeds the bound"):
        compare.check(off, accel.device("cpu"), (x,), {"normalized_shape": (33,)})
