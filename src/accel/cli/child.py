"""Runs `accel.cli.probe` in child processes, with a time limit, and says how they ended."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from ..config import child_environment

_children: set[subprocess.Popen] = set()


def find(arguments: list[str], without: list[str], timeout: float) -> dict[str, Any]:
    """What `accel.cli.probe` found: its lines, exit code (negative: the signal; None: out of time) and last words.

    without: environment variables that the child must not see."""
    command = [sys.executable, "-P", "-m", "accel.cli.probe", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8", "errors": "replace"}
    with subprocess.Popen(command, env=child_environment(without), **pipes) as process:
        _children.add(process)
        try:
            out, err = process.communicate(timeout=timeout)
            code: int | None = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            code = None
        finally:
            _children.discard(process)
    lines = []
    for line in out.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:  # the line that a crash cut short
            break
    return {"lines": lines, "code": code, "words": (err.strip().splitlines() or [""])[-1]}


def ending(result: dict[str, Any], timeout: float) -> str:
    """How a child ended that did not end well."""
    if result["code"] is None:
        return f"no answer within {timeout:.0f} s"
    how = f"killed by signal {-result['code']}" if result["code"] < 0 else f"exit code {result['code']}"
    return f"crashed: {how}" + (f"; its last words: {result['words']}" if result["words"] else "")


def kill_all() -> None:
    """Ends the children that still run."""
    for process in tuple(_children):
        process.kill()
