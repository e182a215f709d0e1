"""The expression type: interning, exact constants, dtype checks, and the self-containedness of the package."""

from __future__ import annotations

import subprocess
import sys

import pytest

from accel.scalar import FUNCTIONS, table
from accel.scalar.expr import Expr, arg, bitcast, const, eq, fma, idiv, number, schedule, select, sqrt


def test_equal_nodes_are_one_node() -> None:
    x = arg(0, "float32")
    assert x + 1.0 is x + const(1.0, "float32")
    assert x + 1.0 is not x + 2.0
    assert const(0.0, "float32") is not const(-0.0, "float32")
    assert bitcast(bitcast(x, "uint32"), "float32") is x


def test_schedule_lists_each_node_once_and_operands_first() -> None:
    x = arg(0, "float32")
    square = x * x
    order = schedule(fma(square, square, x))
    assert [n.op for n in order] == ["arg", "mul", "fma"]
    deep = x
    for _ in range(5000):  # deeper than Python's recursion limit
        deep = deep + x
    assert len(schedule(deep)) == 5001


def test_constants_are_exact() -> None:
    assert number(const(0.1, "float64")) == 0.1
    for value, dtype in (
        (0.1, "float32"),
        (1e39, "float32"),
        (256, "uint8"),
        (-1, "uint32"),
        (1.5, "int32"),
        (2, "bool"),
    ):
        with pytest.raises(ValueError, match="is not a"):
            const(value, dtype)


def test_dtypes_are_checked() -> None:
    f, d, i, b = arg(0, "float32"), arg(1, "float64"), arg(2, "int32"), arg(3, "bool")
    bad = (
        lambda: f + d,
        lambda: f & f,
        lambda: i / i,
        lambda: sqrt(i),
        lambda: idiv(i, i),
        lambda: select(f, f, f),
        lambda: bitcast(f, "uint64"),
        lambda: b + b,
        lambda: Expr("arg", "float16", (), 0),
    )
    for build in bad:
        with pytest.raises(TypeError):
            build()


def test_immutable() -> None:
    with pytest.raises(AttributeError):
        arg(0, "float32").dtype = "float64"
    assert eq(arg(0, "float32"), 1.0).dtype == "bool"


def test_rows_state_everything() -> None:
    for name, row in FUNCTIONS.items():
        assert row.name == name and row.doc.endswith(".") and row.source and row.range and row.kinds
        assert row.result in ("same", "bool")
        if "float" in row.kinds and row.ulp != (0.0, 0.0):
            assert row.reference is not None and (row.special or name in ("square",))
    text = table()
    assert all(f"| `{name}` |" in text for name in FUNCTIONS) and "| exact |" in text


def test_the_package_needs_the_standard_library_only() -> None:
    """setup.py runs it where NumPy may be missing: evaluate is not imported, and nothing else of accel."""
    program = (
        "import sys, types; package = types.ModuleType('accel')\n"
        "import importlib.util; spec = importlib.util.find_spec('accel')\n"
        "package.__path__ = list(spec.submodule_search_locations); sys.modules['accel'] = package\n"
        "sys.modules['numpy'] = None\n"
        "from accel.scalar import cpp; assert 'accel_exp_float32' in cpp.header()\n"
        "print([m for m in sys.modules if m.startswith('accel.') and not m.startswith('accel.scalar')])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0 and done.stdout.strip() == "[]", done.stderr + done.stdout
