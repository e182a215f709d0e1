"""Which table a kernel's tiles come from, and that no file can do harm."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuned_calls import asked, forget

import accel
from accel import registry, tuning


def another(kernel, call):
    """A choice that is not the computed one."""
    return kernel.tunable.choices(call)[-1]


def row_of(kernel, call, choice):
    """A row that says so of a call."""
    default = kernel.tunable.default(call)
    return tuning.Row(kernel.name, tuning.source(kernel), *kernel.tunable.shape(call), default, choice, done=True)


def test_exact_then_class_then_computed(folder, intel):
    kernel, call = asked(intel, 64, 64, 100)
    _, like = asked(intel, 60, 50, 128)
    _, other = asked(intel, 60, 50, 129)
    assert kernel.name == "opencl.matmul"
    assert tuning.found(kernel, call) == (kernel.tunable.default(call), "computed")
    choice = another(kernel, call)
    tuning.keep(intel.identity(), [row_of(kernel, call, choice)])
    assert tuning.found(kernel, call)[1] == "computed", "a table is read once"
    forget()
    assert tuning.found(kernel, call) == (choice, "measured on this device, these shapes")
    assert tuning.found(kernel, like) == (choice, "measured on this device, shapes like these: 1x64x64x100")
    assert tuning.found(kernel, other)[1] == "computed"
    with accel.config(tune="off"):
        _, off = asked(intel, 64, 64, 100)
        assert tuning.found(kernel, off) == (kernel.tunable.default(call), "computed; config(tune)=off")


@pytest.mark.parametrize(
    ("dtype", "turned", "batch"), [(np.int32, False, 0), (np.float32, True, 0), (np.float32, False, 2)]
)
def test_other_calls_have_rows_of_their_own(folder, intel, dtype, turned, batch):
    kernel, call = asked(intel, 64, 64, 64)
    tuning.keep(intel.identity(), [row_of(kernel, call, another(kernel, call))])
    _, other = asked(intel, 64, 64, 64, dtype, batch, turned)
    assert tuning.found(kernel, other)[1] == "computed"


def test_explain_tells_where_tiles_come_from(folder, intel):
    x = accel.asarray(np.ones((8, 8), np.float32), device=intel)
    kernel, call = asked(intel, 8, 8, 8)
    packed, rows, vectors = kernel.tunable.default(call)  # by the width of the CPU's registers
    assert f"packed={packed} rows={rows} vectors={vectors}: computed" in str(accel.explain("matmul", x, x))
    tuning.keep(intel.identity(), [row_of(kernel, call, (1, 2, 1))])
    forget()
    assert "packed=1 rows=2 vectors=1: measured on this device, these shapes" in str(accel.explain("matmul", x, x))
    assert "packed=1 rows=2" not in str(accel.explain("linear", x, x)), "its second operand lies the other way"


def test_a_tuned_call_runs_by_its_choice(folder, intel):
    """The launches are those of the choice, with the same bits."""
    rng = np.random.default_rng(3)
    a, b = (accel.asarray(rng.standard_normal((64, 64)).astype(np.float32), device=intel) for _ in range(2))
    before = np.asarray(accel.matmul(a, b))
    kernel, call = asked(intel, 64, 64, 64)
    assert kernel.tunable.default(call)[0] == 0
    tuning.keep(intel.identity(), [row_of(kernel, call, (1, 4, 2))])
    forget()
    assert len(kernel.prepare(call).launches) == 3, "both operands are packed"
    np.testing.assert_array_equal(np.asarray(accel.matmul(a, b)), before)


def test_what_a_kernel_does_not_list_is_not_used(folder, intel):
    """Tiles that would not fit, or that another version listed."""
    kernel, call = asked(intel, 64, 64, 64)
    for wrong in ((1, 4000, 2), (0, 0, 0), (), (1, 2, 3, 4, 5)):
        tuning.keep(intel.identity(), [row_of(kernel, call, wrong)])
        forget()
        assert tuning.found(kernel, call)[1] == "computed", wrong


def test_rows_of_another_source_are_not_used(folder, intel):
    kernel, call = asked(intel, 64, 64, 64)
    row = row_of(kernel, call, another(kernel, call))
    tuning.keep(intel.identity(), [replace(row, source="0" * 16)])
    forget()
    assert tuning.found(kernel, call)[1] == "computed"


def test_a_row_without_anything_faster_keeps_what_is_computed(folder, intel):
    """Of a call of its class whose computed choice is another one, too; and a row that is not done says nothing."""
    kernel, call = asked(intel, 64, 64, 250)
    _, like = asked(intel, 33, 64, 250)
    _, few = asked(intel, 5, 5, 5)
    computed = kernel.tunable.default(call)
    row = row_of(kernel, call, computed)
    tuning.keep(intel.identity(), [row, replace(row_of(kernel, few, another(kernel, few)), done=False)])
    forget()
    words = "computed; no other was faster as measured on this device, "
    assert tuning.found(kernel, call) == (computed, f"{words}these shapes")
    assert tuning.found(kernel, like) == (kernel.tunable.default(like), f"{words}shapes like these: 1x64x64x250")
    assert tuning.found(kernel, few) == (kernel.tunable.default(few), "computed")


@pytest.fixture
def package(intel, tmp_path, monkeypatch) -> Path:
    """Where the tables lie that ship with OpenCL's kernels, in the test."""
    import accel.kernels.opencl

    registry.kernels("opencl")  # found by the path, once in a process
    monkeypatch.setattr(accel.kernels.opencl, "__path__", [str(tmp_path / "kernels")])
    (tmp_path / "kernels" / "tuned").mkdir(parents=True)
    return tmp_path / "kernels" / "tuned"


