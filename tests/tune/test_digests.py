"""A row that was measured holds for a kernel's code: its digest covers every file that this is made of."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tuned_calls import asked, forget

import accel.kernels
from accel import registry, tuning

KERNELS = Path(accel.kernels.__path__[0])


def tuned(backend: str):
    reason = registry.unavailable(backend)
    if reason is not None:
        pytest.skip(reason)
    return [kernel for kernel in registry.kernels(backend) if kernel.tunable is not None]


LOADED = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps([m.__file__ for name, m in sys.modules.items() if name.startswith("accel.kernels.")]))
"""


@pytest.mark.parametrize("backend", ["opencl", "triton"])
def test_every_module_that_a_kernel_loads_is_covered(backend: str) -> None:
    kernels = tuned(backend)
    assert kernels
    for kernel in kernels:
        covered = {str(file) for file in tuning.source_files(kernel)}
        child = [sys.executable, "-c", LOADED, kernel.prepare.__module__]
        loaded = {str(Path(f).resolve()) for f in json.loads(subprocess.check_output(child, encoding="utf-8"))}
        missing = {Path(f).relative_to(KERNELS.resolve()).as_posix() for f in loaded - covered}
        assert missing <= {f"{backend}/__init__.py"}, "but for the package's own, which has nothing"
        assert (KERNELS / kernel.source).resolve() in tuning.source_files(kernel)


def test_every_file_that_opencl_reads_is_covered(intel, folder, monkeypatch) -> None:
    """Of tiles that are packed, direct and in stripes."""
    import accel.kernels.opencl.build as build
    from accel.kernels.opencl import matmul_tiles

    monkeypatch.setattr(matmul_tiles, "STRIPE_VECTOR", 16)  # whatever the width of the CPU's registers
    read: set[str] = set()
    monkeypatch.setattr(build, "text", lambda stem, own=build.text: (read.add(stem), own(stem))[1])
    for m, n, k in ((64, 64, 64), (8, 512, 512), (300, 300, 300)):
        kernel, call = asked(intel, m, n, k)
        for choice in kernel.tunable.choices(call)[:2]:
            kernel.tunable.prepare(call, choice)
    covered = {file.stem for file in tuning.source_files(kernel) if file.suffix == ".cl"}
    assert {"matmul", "matmul_few", "matmul_loops"} <= read <= covered
    assert "sort" not in covered, "control: not every file is"


@pytest.fixture
def copied(intel, tmp_path: Path, monkeypatch) -> Iterator[Path]:
    """OpenCL's kernels as a package of their own, whose files may change."""
    shutil.copytree(KERNELS / "opencl", tmp_path / "copied_kernels", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "copied_kernels"
    for name in [name for name in sys.modules if name.partition(".")[0] == "copied_kernels"]:
        del sys.modules[name]


def test_each_of_them_counts(copied: Path) -> None:
    (kernel,) = importlib.import_module("copied_kernels.matmul").KERNELS
    digest = tuning.source.__wrapped__
    first = digest(kernel)
    for name in ("matmul_few.cl", "matmul_tiles.py", "matmul.py", "matmul.cl", "build.py"):
        own = (copied / name).read_bytes()
        (copied / name).write_bytes(own + b"\n")
        assert digest(kernel) != first, name
        (copied / name).write_bytes(own)
        assert digest(kernel) == first
    for name in ("sort.cl", "sort.py", "gather.py"):  # the control
        (copied / name).write_bytes((copied / name).read_bytes() + b"\n")
        assert digest(kernel) == first, name


def test_a_row_ends_with_a_file_that_its_kernel_only_names(copied: Path, folder, intel, monkeypatch) -> None:
    _, call = asked(intel, 64, 64, 100)
    (kernel,) = importlib.import_module("copied_kernels.matmul").KERNELS
    kernel = replace(kernel)
    default, choice = kernel.tunable.default(call), kernel.tunable.choices(call)[-1]
    row = tuning.Row(kernel.name, tuning.source(kernel), *kernel.tunable.shape(call), default, choice, done=True)
    tuning.keep(intel.identity(), [row])
    forget()
    assert tuning.found(kernel, call)[0] == choice
    (copied / "matmul_few.cl").write_text("// another one\n", encoding="utf-8")
    assert tuning.found(replace(kernel), call) == (choice, "measured on this device, these shapes"), "read once"
    tuning.source.cache_clear()
    assert tuning.found(kernel, call) == (default, "computed")
