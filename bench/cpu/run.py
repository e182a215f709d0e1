"""Runs rows in one worker process per number of threads, and says what the machine is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Any

from ...backends.cpu import native, usable_cores
from ...config import child_environment
from ...devices import device
from ...errors import AccelError
from ...packages import DISTRIBUTION
from ..machine.caches import caches
from ..machine.head import load
from ..measure.child import variables
from .aims import Row
from .guards import Guards
from .result import CaseResult, Verdict, judge

PEERS_ISA = {
    "avx2": {
        "OPENBLAS_CORETYPE": "Haswell",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
    "baseline": {
        "OPENBLAS_CORETYPE": "Prescott",
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    },
}
"""Holds the peers to the instruction set that accel is held to, as on a CPU that has no better one."""

Findings = Iterator[dict[str, Any]]
Launch = Callable[[dict[str, Any]], Findings]


def launch(task: dict[str, Any]) -> Findings:
    """The findings of a worker process as they come. Raises AccelError where it does not end well."""
    environment = variables(task["threads"]) | {"JAX_PLATFORMS": "cpu"}
    if task["isa"] != native().isas()[0]:
        environment |= PEERS_ISA.get(task["isa"], {})
    command = [sys.executable, "-P", "-m", "accel.bench.cpu.worker", json.dumps(task)]
    environment = child_environment() | environment
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, encoding="utf-8") as process:
        try:
            for line in process.stdout or ():
                yield json.loads(line)
        except BaseException:  # GeneratorExit and Ctrl-C too
            process.kill()
            raise
        code = process.wait()
    if code:
        raise AccelError(f"bench: the process that measures ended with code {code}")


def run(
    rows: Sequence[Row],
    threads: int,
    isa: str,
    seconds: float,
    on_probes: Callable[[int, dict[str, float | None]], None],
    launch: Launch = launch,
    cases: str = "",
    guards: Guards | None = None,
) -> Iterator[Verdict]:
    """The verdict on each row with so many threads, as it is known. seconds: of timing for each case.
    cases: a regular expression; only those whose name has it. guards: of this instruction set and number of threads."""
    known = {row.name: row for row in rows}
    results: list[CaseResult] = []
    for finding in launch({"rows": list(known), "threads": threads, "isa": isa, "seconds": seconds, "cases": cases}):
        if "probes" in finding:
            on_probes(threads, finding["probes"])
        elif "result" in finding:
            results.append(CaseResult(**finding["result"] | {"notes": tuple(finding["result"]["notes"])}))
        else:
            row = known[finding["done"]]
            guard = guards.of(row.name, whole=len(results) == len(row.cases())) if guards is not None else None
            yield judge(row, threads, results, isa, guard)
            results = []


def header(isa: str) -> dict[str, Any]:
    """The machine and the versions; no host or user name."""
    import numpy

    blas = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "cpu": device("cpu").description,
        "cores": usable_cores(),
        "load": load(),
        "caches": caches(),
        "instruction sets": native().isas(),
        "isa": isa,
        "versions": {"python": python_version()}
        | {name: _version(name) for name in (DISTRIBUTION, "numpy", "torch", "jax")}
        | {"numpy's BLAS": f"{blas.get('name')} {blas.get('version')}"},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
