"""The command itself: version, help, exit codes, one-line errors, interruption, a terminal and none."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from permissions import obeyed

import accel
from accel.cli import COMMANDS, console


def test_version(here):
    assert here("--version") == (0, f"accel {accel.__version__} (bit contract {accel.BIT_CONTRACT})\n", "")


def test_help_lists_every_command(here):
    code, out, _ = here("--help")
    assert code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in out
        code, text, _ = here(name, "--help")
        assert code == 0
        assert f"Usage: accel {name}" in text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("nonsense",), "No such command 'nonsense'"),
        (("devices", "--nonsense"), "No such option"),
        (("explain", "matmul"), "Missing option '--shape'"),
        (("conform", "--device", "cpu", "--examples", "0"), "--examples"),
        (("conform",), "--backend NAME or --device NAME, not both"),
        (("conform", "--backend", "cpu", "--device", "cpu"), "not both"),
        (("conform", "--backend", "typo"), "unknown backend 'typo'; registered backends: cpu,"),
        (("conform", "--device", "cpu:7"), "there is no 'cpu:7'; the devices of cpu are: cpu"),
        (("conform", "--device", "cpu", "--op", "nope"), "unknown op 'nope'; ops: abs, acos,"),
        (("explain", "nope", "--shape", "3"), "unknown op 'nope'; ops: abs, acos,"),
        (("demo", "--device", "typo"), "'typo' names no backend"),
        (("demo", "--backend", "null"), "no device that computes by itself; name one with --device: none"),
        (("demo", "--device", "null"), "it computes nothing"),
    ],
)
def test_bad_arguments(arguments, expected, here):
    code, out, err = here(*arguments)
    assert code == 2
    assert out == ""
    assert expected in err
    assert "Traceback" not in err


def test_an_accel_error_is_one_line_without_a_traceback(child):
    done = child("explain", "matmul", "--shape", "2x3,2x3")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("accel: error: matmul: a has shape (2, 3) and b has shape (2, 3)")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["conform --device cpu --examples 100000", "doctor"])
def test_interruption(command, tmp_path):
    """SIGINT in the middle of a long command, and while doctor waits for a driver that hangs: exit code 130."""
    begun = "import pathlib, time\npathlib.Path(__file__).with_name('begun').touch()\n"
    (tmp_path / "hangs.py").write_text(f"{begun}time.sleep(600)\n", encoding="utf-8")
    (tmp_path / "hangs-1.0.dist-info").mkdir()
    (tmp_path / "hangs-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: hangs\nVersion: 1.0\n", encoding="utf-8"
    )
    (tmp_path / "hangs-1.0.dist-info" / "entry_points.txt").write_text(
        "[accel.backends]\nhangs = hangs:factory\n", encoding="utf-8"
    )
    run = ["env", f"PYTHONPATH={tmp_path}", sys.executable, "-P", "-m", "accel", *command.split()]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(run, **pipes) as process:
        try:
            if command == "doctor":
                deadline = time.monotonic() + 120
                while not (tmp_path / "begun").exists():
                    assert process.poll() is None and time.monotonic() < deadline
                    time.sleep(0.05)
            else:
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(timeout=6)
            for _ in range(20):  # Python drops an interrupt that comes inside a callback of the garbage collector
                process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=3)
                    break
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "accel: interrupted"


def start(where: Path, *command: str) -> subprocess.CompletedProcess:
    """A command in a folder, with permissions as everybody's."""
    run = [sys.executable, "-P", "-m", "accel", *command]
    return subprocess.run(run, cwd=where, preexec_fn=obeyed, capture_output=True, encoding="utf-8", timeout=120)


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("devices", 0, ""),
        ("explain exp --shape 3", 0, ""),
        ("bench list", 0, ""),
        ("conform --device cpu --op exp --examples 1", (0, 2), "the working directory was deleted"),
        ("demo --device cpu", 2, "accel: error: --output: demo-output cannot be written"),
        ("bench run --device cpu --op exp --no-probes --no-baselines", 2, "the journal cannot be written"),
    ],
)
def test_a_deleted_working_directory(command, code, said, tmp_path):
    deleted = "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    (tmp_path / "deleted").mkdir()
    run = [sys.executable, "-P", "-c", deleted, "-P", "-m", "accel", *command.split()]
    done = subprocess.run(run, cwd=tmp_path / "deleted", capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode in (code if isinstance(code, tuple) else (code,)), done.stderr
    assert said in done.stderr or done.returncode == 0
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("demo --device cpu", "accel: error: --output: demo-output cannot be written"),
        ("bench run --device cpu --op exp --no-probes --no-baselines", "the journal cannot be written: Perm"),
    ],
)
def test_a_closed_working_directory(command, said, tmp_path):
    """What is to be written there is refused before anything is computed; what writes nothing there runs."""
    (tmp_path / "closed").mkdir(mode=0o555)
    done = start(tmp_path / "closed", *command.split())
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert start(tmp_path / "closed", "conform", "--device", "cpu", "--op", "exp", "--examples", "1").returncode == 0


