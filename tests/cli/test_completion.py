"""Shells complete commands and options; bash is asked itself, zsh and fish by what their scripts would ask."""

from __future__ import annotations

import os
import subprocess
import sys
from shutil import which

import pytest

from accel.cli import COMMANDS, completion


@pytest.fixture
def path(tmp_path) -> str:
    """A PATH on which `accel` is this one."""
    (tmp_path / "accel").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m accel "$@"\n', encoding="utf-8")
    (tmp_path / "accel").chmod(0o755)
    return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.skipif(which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "expected"), [("dev", ["devices"]), ("do", ["doctor"]), ("demo --dev", ["--device"])]
)
def test_bash_completes(words, expected, path):
    script = (
        'eval "$(accel completion bash)"\n'
        f"COMP_WORDS=(accel {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
        '_accel_completion accel; printf "%s\\n" "${COMPREPLY[@]}"; complete -p accel'
    )
    call = ["bash", "--norc", "-c", script]
    done = subprocess.run(call, env=os.environ | {"PATH": path}, capture_output=True, encoding="utf-8", timeout=120)
    *found, registered = done.stdout.splitlines()
    assert (found, done.returncode) == (expected, 0), done.stderr
    assert "_accel_completion accel" in registered


@pytest.mark.parametrize(
    ("shell", "asked"),
    [
        ("zsh", {"COMP_WORDS": "accel e", "COMP_CWORD": "1"}),
        ("fish", {"COMP_WORDS": "accel e", "COMP_CWORD": "e"}),
        ("bash", {"COMP_WORDS": "accel e", "COMP_CWORD": "1"}),
    ],
)
def test_what_a_script_asks(shell, asked, child):
    done = child(environment={completion.VARIABLE: f"{shell}_complete", **asked})
    assert done.returncode == 0 and done.stderr == ""
    assert "explain" in done.stdout and "doctor" not in done.stdout


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_scripts(shell, here):
    code, out, err = here("completion", shell)
    assert (code, err) == (0, "")
    assert f"{completion.VARIABLE}={shell}_complete" in out and "accel" in out


def test_a_shell_that_is_not_known(here):
    code, out, err = here("completion", "tcsh")
    assert (code, out) == (2, "") and "'bash', 'zsh', 'fish'" in err
    assert "completion" in COMMANDS