def test_shipped_tables(folder, intel, package):
    """They are asked behind the user's own, whatever source they were measured with. What is not faster is left out of
    one that is made."""
    kernel, call = asked(intel, 64, 64, 64)
    shipped, own = kernel.tunable.choices(call)[-1], kernel.tunable.choices(call)[-2]
    row = replace(row_of(kernel, call, shipped), source="0" * 16)
    same = row_of(*asked(intel, 9, 9, 9), kernel.tunable.default(asked(intel, 9, 9, 9)[1]))
    data = tuning.exported(intel.architecture, intel.identity(), [row, same])
    assert tuning.rows_of(data, None) == [row]
    (package / f"{intel.architecture}.json").write_bytes(data)
    forget()
    assert tuning.found(kernel, call) == (shipped, f"shipped for {intel.architecture}, these shapes")
    assert tuning.found(kernel, asked(intel, 60, 60, 60)[1])[0] == shipped
    tuning.keep(intel.identity(), [row_of(kernel, call, own)])
    forget()
    assert tuning.found(kernel, call) == (own, "measured on this device, these shapes")


def test_a_broken_shipped_table_is_ignored_with_one_warning(folder, intel, package):
    kernel, call = asked(intel, 64, 64, 64)
    (package / f"{intel.architecture}.json").write_bytes(b"{")
    forget()
    with pytest.warns(RuntimeWarning, match=f"the shipped tuning results {intel.architecture}.json are not used"):
        assert tuning.found(kernel, call)[1] == "computed"


def assert_shippable(file: Path) -> None:
    rows = tuning.rows_of(file.read_bytes(), None)
    assert rows and len({row.shape for row in rows}) == len(rows)
    assert all(row.done and row.choice != row.default for row in rows)
    assert json.loads(file.read_bytes())["architecture"] == file.stem


def test_the_shipped_files_are_good(tmp_path):
    """All that lie beside kernels; the control: one under another architecture's name."""
    import accel.kernels

    for file in Path(accel.kernels.__path__[0]).glob("*/tuned/*.json"):
        assert_shippable(file)
    row = tuning.Row("kernel", "source", "words", (1,), (1,), (2,), done=True)
    for name in ("sm_1", "sm_2"):
        (tmp_path / f"{name}.json").write_bytes(tuning.exported("sm_1", ("device",), [row]))
    assert_shippable(tmp_path / "sm_1.json")
    with pytest.raises(AssertionError):
        assert_shippable(tmp_path / "sm_2.json")


