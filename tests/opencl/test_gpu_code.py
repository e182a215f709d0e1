"""What `make check` finds worse in code for GPUs than docs/gpu-code.json says."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
NAMES = ["kernel", "registers", "spills", "matrix", "per_fma"]
WAS = [["multiply", 128, 0, 16, 4.0], ["fold", 64, 8, 0, None]]


@pytest.fixture(scope="module")
def gpu_code() -> Any:
    """docs/gpu_code.py as a module."""
    spec = importlib.util.spec_from_file_location("gpu_code", DOCS / "gpu_code.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({(0, 1): 256, (0, 4): 4.2, (1, 2): 0, (1, 4): 7.0}, None),  # registers may change, 5 % more and less spilling
        ({(0, 2): 4}, "multiply spills 4, not 0"),
        ({(1, 2): 9}, "fold spills 9, not 8"),
        ({(0, 3): 15}, "multiply has 15 instructions of matrix units, not 16"),
        ({(0, 4): 4.21}, "multiply takes 4.21 instructions to one multiply-add, not 4.0"),
        ({(0, 4): None}, "multiply takes None instructions to one multiply-add, not 4.0"),
        ({(1, 0): "other"}, "the file has the kernels ['multiply', 'fold'], there are ['multiply', 'other']"),
    ],
    ids=str,
)
def test_what_is_worse(gpu_code: Any, change: dict[tuple[int, int], Any], said: str | None) -> None:
    now = [list(row) for row in WAS]
    for (row, column), value in change.items():
        now[row][column] = value
    assert list(gpu_code.worse(NAMES, WAS, now)) == ([] if said is None else [said])


def test_a_case_that_the_file_lacks(gpu_code: Any) -> None:
    assert list(gpu_code.worse(NAMES, None, WAS)) == ["the file has the kernels [], there are ['multiply', 'fold']"]


def test_every_compared_case_is_in_the_file(gpu_code: Any) -> None:
    known = json.loads((DOCS / "gpu-code.json").read_text(encoding="utf-8"))
    assert {f"{case} / {target}" for target, cases in gpu_code.FEW.items() for case in cases} <= known.keys()


def test_it_fails_and_says_how_to_mend(
    gpu_code: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One case each, of which dg2's has lost its matrix instructions; without ocloc that is said."""
    good, bad = ["multiply", 256, 0, 0, 8, 16, 128, 1, 1, 3.0], ["multiply", 256, 0, 0, 8, 0, 128, 1, 1, 3.0]
    monkeypatch.setattr(gpu_code, "FEW", {"dg2": ("product",)})
    names = json.loads((DOCS / "gpu-code.json").read_text(encoding="utf-8"))["figures of Intel"]
    monkeypatch.setattr(gpu_code, "published", lambda: {"figures of Intel": names, "product / dg2": [good]})
    monkeypatch.setattr(gpu_code.intel_code, "OCLOC", "ocloc")
    for now, faults in ((good, 0), (bad, 1)):
        monkeypatch.setattr(gpu_code, "of_intel", lambda case, target, now=now: [now])
        assert gpu_code.check() == faults
    said = capsys.readouterr().err
    assert "product / dg2: multiply has 0 instructions of matrix units, not 16" in said
    assert "python docs/gpu_code.py" in said
    monkeypatch.setattr(gpu_code.intel_code, "OCLOC", None)
    assert gpu_code.check() == 0
    assert "dg2: not compared: no ocloc" in capsys.readouterr().out
