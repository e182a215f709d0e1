"""Finding runtimes that pip installed: what is merged, what is left alone, and many processes at once."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import accel
from accel import cache_folder
from accel.backends import opencl_icd


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python prefix with Intel's wheel in it and a system folder with two drivers, one of them gone; a cache
    folder."""
    for folder in ("prefix/lib/python3/site-packages", "prefix/etc/OpenCL/vendors", "vendors", "cache"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "prefix/lib" / opencl_icd.LIBRARY).touch()
    (tmp_path / "prefix/lib" / opencl_icd.NEEDS).touch()
    (tmp_path / "prefix/etc/OpenCL/vendors/intel-cpu.icd").write_text(
        "/build/machine/lib/libintelocl.so", encoding="utf-8"
    )
    (tmp_path / "vendors/gpu.icd").write_text("libgpu.so.1\n", encoding="utf-8")
    (tmp_path / "vendors/gone.icd").write_text("/opt/gone/libgone.so\n", encoding="utf-8")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "prefix"))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "prefix/lib/python3/site-packages")])
    monkeypatch.setattr(opencl_icd.site, "getuserbase", lambda: str(tmp_path / "user"))
    monkeypatch.setattr(opencl_icd, "SYSTEM", str(tmp_path / "vendors"))
    for variable in ("OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def found(prefix: Path) -> list[str] | None:
    """The libraries of the folder that is set, or None where none is."""
    with accel.config(cache_dir=str(prefix / "cache")), opencl_icd.runtimes():
        folder = os.environ.get("OCL_ICD_VENDORS")
        if folder is None or not os.path.isdir(folder):
            return folder if folder is None else [folder]
        return [os.fsdecode(file.read_bytes()).strip() for file in sorted(Path(folder).iterdir())]


BOTH = ("libgpu.so.1", "prefix/lib/libintelocl.so")


def test_system_and_wheel_are_merged(prefix: Path) -> None:
    assert found(prefix) == [BOTH[0], str(prefix / BOTH[1])]
    assert "OCL_ICD_VENDORS" not in os.environ, "child processes find their own"


def test_what_is_broken_in_the_folder_is_put_right(prefix: Path) -> None:
    """Emptied, foreign and missing entries."""
    right = found(prefix)
    (folder,) = (prefix / "cache/opencl").iterdir()
    (folder / "0.icd").write_bytes(b"")
    (folder / "1.icd").write_bytes(b"/opt/foreign/libcrashes.so\xff\n")
    (folder / "2.icd").write_bytes(b"/opt/foreign/libcrashes.so\n")
    assert found(prefix) == right
    (folder / "1.icd").unlink()
    assert found(prefix) == right


def test_broken_entries_of_the_system_are_passed_over(prefix: Path) -> None:
    (prefix / "vendors/empty.icd").touch()
    (prefix / "vendors/zero.icd").write_bytes(b"\0\0")
    (prefix / "vendors/folder.icd").mkdir()
    assert found(prefix) == [BOTH[0], str(prefix / BOTH[1])]


def test_a_name_that_is_no_utf_8(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = prefix / os.fsdecode(b"odd\xff")
    (odd / "lib").mkdir(parents=True)
    (odd / "lib" / opencl_icd.LIBRARY).touch()
    monkeypatch.setattr(sys, "prefix", str(odd))
    monkeypatch.setattr(sys, "base_prefix", str(odd))
    monkeypatch.setattr(sys, "path", [])
    assert found(prefix) == [BOTH[0], str(odd / "lib" / opencl_icd.LIBRARY)]


def test_a_deleted_working_folder(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (prefix / "gone").mkdir()
    monkeypatch.chdir(prefix / "gone")
    (prefix / "gone").rmdir()
    assert found(prefix) == [BOTH[0], str(prefix / BOTH[1])]


def test_user_site_and_target_folders(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is found beside user-site packages and in a folder that pip install --target filled."""
    (prefix / "prefix/lib/libintelocl.so").unlink()
    assert opencl_icd.wheel_runtimes() == []
    for folder, entry in (("user/lib", None), ("target/lib", "target")):
        (prefix / folder).mkdir(parents=True)
        (prefix / folder / "libintelocl.so").touch()
        if entry:
            monkeypatch.setattr(sys, "path", [str(prefix / entry)])
    assert set(opencl_icd.wheel_runtimes()) == {
        prefix / "user/lib/libintelocl.so",
        prefix / "target/lib/libintelocl.so",
    }


def test_the_users_own_folder_is_left_alone(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCL_ICD_VENDORS", str(prefix / "vendors"))
    with accel.config(cache_dir=str(prefix / "cache")), opencl_icd.runtimes():
        assert os.environ["OCL_ICD_VENDORS"] == str(prefix / "vendors")
    assert os.environ["OCL_ICD_VENDORS"] == str(prefix / "vendors")
    assert not list((prefix / "cache").iterdir())


def test_nothing_is_set_where_nothing_is_gained(prefix: Path) -> None:
    """No wheel, or a wheel's runtime that the system names already."""
    library = prefix / "prefix/lib/libintelocl.so"
    (prefix / "vendors/intel.icd").write_text(str(library), encoding="utf-8")
    assert found(prefix) is None
    library.unlink()
    assert found(prefix) is None


def test_an_incomplete_wheel_is_explained(prefix: Path) -> None:
    assert opencl_icd.incomplete() is None
    (prefix / "prefix/lib" / opencl_icd.NEEDS).unlink()
    assert "intel-cmplr-lib-rt" in opencl_icd.incomplete()


def test_a_folder_that_cannot_be_written(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A private one takes its place; where there is none either, the system's entries are left, or the one library
    is named by itself."""
    both = found(prefix)
    shutil.rmtree(prefix / "cache/opencl")
    (prefix / "cache/opencl").write_text("a file where the folder would be", encoding="utf-8")
    monkeypatch.setattr(cache_folder, "_said", set())
    with pytest.warns(RuntimeWarning, match="ACCEL_CACHE_DIR"):
        assert found(prefix) == both
    monkeypatch.setattr(cache_folder, "_private", {})
    monkeypatch.setattr(tempfile, "tempdir", str(prefix / "cache/opencl"))
    with pytest.warns(RuntimeWarning, match=r"libintelocl\.so cannot be used.*ACCEL_CACHE_DIR.*OCL_ICD_VENDORS"):
        assert found(prefix) is None
    (prefix / "vendors/gpu.icd").unlink()
    assert found(prefix) == [str(prefix / BOTH[1])]


def _race(cache: Path, start: object, results: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    with accel.config(cache_dir=str(cache)):
        results.put(str(opencl_icd._folder(("libone.so", "/lib/libtwo.so"))))  # type: ignore[attr-defined]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that start together")
def test_processes_that_write_at_once_agree(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, results = context.Event(), context.Queue()
    workers = [context.Process(target=_race, args=(tmp_path, start, results)) for _ in range(8)]
    for worker in workers:
        worker.start()
    start.set()
    folders = {results.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    (folder,) = folders
    contents = sorted(file.read_text(encoding="utf-8") for file in Path(folder).iterdir())
    assert contents == ["/lib/libtwo.so\n", "libone.so\n"]
    assert [file.name for file in (tmp_path / "opencl").iterdir()] == [Path(folder).name]


def test_a_fresh_process_finds_the_wheel(tmp_path: Path) -> None:
    """Without the variable, the runtime that pip installed into this environment is a platform, beside the system's."""
    pytest.importorskip("pyopencl")
    if not opencl_icd.wheel_runtimes():
        pytest.skip("no OpenCL runtime from pip here: the extra opencl-cpu has one")
    clean = {k: v for k, v in os.environ.items() if k not in ("OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH")}
    code = "import accel; print([str(d.description) for d in accel.registry.backend('opencl').devices()])"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**clean, "ACCEL_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Intel(R) OpenCL" in ran.stdout