def test_plain_text_without_a_terminal(child):
    done = child("devices")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert all(line == line.rstrip() for line in done.stdout.splitlines())
    header, *rows = done.stdout.splitlines()
    at = header.index("kind")
    assert rows[0][at:].startswith("cpu"), "columns are aligned"


def test_a_long_cell_is_not_broken_without_a_terminal(capsys):
    console.table(("a", "b"), [("x" * 300, "end")])
    assert capsys.readouterr().out.splitlines()[1] == "x" * 300 + "  end"


def test_square_brackets_are_text(capsys):
    console.say('pip install ".[opencl]" [bold]')
    assert capsys.readouterr().out == 'pip install ".[opencl]" [bold]\n'


def test_colours_on_a_terminal_and_none_under_no_color(terminal):
    code, coloured = terminal("devices")
    assert code == 0
    assert "\x1b[" in coloured
    code, plain = terminal("devices", environment={"NO_COLOR": "1"})
    assert code == 0
    assert "\x1b" not in plain
    assert "cpu" in plain


def test_progress_is_shown_on_a_terminal_only(terminal, child):
    arguments = ("conform", "--device", "cpu", "--op", "add", "--examples", "1")
    code, shown = terminal(*arguments)
    assert code == 0
    assert "accel conform cpu: add" in shown
    done = child(*arguments)
    assert done.stderr == ""


def test_json_is_json_on_a_terminal_too(terminal):
    code, shown = terminal("devices", "--json")
    assert code == 0
    assert json.loads(shown)["devices"]


PIPED = (
    ("--version",), ("devices", "--json"), ("explain", "add", "--shape", "4,4"),
    ("bench", "list"), ("bench", "list", "--json"), ("bench", "cpu", "--list"),
)  # fmt: skip


def piped(arguments: tuple[str, ...], reads: int | None) -> tuple[int, str]:
    """Exit code and stderr of a command whose reader goes after so many bytes (None: reads all)."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", "from accel.cli import main; main()", *arguments],
        stdout=writer, stderr=subprocess.PIPE, encoding="utf-8", env=environment,
    )  # fmt: skip
    os.close(writer)
    while (reads is None or reads > 0) and (found := os.read(reader, reads or 1 << 16)):
        reads = None if reads is None else reads - len(found)
    os.close(reader)
    _, err = process.communicate(timeout=120)
    return process.returncode, err


def test_a_reader_that_goes_ends_a_command_quietly():
    """However little it prints: what waits in a buffer is written when Python ends."""
    with ThreadPoolExecutor(3) as pool:
        ended = dict(zip(PIPED, pool.map(lambda arguments: piped(arguments, 0), PIPED), strict=True))
    assert ended == dict.fromkeys(PIPED, (141, ""))
    assert piped(("bench", "list", "--suite", "models"), 1) == (141, "")
    assert piped(("bench", "list"), None) == (0, ""), "control: a reader that stays"
