"""Programs: checks, the builder, composition, promotion, and evaluation of storage dtypes."""

from __future__ import annotations

import itertools
import pickle

import ml_dtypes
import numpy as np
import pytest
from scalar_samples import differences, random

from accel.scalar import FUNCTIONS, Program, ProgramBuilder, Step, compose, count_fma, program_for
from accel.scalar.evaluate import evaluate
from accel.scalar.expr import FLOATS, INTEGERS
from accel.scalar.program import promote


def test_program_for_casts_around_the_compute_dtype() -> None:
    program = program_for("exp", ("bfloat16",))
    assert program.steps == (
        Step("cast", "float32", (0,)),
        Step("exp", "float32", (1,)),
        Step("cast", "bfloat16", (2,)),
    )
    assert program_for("add", ("int8", "float16")).output == "float16"
    assert program_for("add", ("float16", "bfloat16")).output == "float32"
    assert program_for("less", ("int8", "uint8")) == Program(
        ("int8", "uint8"),
        (Step("cast", "int16", (0,)), Step("cast", "int16", (1,)), Step("less", "int16", (2, 3))),
        "bool",
    )
    assert program_for("where", ("bool", "float16", "float16")).output == "float16"
    assert program_for("exp", ("float32",), "float64").output == "float64"
    assert program_for("logical_and", ("int32", "float32")).output == "bool"
    assert hash(program_for("exp", ("float32",))) == hash(pickle.loads(pickle.dumps(program_for("exp", ("float32",)))))


def test_bad_programs_raise() -> None:
    for build in (
        lambda: program_for("sqrt", ("int32",)),
        lambda: program_for("add", ("bool", "bool")),
        lambda: program_for("add", ("float32",)),
        lambda: program_for("sine", ("float32",)),
        lambda: program_for("add", ("int64", "uint64")),
        lambda: program_for("cast", ("float32",)),
        lambda: Program(("float32",), (Step("exp", "float64", (0,)),), "float64"),
        lambda: Program(("float32",), (Step("exp", "float32", (1,)),), "float32"),
        lambda: Program(("float32",), (Step("exp", "float32", (0,)),), "float64"),
        lambda: Program(("float8",), (), "float8"),
        lambda: Program(("float32",), (Step("cast", "complex64", (0,)),), "complex64"),
    ):
        with pytest.raises(TypeError):
            build()


def test_promotion_is_that_of_the_standard() -> None:
    """NumPy promotes as the standard does within a kind, and for bool; Accel's own rules hold across kinds."""
    for a, b in itertools.product(("bool", *INTEGERS), repeat=2):
        if {a, b} & {"uint64"} and any(d.startswith("int") for d in (a, b)):
            with pytest.raises(TypeError):
                promote(a, b)
        else:
            assert promote(a, b) == promote(b, a) == np.promote_types(a, b).name
    for a, b in itertools.product(("float16", *FLOATS), repeat=2):
        assert promote(a, b) == np.promote_types(a, b).name
    assert promote("int64", "float16") == "float16" and promote("bool", "bfloat16") == "bfloat16"
    assert promote("int8", "uint8", "bfloat16", "float16") == "float32"


def test_builder_makes_an_epilogue() -> None:
    build = ProgramBuilder("float32", "bfloat16")
    acc, bias = build.inputs
    program = build.finish(build.apply("gelu", build.apply("add", acc, bias)), "bfloat16")
    assert program.inputs == ("float32", "bfloat16") and program.output == "bfloat16"
    x, b = random("float32", 500), random("bfloat16", 500)
    with np.errstate(all="ignore"):
        total = x + b.astype(np.float32)
    expected = evaluate(program_for("gelu", ("float32",), "bfloat16"), total)
    assert not differences(evaluate(program, x, b), expected, x, b)
    add = program_for("add", ("float32", "bfloat16"), "float32")
    composed = compose(program_for("gelu", ("float32",), "bfloat16"), add)
    assert not differences(evaluate(composed, x, b), expected, x, b)
    assert count_fma(composed) == count_fma(program) > 10


def test_compose_takes_the_inner_inputs_in_order() -> None:
    product = program_for("multiply", ("int32", "int32"))
    program = compose(program_for("subtract", ("int64", "int64")), product, product)
    assert program.inputs == ("int32",) * 4 and program.output == "int64"
    assert evaluate(program, *(np.array([v], np.int32) for v in (5, 7, 2, 3))).tolist() == [29]


def test_a_result_that_is_an_earlier_value_is_returned() -> None:
    build = ProgramBuilder("float32", "float32")
    build.apply("exp", 1)
    program = build.finish(0)
    assert evaluate(program, np.float32([3]), np.float32([4])).tolist() == [3]
    assert ProgramBuilder("float32").finish(0) == Program(("float32",), (), "float32")


def test_shared_steps_are_computed_once() -> None:
    build = ProgramBuilder("float32")
    program = build.finish(build.apply("multiply", build.apply("exp", 0), build.apply("exp", 0)))
    assert len(program.steps) == 2


def test_evaluate_broadcasts_and_checks_dtypes() -> None:
    program = program_for("add", ("float32", "float32"))
    a, b = np.ones((3, 1), np.float32), np.arange(4, dtype=np.float32)
    assert evaluate(program, a, b).shape == (3, 4)
    assert evaluate(program, np.float32(1), np.float32(2)).shape == ()
    assert evaluate(program, np.ones((0, 4), np.float32), b).shape == (0, 4)
    assert evaluate(program_for("exp", ("bfloat16",)), np.ones(2, ml_dtypes.bfloat16)).dtype == ml_dtypes.bfloat16
    assert evaluate(program_for("exp", ("float32",)), np.ones((300, 300), np.float32).T[::2]).shape == (150, 300)
    for arrays in ((a.astype(np.float64), b), (a,)):
        with pytest.raises(TypeError):
            evaluate(program, *arrays)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_a_program_for_every_dtype(name: str) -> None:
    row = FUNCTIONS[name]
    for dtype in row.dtypes:
        program = program_for(name, row.argument_dtypes(dtype))
        assert program.output == row.result_dtype(dtype)
        assert program.expression().dtype == program.output