FOREIGN = {
    "empty": b"",
    "cut off": b'{"schema": "accel-tuned/1", "rows": [{"kern',
    "binary": bytes(range(256)),
    "a list": b"[]",
    "another schema": json.dumps({"schema": "accel-tuned/0", "rows": []}).encode(),
}


def damaged(identity, **changes):
    """A table with something else in it."""
    good = {"schema": tuning.SCHEMA, "bit_contract": 1, "identity": list(identity), "rows": []}
    return json.dumps(good | changes).encode()


@pytest.mark.parametrize("what", [*FOREIGN, "identity", "bit contract", "rows", "a row"])
def test_a_broken_or_foreign_file_is_ignored_with_one_warning(folder, intel, what):
    kernel, call = asked(intel, 64, 64, 64)
    row = row_of(kernel, call, another(kernel, call)).to_json()
    data = (
        FOREIGN[what]
        if what in FOREIGN
        else {
            "identity": damaged(("another driver",), rows=[row]),
            "bit contract": damaged(intel.identity(), bit_contract=99, rows=[row]),
            "rows": damaged(intel.identity(), rows={"kernel": 1}),
            "a row": damaged(intel.identity(), rows=[row, row | {"choice": "fast"}]),
        }[what]
    )
    (folder / "tuned").mkdir(parents=True)
    (folder / "tuned" / tuning.file_name(intel.identity())).write_bytes(data)
    forget()
    with pytest.warns(RuntimeWarning, match="tuning results in the cache folder are not used"):
        assert tuning.found(kernel, call)[1] == "computed"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tuning.found(kernel, call)[1] == "computed"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuning.keep(intel.identity(), [tuning.Row.from_json(row)])
    forget()
    assert tuning.found(kernel, call)[1] != "computed", "it is written again"


def test_rows_of_several_runs_stay(folder, intel):
    kernel, call = asked(intel, 64, 64, 64)
    _, other = asked(intel, 8, 8, 8)
    tuning.keep(intel.identity(), [row_of(kernel, call, (1, 4, 2))])
    tuning.keep(intel.identity(), [row_of(kernel, other, (1, 2, 1))])
    tuning.keep(intel.identity(), [row_of(kernel, call, (1, 2, 2))])
    assert [row.choice for row in tuning.of_the_user(intel.identity())] == [(1, 2, 2), (1, 2, 1)]


def test_without_a_folder_a_table_goes_to_a_temporary_one(tmp_path):
    """Nothing fails for want of the cache folder; in a process of its own, as the temporary folder is the process's."""
    (tmp_path / "file").touch()
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from accel import tuning\n"
        "row = tuning.Row('k', 's', 'w', (1,), (1,), (2,))\n"
        "tuning.keep(('a device',), [row])\n"
        "assert tuning.of_the_user(('a device',)) == [row]\n"
    )
    environment = ["env", f"ACCEL_CACHE_DIR={tmp_path / 'file' / 'below'}"]
    subprocess.run([*environment, sys.executable, "-c", code], check=True, timeout=120)


numbers = st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=6).map(tuple)


@given(
    st.text(), numbers, numbers, numbers, st.dictionaries(numbers, st.floats(0, 1e9)),
    st.dictionaries(numbers, st.text()), st.none() | st.floats(0, 1e9), st.booleans(),
)  # fmt: skip
def test_rows_as_json(words, lengths, default, choice, ratios, failed, seconds, done):
    row = tuning.Row("kernel", "source", words, lengths, default, choice, ratios, failed, seconds, done)
    assert tuning.Row.from_json(json.loads(json.dumps(row.to_json()))) == row
    data = tuning.exported("architecture", ("device",), [row])
    assert tuning.rows_of(data, None) == ([] if choice == default else [row])


@given(st.lists(st.integers(0, 1 << 20), max_size=5))
def test_classes(lengths):
    """Rounding up is idempotent, and no length is off by more than a factor of two."""
    found = tuning.class_of(lengths)
    assert tuning.class_of(found) == found
    assert all(n <= c < max(1, 2 * n) or n == c == 0 for n, c in zip(lengths, found, strict=True))
