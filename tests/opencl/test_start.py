"""Starting where folders are missing, closed or broken: every platform is there and computes, as in a good place."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from permissions import obeyed

from accel.backends import opencl_icd, opencl_program

pytest.importorskip("pyopencl")

CODE = """
import os, sys, warnings
breakage = sys.argv[1]
if breakage == "deleted":
    os.mkdir("deleted")
    os.chdir("deleted")
    os.rmdir(os.path.abspath("."))
elif breakage == "nowhere":
    import tempfile
    tempfile.tempdir = os.path.abspath("file")
elif breakage == "closed":
    try:
        os.mkdir(os.path.expanduser("~/probe"))
        sys.exit("the home folder can be written: nothing is tested here")
    except PermissionError:
        pass
import numpy as np
import accel
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    devices = [*accel.registry.backend("opencl").devices()]
    for name in sys.argv[2:]:
        devices.append(accel.device(name))
    x = np.linspace(-2, 2, 16, dtype="f4").reshape(4, 4)
    for device in devices:
        y = np.asarray(accel.exp(accel.asarray(x, device=device)))
        platform = getattr(device, "cl_device", None) and device.cl_device.platform.name
        print(platform or device, y.tobytes().hex())
print(len([w for w in said if "ACCEL_CACHE_DIR" in str(w.message)]))
"""


def run(where: Path, breakage: str, *devices: str, **variables: str) -> tuple[list[str], int]:
    """Platforms with their results, and how many warnings of the cache folder there were."""
    dropped = ("OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH", "XDG_CACHE_HOME", "POCL_CACHE_DIR", "TRITON_CACHE_DIR",
               "TRITON_HOME", "ACCEL_CACHE_DIR")  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    done = subprocess.run(
        [sys.executable, "-P", "-c", CODE, breakage, *devices],
        cwd=where,
        env={**kept, "HOME": str(where / "home"), **variables},
        preexec_fn=obeyed,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    *found, warned = done.stdout.splitlines()
    return sorted(found), int(warned)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, backend: object) -> tuple[Path, list[str]]:
    """A home folder after a first run, and what that found."""
    where = tmp_path_factory.mktemp("good")
    (where / "home").mkdir()
    found, warned = run(where, "none", "triton:emulated-sm_80") if _triton() else run(where, "none")
    assert warned == 0
    assert len({line.split()[-1] for line in found}) == 1, "the same bits on all"
    assert len(found) >= 2 + _triton() or not opencl_icd.wheel_runtimes()
    return where, found


def _triton() -> bool:
    from accel import registry

    return registry.unavailable("triton") is None


def a_file_for_a_home(where: Path) -> str:
    (where / "home").write_text("not a folder", encoding="utf-8")
    return "none"


def a_closed_home(where: Path) -> str:
    (where / "home").mkdir(mode=0o555)
    return "closed"


def a_deleted_working_folder(where: Path) -> str:
    (where / "home").mkdir()
    return "deleted"


@pytest.mark.parametrize("breakage", [a_file_for_a_home, a_closed_home, a_deleted_working_folder])
def test_every_platform_starts(tmp_path: Path, good: tuple[Path, list[str]], breakage: Callable[[Path], str]) -> None:
    how = breakage(tmp_path)
    devices = ("triton:emulated-sm_80",) if _triton() and how == "closed" else ()
    platforms = [line for line in good[1] if devices or "emulated" not in line]
    assert run(tmp_path, how, *devices) == (platforms, how != "deleted")


def test_a_damaged_cache_is_put_right(tmp_path: Path, good: tuple[Path, list[str]]) -> None:
    """Every file that the first run left is emptied or replaced by another's; the second run puts all of them right
    that are accel's own."""
    where, found = good
    shutil.copytree(where / "home", tmp_path / "home")
    own = [file for file in (tmp_path / "home/.cache/accel").rglob("*") if file.is_file()]
    assert {".icd", ".bin"} <= {file.suffix for file in own} or not opencl_icd.wheel_runtimes()
    before = {file: file.read_bytes() for file in own}
    for file, other in zip(own, [*own[1:], own[0]], strict=True):
        file.write_bytes(b"" if file.suffix == ".icd" else before[other][:100])
    for file in (tmp_path / "home/.cache/pytools").rglob("*.sqlite"):
        file.write_bytes(b"damaged" * 1000)
    platforms = [line for line in found if "emulated" not in line]
    assert run(tmp_path, "none") == (platforms, 0)
    for file in own:
        if file.suffix == ".icd":
            assert file.read_bytes() == before[file]
        elif file.suffix == ".bin":  # PoCL's compiler does not give the same bytes twice
            assert opencl_program._whole(file.read_bytes()) and len(file.read_bytes()) > 1000


def test_the_systems_own_platforms_are_left_where_nothing_can_be_written(
    tmp_path: Path, good: tuple[Path, list[str]]
) -> None:
    (tmp_path / "file").touch()
    if not opencl_icd.wheel_runtimes() or not opencl_icd.entries(Path(opencl_icd.SYSTEM)):
        pytest.skip("needs a runtime of the system's and one from pip")
    (tmp_path / "home").mkdir()
    found, warned = run(tmp_path, "nowhere", ACCEL_CACHE_DIR=str(tmp_path / "file"))
    assert warned == 1
    assert found and set(found) < set(good[1])
