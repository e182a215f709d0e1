"""Version 1 of the bit contract has not moved: the stored digests of results, recomputed on every device."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import accel

sys.path.insert(0, str(Path(__file__).parent))

import results_v1

SUBSETS = {
    "intel": (1 << 20, ("float32", "bfloat16", "int8"), tuple(results_v1.OPS)),
    "pocl": (300, ("float32",), tuple(results_v1.OPS)),
    "interpreter": (300, ("float32", "bfloat16"), tuple(results_v1.OPS)),
    "emulated-sm_80": (300, ("float32",), ("softmax", "sum", "matmul")),
    "emulated-sm_90": (300, ("float32",), ("softmax", "sum", "matmul")),
}
"""Of a device that is slow to run or compiles long: the elements of the largest case, dtypes and ops. --deep: all, but
no larger ones."""

EVERY = tuple(case for op in results_v1.OPS for case in results_v1.cases(op))


def chosen(target: str, deep: bool) -> list[results_v1.Case]:
    size, dtypes, ops = SUBSETS.get(target, (1 << 20, (), ()))
    whole = deep or target not in SUBSETS
    return [case for case in EVERY if case.size <= size and (whole or (case.dtype in dtypes and case.op in ops))]


def test_results(request, target):
    with target.in_force() as device:
        cases = chosen(target.name, request.config.getoption("--deep"))
        assert cases
        changed = results_v1.changed(cases, device)
    assert not changed, f"{len(changed)} of {len(cases)} results differ from version 1: {changed[:5]}"


def test_every_case_is_stored_once():
    stored = {(op, dtype, name) for op, by in results_v1.stored().items() for dtype, its in by.items() for name in its}
    assert [key for key in ((case.op, case.dtype, case.name) for case in EVERY) if key not in stored] == []
    assert len(stored) == len(EVERY)


def flipped(case: results_v1.Case, device: accel.Device) -> np.ndarray:
    """The result with the lowest bit changed of its last element that is not NaN; 0 as the last where all are."""
    result = case.compute(device).copy()
    flat = result.reshape(-1)
    numbers = np.flatnonzero(flat == flat)
    if numbers.size:
        flat.view(f"u{flat.itemsize}")[numbers[-1]] ^= 1
    else:
        flat[-1] = 0
    return result


@pytest.mark.parametrize("op", results_v1.OPS)
def test_one_bit_is_seen(op):
    """In every case, so that no case holds for any result."""
    cases, cpu = results_v1.cases(op), accel.device("cpu")
    assert len(results_v1.changed(cases, cpu, compute=flipped)) == len(cases)


def test_what_a_digest_tells_apart():
    """Signs of zeros, shapes and dtypes; but not NaNs, nor where elements lie in memory."""
    digest = results_v1.digest
    x = np.array([[1.0, np.nan], [0.0, 2.0]], np.float32)
    other_nan = x.copy()
    other_nan.view(np.uint32)[0, 1] = 0xFFC12345
    assert digest(other_nan) == digest(x) == digest(np.asfortranarray(x))
    negative_zero = np.array([[1.0, np.nan], [-0.0, 2.0]], np.float32)
    without_nan = np.array([[1.0, np.inf], [0.0, 2.0]], np.float32)
    others = (negative_zero, without_nan, x.T, x.reshape(-1), x.astype(np.float64), other_nan.view(np.int32))
    assert len({digest(x), *map(digest, others)}) == 1 + len(others)


def test_an_entry_is_never_overwritten(monkeypatch, tmp_path):
    kept = results_v1.DATA.read_text(encoding="utf-8")
    page = tmp_path / "results.json"
    page.write_text(kept, encoding="utf-8")
    monkeypatch.setattr(results_v1, "DATA", page)
    results_v1.write("another commit")
    assert page.read_text(encoding="utf-8") == kept, "nothing was missing"
    compute = results_v1.Case.compute
    monkeypatch.setattr(results_v1.Case, "compute", lambda case, device: -compute(case, device))
    monkeypatch.setattr(results_v1, "OPS", {"mean": results_v1.OPS["mean"]})
    with pytest.raises(SystemExit, match=r"is not the \w+ of version 1"):
        results_v1.write("another commit")
    assert page.read_text(encoding="utf-8") == kept
