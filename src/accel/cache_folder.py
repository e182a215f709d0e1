"""Files kept between processes: compiled kernels, generated sources, the list of OpenCL runtimes.

They lie below ACCEL_CACHE_DIR, else below the platform's user cache folder. Nothing needs them to be there: what that
folder cannot take goes to a private temporary folder, which ends with the process, and a damaged file is written
again. A file is written to the side and renamed, so that no process ever reads half of one.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from .config import config, environment, set_environment
from .warn import warn

_private: dict[int, Path] = {}
"""The temporary folder by process: a forked child makes its own, and leaves its parent's alone."""

_said: set[str] = set()


def keep(folder: str, files: Mapping[str, bytes], exact: bool = False) -> Path:
    """A sub-folder in which there are files of these names and contents; those that are missing or differ are written.

    exact: files that end in the same way as these, and are none of them, are removed. Raises OSError where not even a
    temporary folder can be written.
    """
    try:
        base = shared()
        return _filled(base / folder, files, exact)
    except OSError as error:
        refusal = error
    found = _filled(_temporary() / folder, files, exact)
    _say(refusal)
    return found


def read(folder: str, name: str, good: Callable[[bytes], bool]) -> bytes | None:
    """The contents of a kept file, or None where there is none that is good."""
    for base in (shared, _made):
        with contextlib.suppress(OSError):
            data = (base() / folder / name).read_bytes()
            if good(data):
                return data
    return None


def shared() -> Path:
    """The cache folder. Raises OSError where there is none."""
    chosen = config.current().cache_dir
    path = os.path.expanduser(of_the_user() if chosen is None else chosen)
    if path.startswith("~"):
        raise FileNotFoundError(f"there is no home folder for {path}")
    return Path(os.path.abspath(path))


@cache
def of_the_user() -> str:
    """The platform's folder for what this user can do without."""
    import platformdirs

    return platformdirs.user_cache_dir("accel", appauthor=False)


def lend(variable: str, usual: str) -> None:
    """Names a folder here in another library's variable where the folder that it would use cannot be written.

    usual: that folder where the variable is not set, with ``~`` where it is below the home folder. Call before the
    library reads the variable.
    """
    if not can_hold(environment(variable) or usual):
        with contextlib.suppress(OSError):
            set_environment(variable, str(keep(variable.lower(), {})))


def can_hold(folder: str) -> bool:
    """Whether a folder can be written, and what is in it, or whether it can be made. Tried, as permissions do not tell
    of full and read-only disks, nor what root may do."""
    path = os.path.expanduser(folder)
    if path.startswith("~"):
        return False
    while not os.path.lexists(path) and path not in ("", os.path.dirname(path)):
        path = os.path.dirname(path)
    try:
        with tempfile.TemporaryFile(dir=path or ".") as file:
            file.write(bytes(4096))
        if path == os.path.expanduser(folder):
            with os.scandir(path) as entries:
                return all(os.access(entry, os.W_OK) for entry in entries)
    except OSError:
        return False
    return True


def _filled(folder: Path, files: Mapping[str, bytes], exact: bool) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        with contextlib.suppress(OSError):
            if (folder / name).read_bytes() == data:
                continue
        _write(folder / name, data)
    if exact:
        ends = {os.path.splitext(name)[1] for name in files}
        for other in folder.iterdir():
            if other.name not in files and other.suffix in ends:
                other.unlink(missing_ok=True)
    if not files and not can_hold(str(folder)):
        raise PermissionError(f"{folder} cannot be written")
    return folder


def _write(file: Path, data: bytes) -> None:
    handle, draft = tempfile.mkstemp(prefix=".draft-", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.replace(draft, file)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise


def _made() -> Path:
    """The temporary folder, if this process has made it. Raises OSError."""
    if os.getpid() not in _private:
        raise FileNotFoundError("no temporary folder was needed")
    return _private[os.getpid()]


def _temporary() -> Path:
    """The temporary folder, made where this process has none. Raises OSError."""
    process = os.getpid()
    if process not in _private:
        folder = _private[process] = Path(tempfile.mkdtemp(prefix="accel-"))
        atexit.register(lambda: os.getpid() == process and shutil.rmtree(folder, ignore_errors=True))
    return _private[process]


def _say(refusal: OSError) -> None:
    """Warns once of each folder that is not used."""
    where = config.current().cache_dir or "the user's cache folder"
    if where not in _said:
        _said.add(where)
        warn(
            f"accel keeps no compiled kernels, because {where} cannot be written ({refusal}); they go to a temporary "
            "folder and are made again by the next process: set ACCEL_CACHE_DIR to a folder that can be written",
            RuntimeWarning,
        )
