"""accel.torch.distributed: the same bits on 1, 2 and 4 processes, and errors in place of hangs. What the processes
compute is in checks.py, training.py and faults.py; processes.py runs it, once for all tests here."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")

from torch import distributed

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
pytestmark = [
    pytest.mark.skipif(not distributed.is_gloo_available(), reason="this torch has no gloo"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked, so that torch is imported once"),
]
ENVIRONMENT = {"ACCEL_DEVICE": "cpu", "ACCEL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def checks():
    return re.findall(r"^def (check_\w+)", (HERE / "checks.py").read_text(encoding="utf-8"), re.MULTILINE)


def launched(factory, *words):
    """What each rank wrote, and the process that forked them. pytest's own workers share one launch."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "-".join(("ranks", *words))
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ended").exists():
            command = [sys.executable, str(HERE / "processes.py"), str(folder), *words]
            ran = subprocess.run(
                command, cwd=ROOT, env={**os.environ, **ENVIRONMENT}, capture_output=True, encoding="utf-8", timeout=500
            )
            (folder / "ended").write_text(ran.stderr, encoding="utf-8")
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    assert set(found) == {"alone", "0", "1", "2", "3"}, (folder / "ended").read_text(encoding="utf-8")[-2000:]
    return found


@pytest.fixture(scope="module", params=["quick", pytest.param("deep", marks=pytest.mark.slow)])
def ranks(request, tmp_path_factory):
    return launched(tmp_path_factory, *(["deep"] if request.param == "deep" else []))


@pytest.mark.parametrize("check", checks())
def test_the_bits_are_those_of_one_process(ranks, check):
    sizes = set()
    for rank, its in ranks.items():
        for size, wrong in its["checks"][check].items():
            sizes.add(size)
            assert wrong == [], f"rank {rank} of {size}"
    assert {"1", "2", "4"} <= sizes


def test_nothing_of_it_is_imported_with_accel_torch(ranks):
    assert ranks["alone"]["lazy"] is True


def test_another_order_would_be_seen(ranks):
    for rank in "0123":
        for size, differing in ranks[rank]["control"].items():
            assert all(differing), f"rank {rank} of {size}: torch's all_reduce, by rank, sums: {differing}"


def test_training_has_the_same_bits(ranks):
    for name, its in ranks["alone"]["training"].items():
        want = its["1 x 1"]
        assert set(want) == {"gradients", "losses", "weights"}
        assert ranks["alone"]["scores"][name] == []
        for rank in "0123":
            for layout, got in ranks[rank]["training"][name].items():
                assert got == want, f"{name}, rank {rank}, {layout} ranks (batch x tensor)"


def test_training_with_all_reduce_has_other_bits(ranks):
    want = ranks["alone"]["training"]["wide"]["1 x 1"]
    for rank in "0123":
        got = ranks[rank]["without order"]
        assert all(got[name] != want[name] for name in want)


DISAGREEMENTS = {
    "shapes": (1, "x is float32 (4, 8) on rank 0 and float32 (5, 8) on rank 1"),
    "dtypes": (2, "x is float32 (4, 8) on rank 0 and float64 (4, 8) on rank 2"),
    "gradients": (3, "weight is float32 (3, 8) that requires a gradient on rank 0 and float32 (3, 8) on rank 3"),
    "lengths": (0, "expected those of weight on the ranks, [8, 8, 8, 8], got [8, 8, 8, 9]"),
    "other lengths": (0, "lengths is [16, 8, 8, 8] on rank 0 and [8, 8, 8, 8] on rank 1"),
    "columns of a batch": (1, "float32 (4, 8) that requires a gradient on rank 0 and float32 (4, 7)"),
    "several layers": (1, "layer 0: ranks disagree: x is float32 (4, 8) on rank 0 and float32 (5, 8) on rank 1"),
    "layers' lengths": (0, "layer 1: lengths: expected those of weight on the ranks, [3, 4, 5, 6], got [3, 4, 5, 7]"),
    "smoothing": (2, "label_smoothing is 0.0 on rank 0 and 0.1 on rank 2"),
    "weights of classes": (1, "weight is None on rank 0 and float32 (8,) on rank 1"),
    "other values": (1, "the sum of the bits of weight"),
    "other models": (2, "weight is float32 (8, 8) that requires a gradient on rank 0 and float32 (10, 8)"),
    "other plans": (0, "on rank 0 and RowwiseParallel"),
}


