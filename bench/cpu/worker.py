"""The process that measures, with one number of threads from its start to its end.

    python -m accel.bench.cpu.worker '{"rows": […], "threads": 1, "isa": "avx512", "seconds": 0.3, "cases": ""}'

Each finding is one line of JSON on stdout: first {"probes": …}, then each case's result.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from ... import config
from ...errors import AccelError
from ..machine import limits
from ..measure import timing
from ..peers.answers import host, wrong
from ..result.statistics import MAX_NOISE
from .aims import ROWS, Row
from .case import Calls, Case
from .data import Data
from .result import CaseResult

Clock = Callable[[], float]


def measure_row(row: Row, data: Data, task: dict[str, Any], clock: Clock = time.perf_counter) -> Iterator[CaseResult]:
    """Each case of a row that the task asks for."""
    for case in row.cases():
        if re.search(task["cases"], case.name):
            yield measure_case(row, case, data, task["isa"], task["threads"], task["seconds"], clock)


def measure_case(
    row: Row, case: Case, data: Data, isa: str, threads: int, seconds: float, clock: Clock = time.perf_counter
) -> CaseResult:
    """Checks the first results, then times. What accel raises is its result; a peer that fails is left out."""
    about = {"row": row.name, "case": case.name, "dtype": case.dtype, "threads": threads}
    try:
        calls = case.build(data)
        begin = clock()
        got = host(calls.accel())
        own = clock() - begin
    except (AccelError, ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as error:
        return CaseResult(**about, status="FAILED", detail=f"{type(error).__name__}: {error}")
    want, dtype = calls.expected(), got.dtype
    problem = wrong(calls.sample(got), want)
    del got
    if problem is not None:
        return CaseResult(**about, status="INCORRECT", detail=problem)
    peers, took, notes = sound(calls, want, dtype, clock)
    hopeless = {name for name in peers if took[name] > max(timing.HOPELESS_SECONDS, timing.HOPELESS * own)}
    notes += [f"{name} timed once" for name in sorted(hopeless)]
    timed = {name: [call] for name, call in peers.items() if name not in hopeless}
    probe = case.limit
    before = probe.rate(isa, threads) if probe else None
    settle = timing.SETTLE_SECONDS if threads > 1 else 0.0
    samples = timing.rounds([calls.accel], timed, seconds, MAX_NOISE, settle=settle, clock=clock)
    samples |= {name: [took[name]] * len(samples["accel"]) for name in sorted(hopeless)}
    result = CaseResult(**about, samples=samples, notes=tuple(notes))
    if probe is None or before is None:
        return result
    rate = max(before, probe.rate(isa, threads) or 0.0)
    share = probe.share(result.seconds, rate)
    return CaseResult(**about, samples=samples, notes=tuple(notes), limit=probe.kind, rate=rate, share=share)


def sound(
    calls: Calls, want: np.ndarray, dtype: np.dtype, clock: Clock = time.perf_counter
) -> tuple[dict[str, Callable[[], Any]], dict[str, float], list[str]]:
    """The peers that give the same result in the same dtype, the seconds of their first calls, and a note on each
    other one."""
    peers, took, notes = {}, {}, []
    for name, call in calls.peers.items():
        begin = clock()
        try:
            result = call()
            took[name] = clock() - begin
            theirs = host(result)
        except Exception as error:  # whatever a library raises for what it lacks
            why, _, _ = str(error).partition("\n")
            notes.append(f"{name} left out: {type(error).__name__}: {why}")
            continue
        if theirs.dtype != dtype:
            notes.append(f"{name} left out: gives {theirs.dtype}, accel {dtype}")
        elif (problem := wrong(calls.sample(theirs), want)) is not None:
            notes.append(f"{name} left out: {problem}")
        else:
            peers[name] = call
    return peers, took, notes


def main(task: dict[str, Any]) -> None:
    """Measures the rows that the task names."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print

    def emit(finding: dict[str, Any]) -> None:
        stream.write(json.dumps(finding) + "\n")
        stream.flush()

    threads, isa = task["threads"], task["isa"]
    config.device, config.num_threads, config.cpu_isa = "cpu", threads, isa
    data = Data()
    if data.torch is not None:
        data.torch.set_num_threads(threads)
    emit({"probes": limits.header(isa, threads)})
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for row in ROWS:
            if row.name in task["rows"]:
                for result in measure_row(row, data, task):
                    emit({"result": asdict(result)})
                emit({"done": row.name})


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
