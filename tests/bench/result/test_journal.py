"""The journal: what is on the disk after whatever happened to the process that wrote it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.bench.result.journal import Journal, OtherRunError, whole_lines
from accel.errors import ArgumentError

HEAD = {"suite": "quick", "seed": 0}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.json.journal"


def written(path, *entries):
    journal = Journal.create(path, HEAD)
    for entry in entries:
        journal.append(entry)
    journal.close()
    return path


def test_what_was_appended_comes_back(path):
    written(path, {"a": 1}, {"b": "é\n"})
    journal = Journal.resume(path, HEAD)
    assert journal.entries == [{"a": 1}, {"b": "é\n"}]
    journal.append({"c": 3})
    journal.close()
    assert Journal.resume(path, HEAD).entries == [{"a": 1}, {"b": "é\n"}, {"c": 3}]


@given(cut=st.integers(0, 200))
def test_a_line_without_its_end_is_dropped_and_the_next_one_is_whole(cut, tmp_path_factory):
    """The file cut at every byte: only whole lines count, and appending goes on after them."""
    path = written(tmp_path_factory.mktemp("cut") / "j", *({"case": {"id": f"case {i}"}} for i in range(4)))
    data = path.read_bytes()
    path.write_bytes(data[: min(cut, len(data))])
    expected = max(0, data[:cut].count(b"\n") - 1)
    journal = Journal.resume(path, HEAD)
    assert journal.entries == [{"case": {"id": f"case {i}"}} for i in range(expected)]
    journal.append({"case": {"id": "next"}})
    journal.close()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines[0] == {"head": HEAD}
    assert lines[-1] == {"case": {"id": "next"}}
    assert len(lines) == expected + 2


def test_a_damaged_line_in_the_middle_is_an_error(path):
    written(path, {"a": 1}, {"b": 2})
    path.write_text(path.read_text(encoding="utf-8").replace('{"a": 1}', '{"a": '), encoding="utf-8")
    with pytest.raises(ArgumentError, match="line 2 is damaged"):
        Journal.resume(path, HEAD)


def test_the_journal_of_another_run_is_refused_with_the_difference(path):
    written(path, {"a": 1})
    before = path.read_bytes()
    with pytest.raises(OtherRunError, match="seed: it has 0, this run 7"):
        Journal.resume(path, HEAD | {"seed": 7})
    assert path.read_bytes() == before


def test_a_journal_is_not_overwritten(path):
    written(path, {"a": 1})
    with pytest.raises(ArgumentError, match="--resume"):
        Journal.create(path, HEAD)
    assert whole_lines(path)[0][1:] == [{"a": 1}]


def test_there_must_be_something_to_resume(path):
    with pytest.raises(ArgumentError, match="no interrupted run"):
        Journal.resume(path, HEAD)


def test_two_runs_cannot_write_to_one_journal(path):
    journal = Journal.create(path, HEAD)
    with pytest.raises(ArgumentError, match="in use"):
        Journal.resume(path, HEAD)
    journal.close()
    Journal.resume(path, HEAD).close()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ArgumentError, match=r"j: the journal cannot be written: No such file"):
        Journal.create(tmp_path / "nowhere" / "j", HEAD)


def test_a_number_that_json_does_not_have_is_refused(path):
    journal = Journal.create(path, HEAD)
    with pytest.raises(ValueError, match="JSON"):
        journal.append({"a": float("nan")})
    journal.append({"a": 1})
    journal.close()
    assert Journal.resume(path, HEAD).entries == [{"a": 1}]


def test_removed_when_the_run_is_over(path):
    journal = Journal.create(path, HEAD)
    journal.remove()
    assert not path.exists()


WRITER = """
import sys
from pathlib import Path
from accel.bench.result.journal import Journal
journal = Journal.create(Path(sys.argv[1]), {"suite": "quick", "seed": 0})
for i in range(10**6):
    journal.append({"case": {"id": str(i), "samples_s": [0.001] * 100}})
"""


def test_a_killed_writer_leaves_every_line_but_the_last_whole(path):
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (path.exists() and path.stat().st_size > 20000):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    entries = Journal.resume(path, HEAD).entries
    assert len(entries) >= 20
    assert [entry["case"]["id"] for entry in entries] == [str(i) for i in range(len(entries))]