@pytest.mark.parametrize("name", DISAGREEMENTS)
def test_ranks_that_disagree_all_get_an_error_that_names_both(ranks, name):
    for rank in "0123":
        kind, message, *_ = ranks[rank]["faults"][name]
        assert kind == "RankError", message
        assert DISAGREEMENTS[name][1] in message


def test_a_bad_argument_of_one_rank_is_told_to_all(ranks):
    assert ranks["3"]["faults"]["a bad argument"][0] == "ShapeError"
    assert ranks["3"]["faults"]["a plan that fits nothing"][0] == "ArgumentError"
    for rank in "012":
        kind, message = ranks[rank]["faults"]["a bad argument"]
        assert kind == "RankError"
        assert "rank 3: row_parallel_linear: x has shape (4, 8) and weight has shape (3, 9)" in message
        kind, message, _ = ranks[rank]["faults"]["a plan that fits nothing"]
        assert kind == "RankError"
        assert "rank 3: plan: '2': no module has this name" in message


def test_ranks_that_make_other_calls_are_told_of_them(ranks):
    for rank in "0123":
        kind, message = ranks[rank]["faults"]["another call"]
        assert kind == "RankError"
        assert "calls row_parallel_linear" in message or "rank 0 row_parallel_linear" in message
        assert "column_parallel_linear" in message


def test_a_refused_plan_changes_nothing(ranks):
    for rank in "0123":
        for name in ("other values", "other models", "other plans", "a plan that fits nothing"):
            assert ranks[rank]["faults"][name][2] is True


def test_indices_that_no_rank_has(ranks):
    for rank in "0123":
        assert ranks[rank]["faults"]["tokens"][0] == ranks[rank]["faults"]["classes"][0] == "IndexError"


def test_a_refused_call_leaves_the_group_as_it_was(ranks):
    assert all(ranks[rank]["faults"]["right"] == ["nothing", ""] for rank in "0123")


def test_a_call_that_differs_from_a_known_one_ends_in_time(ranks):
    for rank in "0123":
        kind, message, seconds = ranks[rank]["faults"]["later"]
        assert kind == "RankError"
        assert re.search(rf"row_parallel_linear: rank {rank} of 4: (another rank|rank [0-3]).* ended", message)
        assert seconds < 20


@pytest.mark.parametrize("name", ["late", "dead"])
def test_a_rank_that_does_not_come_ends_the_others_in_time(ranks, name):
    """The group's time-out is 2 s, where a rank sleeps; one that was killed is noticed at once."""
    assert name not in ranks["3"]["faults"]
    for rank in "012":
        kind, message, seconds = ranks[rank]["faults"][name]
        assert kind == "RankError"
        assert re.search(rf"row_parallel_linear: rank {rank} of 4: (another rank|rank [0-3]).* ended, did not", message)
        assert seconds < 20


def test_the_rank_that_sends_to_one_that_was_killed_names_it(ranks):
    """It has the chunks before the last ones."""
    assert "row_parallel_linear: rank 2 of 4: rank 3" in ranks["2"]["faults"]["dead"][1]


@pytest.mark.slow
def test_the_example_prints_the_same_on_any_number_of_processes():
    """By torch's own launcher."""

    def run(*words):
        command = [sys.executable, "-m", *words]
        ran = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **ENVIRONMENT}, capture_output=True, encoding="utf-8", timeout=300
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
        return ran.stdout

    launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node")
    want = run("examples.parallel")
    assert "SHA-256 of the weights" in want
    for count, tensor in ((2, 1), (2, 2), (4, 1), (4, 2), (4, 4)):
        got = run(*launcher, str(count), "-m", "examples.parallel", "--tensor", str(tensor))
        assert got == want, f"{count} processes, {tensor} of them for a layer"
    assert run("examples.parallel", "--seed", "1") != want
