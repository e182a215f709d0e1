"""accel._cpu.Butterfly: stages of Fourier transforms and products of complex numbers, against their programs in NumPy,
however numbers lie; and what is told from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_reference import same

from accel.ops.composed.butterfly import RADICES, Kind, butterfly, constants, factors_of, kind_of, turned
from accel.scalar import Program, ProgramBuilder, Step
from accel.scalar.evaluate import evaluate_all

KINDS = [Kind(radix, twiddled, scaled) for radix in RADICES for twiddled in (False, True) for scaled in (False, True)]
LYING = ("apart", "pairs", "across", "reversed", "every third")


def product(dtype: str) -> Program:
    """(a + bi)(c + di), with the inputs a, c, b, d."""
    build = ProgramBuilder(*[dtype] * 4)
    one, other = build.apply("multiply", 0, 1), build.apply("multiply", 2, 3)
    re = build.apply("subtract", one, other)
    im = build.apply("add", build.apply("multiply", 0, 3), build.apply("multiply", 2, 1))
    whole = build.finish(im, dtype)
    return Program(whole.inputs, whole.steps, dtype, (re, im))


def square(re: int, im: int, twice: bool = True) -> Program:
    """(a + bi)(a + bi) of the inputs a and b, or, not twice, something else of as many steps."""
    build = ProgramBuilder("float32", "float32")
    one, other = build.apply("multiply", re, re), build.apply("multiply", im, im)
    real = build.apply("subtract", one, other)
    imaginary = build.apply(
        "add", build.apply("multiply", 0, 1), build.apply("multiply", 1, 0) if twice else build.apply("multiply", 1, 1)
    )
    whole = build.finish(imaginary, "float32")
    return Program(whole.inputs, whole.steps, "float32", (real, imaginary))


def lying(how: str, count: int, rows: int, n: int, dtype: str) -> list[np.ndarray]:
    """Arrays (rows, n) of parts, two for each number, between which nothing may be written."""
    numbers = count // 2
    if how == "apart":
        return [np.zeros((rows, n), dtype) for _ in range(count)]
    if how == "pairs":
        room = np.zeros((numbers, rows, n, 2), dtype)
        return [room[k // 2, ..., k % 2] for k in range(count)]
    if how == "across":
        room = np.zeros((2, rows, n, numbers), dtype)
        return [room[k % 2, ..., k // 2] for k in range(count)]
    step = -1 if how == "reversed" else 3
    return [np.zeros((rows, 3 * n), dtype)[:, ::step][:, :n] for _ in range(count)]


def address(x: np.ndarray) -> int:
    return int(x.__array_interface__["data"][0])


def steps(x: np.ndarray) -> tuple[int, ...]:
    return tuple(s // x.itemsize for s in x.strides)


def check(cpu, isa, kind: Kind, dtype: str, rows: int, n: int, x_lie: str, turn_lie: str, y_lie: str, threads: int):
    rng = np.random.default_rng((kind.radix, rows, n))
    program = product(dtype) if kind.radix == 1 else butterfly(kind.radix, dtype, kind.twiddled, kind.scaled)
    x = lying(x_lie, 2 * kind.radix, rows, n, dtype)
    turns = lying(turn_lie, max(2 * kind.radix - 2, 2), rows, n, dtype) if kind.twiddled else []
    y = lying(y_lie, 2 * kind.radix, rows, n, dtype)
    for part in (*x, *turns):
        part[...] = rng.standard_normal((rows, n))
        part[0, 0] = rng.choice([-0.0, 0.0, np.inf, 1e-42])
    if turns and turn_lie == "apart" and rows > 1:  # one turn for each row, as later stages have it
        turns = [np.broadcast_to(t[:, :1], (rows, n)) for t in turns]
    rest = [np.array(v, dtype) for v in (*(constants(kind.radix) if kind.radix > 1 else ()), *[0.3] * kind.scaled)]
    kernel = cpu.Butterfly(isa, dtype, *kind)
    kernel.run(
        [address(a) for a in (*x, *turns, *rest)], [address(a) for a in y], (rows, n), steps(x[0]),
        steps(turns[0]) if turns else (0, 0), steps(y[0]), threads,
    )  # fmt: skip
    given = (x[0], turns[0], x[1], turns[1]) if kind.radix == 1 else (*x, *turns, *rest)
    with np.errstate(all="ignore"):
        want = evaluate_all(program, *(np.broadcast_to(a, (rows, n)) for a in given))
    for got, its in zip(y, want, strict=True):
        assert same(np.ascontiguousarray(got), its.reshape(rows, n))


@pytest.mark.parametrize("kind", [Kind(1, True, False), *KINDS], ids=lambda kind: "-".join(map(str, kind)))
def test_every_radix(cpu, isa, kind):
    """A vector and less, several with a rest, rows; each way that stages of transforms lie."""
    for dtype in ("float32", "float64"):
        for rows, n, x, turn, y in (
            (1, 1, "pairs", "pairs", "pairs"),
            (1, 37, "pairs", "apart", "across"),
            (5, 3, "apart", "apart", "apart"),
            (4, 64, "apart", "apart", "pairs"),
            (1, 41, "apart", "pairs", "apart"),
        ):
            check(cpu, isa, kind, dtype, rows, n, x, turn, y, 1)


@given(
    st.sampled_from([Kind(1, True, False), *KINDS]),
    st.sampled_from(["float32", "float64"]),
    st.integers(1, 5),
    st.integers(1, 70),
    *(st.sampled_from(LYING) for _ in range(3)),
)
@settings(max_examples=100)
def test_however_numbers_lie(cpu, kind, dtype, rows, n, x, turn, y):
    check(cpu, cpu.isas()[0], kind, dtype, rows, n, x, turn, y, 1)


@pytest.mark.parametrize(("rows", "n"), [(1, 60001), (700, 40), (3, 9000)])
def test_in_parts_and_threads(cpu, rows, n):
    for threads in (1, 3):
        check(cpu, cpu.isas()[0], Kind(4, True, True), "float32", rows, n, "apart", "apart", "across", threads)
        check(cpu, cpu.isas()[0], Kind(1, True, False), "float64", rows, n, "pairs", "pairs", "pairs", threads)


def test_what_is_told_from_a_program():
    for kind in KINDS:
        its = butterfly(*(kind.radix, "float64", kind.twiddled, kind.scaled))
        assert kind_of(its) == kind
        other = {"add": "subtract", "subtract": "add", "multiply": "divide"}
        for at in (0, len(its.steps) // 2):  # a control: another step is another program
            changed = list(its.steps)
            changed[at] = Step(other[its.steps[at].function], "float64", its.steps[at].args)
            assert kind_of(Program(its.inputs, tuple(changed), its.output, its.results)) is None
    assert factors_of(product("float32")) == (0, 2, 1, 3)
    assert factors_of(turned("float32", back=False)) is not None
    for re, im in ((0, 1), (1, 0)):
        assert factors_of(square(re, im)) == (re, im, re, im)
        assert factors_of(square(re, im, twice=False)) is None
    assert factors_of(turned("float32", back=True)) is None
    assert factors_of(turned("float32", back=False, scaled=True)) is None
    its = product("float32")
    assert factors_of(Program(its.inputs, its.steps, its.output, its.results[::-1])) is None


def test_arguments_that_do_not_fit(cpu):
    isa = cpu.isas()[0]
    for radix, dtype in ((6, "float32"), (0, "float32"), (2, "int32"), (2, "bfloat16")):
        with pytest.raises(ValueError, match="no butterfly of"):
            cpu.Butterfly(isa, dtype, radix, True, False)
    kernel = cpu.Butterfly(isa, "float32", 2, False, False)
    with pytest.raises(ValueError, match="x"):
        kernel.launch((3, 4), (1,), (0, 0), (4, 1), 1)
