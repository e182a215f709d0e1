"""Lets the OpenCL loader find the CPU runtime that pip installed, without root.

The loader reads a folder of .icd files, each naming one driver library: the system's, or the one that OCL_ICD_VENDORS
names, which replaces the system's. Intel's wheel (intel-opencl-rt) installs its library under the Python prefix with
.icd files that name a folder of the build machine, so no loader finds it. `find_runtimes` writes a folder with the
system's entries and that library, and names it in OCL_ICD_VENDORS. A variable that the user set is left alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import site
import sys
import tempfile
from pathlib import Path

from ..config import cache_folder, environment, prepend_environment
from ..errors import BackendUnavailableError
from ..packages import remedy

SYSTEM = "/etc/OpenCL/vendors"
"""The folder that loaders read by themselves."""

LIBRARY = "libintelocl.so"
"""Intel's OpenCL CPU runtime, of the wheel intel-opencl-rt."""

NEEDS = "libimf.so"
"""A library of intel-cmplr-lib-rt, without which the runtime above loads no platform and says nothing."""


def library_folders() -> list[Path]:
    """Folders where wheels put shared libraries: ``lib`` of the prefixes that this interpreter imports from."""
    prefixes = [sys.prefix, sys.base_prefix, site.getuserbase()]
    folders = [Path(prefix) / "lib" for prefix in prefixes]
    for entry in map(Path, filter(None, sys.path)):
        folders.append(entry / "lib")  # pip install --target
        if entry.name in ("site-packages", "dist-packages"):
            folders.append(entry.parent.parent)
    return list(dict.fromkeys(folders))


def wheel_runtimes() -> list[Path]:
    """Runtimes installed by pip."""
    return list(dict.fromkeys((f / LIBRARY).resolve() for f in library_folders() if (f / LIBRARY).is_file()))


def incomplete() -> str | None:
    """What is missing beside a runtime installed by pip, with the fix, or None."""
    for library in wheel_runtimes():
        if not (library.parent / NEEDS).exists():
            what = "intel-cmplr-lib-rt"
            return f"{library} is installed but needs {what} beside it: {remedy('opencl-cpu', what)}"
    return None


def entries(folder: Path) -> list[str]:
    """The libraries that a folder's .icd files name, without those whose file does not exist."""
    found = []
    for file in sorted(folder.glob("*.icd")):
        try:
            name = file.read_text().strip()
        except (OSError, UnicodeDecodeError):
            continue
        if name and (not os.path.isabs(name) or os.path.exists(name)):
            found.append(name)
    return found


def find_runtimes() -> None:
    """Sets OCL_ICD_VENDORS for this process where that finds more than the loader does by itself.

    Call before pyopencl asks for platforms: a loader reads the variable once. Raises BackendUnavailableError where
    the folder is needed and cannot be written.
    """
    if environment("OCL_ICD_VENDORS"):
        return
    system = entries(Path(environment("OPENCL_VENDOR_PATH") or SYSTEM))
    further = [name for name in entries(Path(sys.prefix) / "etc/OpenCL/vendors") if name not in system]
    known = {os.path.basename(os.path.realpath(name)) for name in (*system, *further)}
    further += [str(library) for library in wheel_runtimes() if library.name not in known]
    if further:
        prepend_environment("OCL_ICD_VENDORS", str(_folder((*system, *further))))


def _folder(libraries: tuple[str, ...]) -> Path:
    """A folder with one .icd file per library. Its name is a digest of its contents, so that it is written once, by a
    rename, and concurrent processes with other prefixes do not meet."""
    digest = hashlib.sha256("\n".join(libraries).encode()).hexdigest()[:16]
    parent = cache_folder() / "opencl"
    target = parent / f"vendors-{digest}"
    if target.is_dir():
        return target
    try:
        parent.mkdir(exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".vendors-", dir=parent))
        draft.chmod(0o755)
        for i, library in enumerate(libraries):
            (draft / f"{i}.icd").write_text(library + "\n")
        try:
            draft.rename(target)
        except OSError:  # another process was first
            shutil.rmtree(draft, ignore_errors=True)
            if not target.is_dir():
                raise
    except OSError as error:
        raise BackendUnavailableError(
            f"backend 'opencl': the list of OpenCL runtimes cannot be written to {target} ({error}); "
            "set ACCEL_CACHE_DIR to a folder that can be written, or OCL_ICD_VENDORS to a folder of .icd files"
        ) from error
    return target
