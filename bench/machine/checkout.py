"""The commit that a source is of. setup.py runs this file by itself: nothing but the standard library here."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

Commit = tuple[str | None, bool | None]
"""A commit, and whether tracked files differed from it; (None, None) where it is not known."""

BUILT = "commit.json"
"""Where a build leaves the commit, beside this file."""


def commit(file: Path) -> Commit:
    """Of the git checkout that a file is tracked in; else the one that it was built from, as `leave` wrote it."""
    found = checkout(file)
    return found if found != (None, None) else built(file.with_name(BUILT))


def checkout(file: Path) -> Commit:
    """Of the git checkout that a file is tracked in; not known for an installed package, even one inside of somebody's
    checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(file.parent), *arguments]
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=10).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", file.name)
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def built(file: Path) -> Commit:
    """What a build left."""
    try:
        left = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None, None
    return left["commit"], left["dirty"]


def leave(folder: Path, tracked: Path) -> None:
    """Writes the commit of a tracked file's checkout, or what a build left beside that file, into a folder that is
    being built from it; nothing where it is not known."""
    found, dirty = commit(tracked)
    target = folder / BUILT
    if found is None:
        target.unlink(missing_ok=True)
    else:
        target.write_text(json.dumps({"commit": found, "dirty": dirty}) + "\n", encoding="utf-8")
