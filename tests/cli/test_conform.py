"""`accel conform`: its table, its JSON and its exit codes. It finds wrong kernels: tests/test_example_backend.py."""

from __future__ import annotations

import json

import pytest

from accel.cli import conform as command
from accel.testing import conform


def test_text(here):
    code, out, err = here("conform", "--backend", "cpu", "--op", "add", "--op", "softmax", "--examples", "3")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[1].split() == ["op", "native", "compiled", "error/bound"]
    assert lines[2].split()[:2] == ["add", "12"]
    assert lines[3].split()[:2] == ["softmax", "4"]
    assert lines[-1] == "cpu conforms to bit contract 1: 12 native, 6 compiled."  # add of complex numbers is


def test_json(here):
    code, out, _ = here("conform", "--device", "cpu", "--op", "matmul", "--examples", "2", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["device"] == "cpu"
    assert report["passed"] is True
    assert report["versions"]["accel-ops"]
    assert {(row["op"], row["status"]) for row in report["rows"]} == {("matmul", "pass"), ("matmul", "compiled")}
    assert all(row["examples"] > 2 for row in report["rows"])  # the edges beside the two that are drawn


def test_without_an_op_the_whole_table_is_run(here, monkeypatch):
    asked = []

    def run(device, ops, examples, on_result, dtypes, example):
        asked.append((device, ops, examples))
        return conform.Report(device)

    monkeypatch.setattr(conform, "run", run)
    assert here("conform", "--backend", "cpu")[0] == 0
    assert asked == [("cpu", None, 20)]


@pytest.mark.parametrize("status", ["fail", "unsupported", "known"])
def test_rows_that_are_not_simply_right_are_told(status, here, monkeypatch):
    row = conform.Row("add", "float32", status, 3, 0.0, "what happened")

    def run(device, ops, examples, on_result, dtypes, example):
        on_result(row)
        return conform.Report(device, rows=[row])

    monkeypatch.setattr(conform, "run", run)
    code, out, _ = here("conform", "--backend", "cpu")
    assert f"{command.STATUSES[status]}: add float32: what happened" in out.splitlines()
    assert code == (1 if status == "fail" else 0)
    assert ("does NOT conform" in out) == (status == "fail")


def test_the_kit_needs_no_extra(child, bare_python):
    done = child("conform", "--backend", "cpu", "--op", "add", "--dtype", "float32", python=bare_python)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "cpu conforms to bit contract 1: 1 native."


def test_one_dtype_and_one_example(here):
    arguments = ("conform", "--device", "cpu", "--op", "sum", "--op", "add", "--dtype", "float32", "--json")
    code, out, _ = here(*arguments, "--example", "3")
    assert code == 0
    assert [(row["op"], row["dtype"], row["examples"]) for row in json.loads(out)["rows"]] == [
        ("sum", "float32", 1),
        ("add", "float32", 1),
    ]
    assert here("conform", "--device", "cpu", "--op", "argmax", "--dtype", "bool")[0] == 2
    assert here("conform", "--device", "cpu", "--dtype", "float31")[0] == 2
