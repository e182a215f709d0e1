"""Lets the OpenCL loader find the CPU runtime that pip installed, without root.

The loader reads a folder of .icd files, each naming one driver library: the system's, or the one that OCL_ICD_VENDORS
names, which replaces the system's. Intel's wheel (intel-opencl-rt) installs its library under the Python prefix with
.icd files that name a folder of the build machine, so no loader finds it. `runtimes` writes a folder with the system's
entries and that library, and names it in OCL_ICD_VENDORS. A variable that the user set is left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import site
import sys
from collections.abc import Iterator
from pathlib import Path

from .. import cache_folder
from ..config import environment, set_environment
from ..packages import remedy
from ..warn import warn

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
    found = (folder / LIBRARY for folder in library_folders())
    return list(dict.fromkeys(Path(os.path.realpath(file)) for file in found if file.is_file()))


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
            name = os.fsdecode(file.read_bytes()).strip()
        except OSError:
            continue
        if name and "\0" not in name and (not os.path.isabs(name) or os.path.exists(name)):
            found.append(name)
    return found


@contextlib.contextmanager
def runtimes() -> Iterator[None]:
    """Sets OCL_ICD_VENDORS while a with block runs, where that finds more than the loader does by itself.

    pyopencl asks for platforms in the block: a loader reads the variable once. It is not left to child processes,
    which find their own. Where the folder can be written nowhere, the loader finds what it does by itself.
    """
    chosen = _chosen()
    if chosen is not None:
        set_environment("OCL_ICD_VENDORS", chosen)
    try:
        yield
    finally:
        if chosen is not None:
            set_environment("OCL_ICD_VENDORS", None)


def _chosen() -> str | None:
    """The folder to name, or None where nothing is to be set."""
    if environment("OCL_ICD_VENDORS"):
        return None
    system = entries(Path(environment("OPENCL_VENDOR_PATH") or SYSTEM))
    further = [name for name in entries(Path(sys.prefix) / "etc/OpenCL/vendors") if name not in system]
    known = {os.path.basename(_real(name)) for name in (*system, *further)}
    further += [str(library) for library in wheel_runtimes() if library.name not in known]
    if not further:
        return None
    libraries = (*system, *further)
    try:
        return str(_folder(libraries))
    except OSError as error:
        if len(libraries) == 1:
            return libraries[0]
        warn(
            f"backend 'opencl': {', '.join(further)} cannot be used, because a folder that names it can be written "
            f"nowhere ({error}); set ACCEL_CACHE_DIR to a folder that can be written, or OCL_ICD_VENDORS to a folder "
            "of .icd files",
            RuntimeWarning,
        )
        return None


def _real(name: str) -> str:
    """A library without symbolic links; one without a folder is looked for by the loader and stays as it is."""
    return os.path.realpath(name) if os.path.isabs(name) else name


def _folder(libraries: tuple[str, ...]) -> Path:
    """A folder with one .icd file per library. Its name is a digest of its contents, so that concurrent processes with
    other prefixes do not meet. Raises OSError where it can be written nowhere."""
    digest = hashlib.sha256(os.fsencode("\n".join(libraries))).hexdigest()[:16]
    files = {f"{i}.icd": os.fsencode(library + "\n") for i, library in enumerate(libraries)}
    return cache_folder.keep(f"opencl/vendors-{digest}", files, exact=True)
