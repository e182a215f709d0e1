"""Compiled programs: the store of binaries, compile errors, options."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import accel
from accel import cache_folder
from accel.backends import opencl_program
from accel.cache import Cache

SOURCE = """
#pragma OPENCL FP_CONTRACT OFF
__kernel void fill(__global float *out, const long at, const float value) {
  out[at + get_global_id(0)] = value * (NUMBER);
}
"""


def run(device: Any, source: str, value: float) -> list[float]:
    kernel = device.kernel("fill.cl", source, "fill")
    kernel.set_arg(2, np.float32(value))
    out = accel.empty(4, device=device)
    device.launch(kernel, (4,), (4,), (1,), False)([out])
    return np.asarray(out).tolist()


def test_binaries_are_stored_and_loaded(device: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second build is from the store, compiles no source, and a damaged or foreign entry is built again."""
    source = "#define NUMBER 3\n" + SOURCE
    built: list[str] = []
    original = cache_folder.keep

    def keep(folder: str, files: dict[str, bytes]) -> Path:
        built.extend(files)
        return original(folder, files)

    monkeypatch.setattr(cache_folder, "keep", keep)
    with accel.config(cache_dir=str(tmp_path)):
        for expected in (1, 1):
            monkeypatch.setattr(device, "_programs", Cache(8))
            assert run(device, source, 2) == [6.0] * 4
            assert len(built) == expected
        (entry,) = (tmp_path / "opencl").glob("*.bin")
        good = entry.read_bytes()
        for bad in (good[:-1], b"", good[:32] + b"nonsense"):
            entry.write_bytes(bad)
            monkeypatch.setattr(device, "_programs", Cache(8))
            assert run(device, source, 2) == [6.0] * 4
            assert opencl_program._whole(entry.read_bytes()) and len(entry.read_bytes()) > 40
        assert len(built) == 4
        assert [file.name for file in (tmp_path / "opencl").iterdir()] == [entry.name]


def test_a_folder_that_cannot_be_written_does_not_matter(device: Any, tmp_path: Path) -> None:
    (tmp_path / "opencl").write_text("a file where the folder would be", encoding="utf-8")
    with accel.config(cache_dir=str(tmp_path)), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert run(device, "#define NUMBER 5\n" + SOURCE, 2) == [10.0] * 4


def test_one_program_serves_many_kernels(device: Any) -> None:
    source = "#define NUMBER 7\n" + SOURCE
    first, second = (device.kernel("fill.cl", source, "fill") for _ in range(2))
    assert first is not second
    assert run(device, source, 1) == [7.0] * 4
    assert sum(key == opencl_program.digest(source, *device.options) for key in device._programs) == 1


def test_compile_errors_carry_log_and_source(device: Any, tmp_path: Path) -> None:
    source = "#define NUMBER nonsense_name\n" + SOURCE
    with accel.config(cache_dir=str(tmp_path)), pytest.raises(accel.CompileError) as caught:
        device.kernel("kernels/opencl/fill.cl", source, "fill")
    said = str(caught.value)
    assert "nonsense_name" in said
    assert "kernels/opencl/fill.cl" in said
    (kept,) = (tmp_path / "opencl").glob("failed-*.cl")
    assert str(kept) in said
    assert kept.read_text(encoding="utf-8") == source


def test_builds_are_silent(device: Any, tmp_path: Path) -> None:
    """A compiler that always writes a log is not worth a warning."""
    with accel.config(cache_dir=str(tmp_path)), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(device, "#define NUMBER 9\n" + SOURCE, 1) == [9.0] * 4


def test_options(device: Any) -> None:
    import pyopencl as cl

    rounded = bool(device.cl_device.single_fp_config & cl.device_fp_config.CORRECTLY_ROUNDED_DIVIDE_SQRT)
    assert device.correctly_rounded == rounded
    assert ("-cl-fp32-correctly-rounded-divide-sqrt" in device.options) == rounded
