"""Files kept between processes: what is damaged is written again, and what cannot be written goes elsewhere."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest
from permissions import obeyed

import accel
from accel import cache_folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_folder, "_said", set())
    with accel.config(cache_dir=str(tmp_path / "cache")):
        yield tmp_path / "cache"


def good(data: bytes) -> bool:
    return data == b"whole"


def test_a_file_is_kept_and_found(folder):
    path = cache_folder.keep("kind", {"name": b"whole"}) / "name"
    assert path == folder / "kind" / "name"
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert cache_folder.keep("kind", {"name": b"whole"}) == path.parent
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before, "it is not written again"
    assert cache_folder.read("kind", "name", good) == b"whole"
    assert cache_folder.read("kind", "other", good) is None


@pytest.mark.parametrize("damage", [b"", b"wrong", b"whole and more"])
def test_a_damaged_file_is_written_again(folder, damage):
    path = cache_folder.keep("kind", {"name": b"whole"}) / "name"
    path.write_bytes(damage)
    assert cache_folder.read("kind", "name", good) is None
    cache_folder.keep("kind", {"name": b"whole"})
    assert path.read_bytes() == b"whole"
    assert [file.name for file in path.parent.iterdir()] == ["name"], "no draft is left"


def test_an_exact_folder_holds_nothing_else_of_its_kind(folder):
    (folder / "kind").mkdir(parents=True)
    for name in ("foreign.icd", "2.icd", "notes.txt"):
        (folder / "kind" / name).touch()
    cache_folder.keep("kind", {"0.icd": b"a", "1.icd": b"b"}, exact=True)
    assert sorted(file.name for file in (folder / "kind").iterdir()) == ["0.icd", "1.icd", "notes.txt"]


def no_home(folder, monkeypatch):
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    return "~/cache"


def a_file(folder, monkeypatch):
    folder.write_text("not a folder", encoding="utf-8")
    return str(folder)


def a_full_disk(folder, monkeypatch):
    original = os.replace

    def replace(draft, file):
        if str(file).startswith(str(folder)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(draft, file)

    monkeypatch.setattr(os, "replace", replace)
    return str(folder)


def a_folder_in_the_way(folder, monkeypatch):
    (folder / "kind" / "name").mkdir(parents=True)
    return str(folder)


@pytest.mark.parametrize("obstacle", [no_home, a_file, a_full_disk, a_folder_in_the_way])
def test_what_cannot_be_written_goes_to_a_private_folder_and_is_said_once(tmp_path, folder, monkeypatch, obstacle):
    where = obstacle(folder, monkeypatch)
    with accel.config(cache_dir=where):
        with pytest.warns(RuntimeWarning, match="ACCEL_CACHE_DIR") as said:
            path = cache_folder.keep("kind", {"name": b"whole"})
            assert cache_folder.keep("kind", {"name": b"whole"}) == path
        assert len(said) == 1
        assert not path.is_relative_to(folder)
        assert path.is_relative_to(tempfile.gettempdir())
        assert path.parent.stat().st_mode & 0o077 == 0, "nobody else may put files there"
        assert cache_folder.read("kind", "name", good) == b"whole"
    assert not [file for file in folder.rglob("*") if file.name.startswith(".draft")]


def test_where_nothing_can_be_written_it_says_so(folder, monkeypatch):
    (folder.parent / "file").touch()
    monkeypatch.setattr(cache_folder, "_private", {})
    monkeypatch.setattr(tempfile, "tempdir", str(folder.parent / "file"))
    with accel.config(cache_dir=str(folder.parent / "file")), pytest.raises(OSError, match="Not a directory"):
        cache_folder.keep("kind", {"name": b"whole"})


def test_a_cache_that_was_filled_before_is_read_where_it_cannot_be_written(folder, monkeypatch):
    path = cache_folder.keep("kind", {"name": b"whole"})
    a_full_disk(folder, monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache_folder.keep("kind", {"name": b"whole"}) == path
        assert cache_folder.read("kind", "name", good) == b"whole"


CHILD = """
import os, sys, warnings
from accel import cache_folder, config
folder, deleted = sys.argv[1:]
try:
    open(os.path.join(folder, "probe"), "w")
    print("the folder can be written: nothing is tested here")
except PermissionError:
    pass
config.cache_dir = folder
assert not cache_folder.can_hold(folder) and not cache_folder.can_hold(folder + "/a/b")
assert cache_folder.can_hold(deleted)
assert cache_folder.can_hold(folder + "/../half/a") and not cache_folder.can_hold(folder + "/../half")
os.chdir(deleted)
os.rmdir(deleted)
warnings.simplefilter("ignore")
for name in (folder, "relative"):
    config.cache_dir = name
    print((cache_folder.keep("kind", {"name": b"whole"}) / "name").read_bytes(), cache_folder._temporary())
child = os.fork()
if child == 0:
    print(cache_folder._temporary(), flush=True)
    sys.exit()  # ends the child's folder only
os.waitpid(child, 0)
print(os.path.exists(cache_folder._temporary()))
"""


def test_permissions_a_deleted_working_folder_and_a_fork(tmp_path):
    for name in ("closed", "deleted"):
        (tmp_path / name).mkdir()
    (tmp_path / "closed").chmod(0o555)
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "another's").mkdir(mode=0o555)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "closed"), str(tmp_path / "deleted")],
        preexec_fn=obeyed,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    (first, own), (second, again), (forked,), (there,) = (line.split() for line in done.stdout.splitlines())
    assert (first, second, there) == ("b'whole'", "b'whole'", "True")
    assert own == again != forked
    assert not Path(own).exists() and not Path(forked).exists(), "they go with their processes"
