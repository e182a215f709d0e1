"""Every backend and command where the locale is C, or another encoding than UTF-8."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import accel

C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
UTF_8 = {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}
LATIN = {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "latin-1"}

RESULT = str(Path(__file__).parents[2] / "bench" / "results" / "quick-cpu.json")

COMMANDS = {
    "devices": ("devices",),
    "list": ("bench", "list"),
    "report": ("bench", "report", RESULT, "--format", "markdown"),
}
"""Commands that print the same each time."""


def run(environment: dict[str, str], *command: str) -> bytes:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    done = subprocess.run([sys.executable, *command], env={**kept, **environment}, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert b"Traceback" not in done.stderr
    return done.stdout


def test_the_environment_is_what_it_is_meant_to_be():
    code = "import codecs, sys; print(sys.flags.utf8_mode, codecs.lookup(sys.stdout.encoding).name)"
    assert run(C_LOCALE, "-c", code).split() == [b"0", b"ascii"]
    assert run(LATIN, "-c", code).split()[1] == b"iso8859-1"


CODE = """
import sys
import numpy as np
import accel
x = np.linspace(-2, 2, 64, dtype="f4").reshape(8, 8)
for name in sys.argv[1:]:
    y = accel.asarray(x, device=name)
    print(name, np.asarray(accel.exp(y)).tobytes().hex(), "" if "emulated" in name else float(accel.sum(y @ y)))
"""


@pytest.mark.parametrize("folder", ["für Kerne", "kernels"])
def test_every_backend_computes(tmp_path, folder):
    """With an empty cache folder, so that everything is printed, written and compiled. Triton cannot name a source
    whose path is no ASCII in a C locale."""
    names = [str(device) for device in accel.devices() if device.kind != "null"]
    names = [name for name in names if name == "cpu" or name.startswith("triton") == folder.isascii()]
    said = run(C_LOCALE | {"ACCEL_CACHE_DIR": str(tmp_path / folder)}, "-P", "-c", CODE, *names).decode().splitlines()
    assert [line.split()[0] for line in said] == names
    assert len({tuple(line.split()[1:2]) for line in said}) == 1, "the same bits on all"
    assert len({line.split()[2] for line in said if "emulated" not in line}) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_print_utf_8_where_the_locale_says_nothing(name):
    said = run(C_LOCALE, "-P", "-m", "accel", *COMMANDS[name])
    assert said == run(UTF_8, "-P", "-m", "accel", *COMMANDS[name])
    assert said.isascii() == (name != "report"), "what is tested has something that ASCII lacks"


def test_what_an_encoding_lacks_becomes_a_question_mark():
    said = run(LATIN, "-P", "-m", "accel", *COMMANDS["report"])
    whole = run(UTF_8, "-P", "-m", "accel", *COMMANDS["report"]).decode()
    assert said.decode("latin-1") == whole.encode("latin-1", errors="replace").decode("latin-1") != whole


def test_commands_that_run_children_and_write_files(tmp_path):
    file = tmp_path / "Bericht für alle.html"
    assert b"works." in run(C_LOCALE, "-P", "-m", "accel", "doctor")
    run(C_LOCALE, "-P", "-m", "accel", "conform", "--device", "cpu", "--op", "exp", "--examples", "2")
    run(C_LOCALE, "-P", "-m", "accel", "bench", "report", RESULT, "-o", str(file))
    assert not file.read_text(encoding="utf-8").isascii()
    cases = ("--op", "exp", "--dtype", "float32", "--no-probes", "--no-baselines", "--budget", "0.01")
    out = tmp_path / "Messung für alle.json"
    command = ("bench", "run", "--suite", "quick", "--device", "cpu", *cases, "--processes", "1", "-o", str(out))
    run(C_LOCALE, "-P", "-m", "accel", *command)
    assert out.exists()
