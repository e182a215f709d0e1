"""Result records that are made up: several ops, dtypes and models, every status and flag, two devices."""

from __future__ import annotations

import hashlib
import math
import random
from statistics import median
from typing import Any

from accel.bench.result.statistics import interval

Record = dict[str, Any]

DTYPES = ("float16", "bfloat16", "float32", "float64")
PEAK = {"float16": 4.1e11, "bfloat16": 8.9e11, "float32": 4.3e11, "float64": 2.15e11, "int8": 1.7e12}
"""Operations per second of the device that is made up."""

LADDER = {2**k: 1.6e11 if k < 16 else 7.2e10 if k < 21 else 4.4e10 if k < 25 else 2.1e10 for k in range(14, 28)}
"""Bytes per second by working set."""

POINTWISE = ("add", "multiply", "exp", "tanh", "gelu", "sqrt", "where")
LATENCY = 4.2e-6


def probes() -> list[Record]:
    """Every kind of probe, one without a value, one of an unknown kind."""
    found = [
        probe(f"{kind}/{size}", kind, None, size, "B/s", rate * factor)
        for kind, factor in (("read", 1.0), ("copy", 0.82), ("triad", 0.9))
        for size, rate in LADDER.items()
    ]
    for dtype, rate in PEAK.items():
        how = "program" if dtype == "float16" else "instructions"
        if dtype != "int8":
            found.append(probe(f"fma/{dtype}", "fma", dtype, None, "op/s", rate / 2, how=how))
            found.append(probe(f"matmul/{dtype}", "matmul", dtype, None, "op/s", rate * 0.41))
    found.append(probe("dot/bfloat16", "dot", "bfloat16", None, "op/s", PEAK["bfloat16"]))
    found.append(probe("dot/int8", "dot", "int8", None, "op/s", None, note="no such instructions on this CPU"))
    found.append(probe("launch/latency", "launch", None, None, "s", LATENCY))
    found.append(probe("launch/rate", "launch", None, None, "1/s", 8.1e5))
    found.append(probe("overhead/dispatch", "overhead", None, None, "s", 1.9e-6))
    found.append(probe("copy-in", "copy-in", None, None, "B/s", 1.1e10))
    found.append(probe("copy-out", "copy-out", None, None, "B/s", None, note="the device is the host"))
    found.append(probe("sustained/float32", "sustained", "float32", None, "1", 0.968))
    return found


def probe(
    id: str, kind: str, dtype: str | None, size: int | None, unit: str, value: float | None, **more: Any
) -> Record:
    return {
        "id": id, "kind": kind, "dtype": dtype, "working_set": size, "unit": unit, "value": value,
        "samples": [] if value is None else [value * 0.98, value, value * 1.01],
        "how": more.get("how", "instructions"), "note": more.get("note"),
    }  # fmt: skip


def case(op: str, dtype: str, name: str, flops: float, nbytes: float, **more: Any) -> Record:
    """A case; more: what differs from a PASS. The time is that of the limit over ``share`` (0.6)."""
    model, cache = more.pop("model", None), more.pop("cache", "cold")
    layer, phase = more.pop("layer", None), more.pop("phase", None)
    share, seed = more.pop("share", 0.6), f"{name} {op} {dtype} {cache}"
    rates = {size: rate for size, rate in LADDER.items() if cache == "cold" or size >= nbytes}
    bandwidth = (LADDER[max(LADDER)] if cache == "cold" or not rates else rates[min(rates)]) * 0.9
    compute, memory = flops / PEAK.get(dtype, 4.3e11) * 2, nbytes / bandwidth
    limit, bound = max(compute, memory), "compute" if compute > memory else "memory"
    flags = []
    if limit < LATENCY:
        limit, bound, flags = LATENCY, "launch", ["launch-bound"]
    random_of_case = random.Random(seed)
    samples = [limit / share * (1 + 0.01 * random_of_case.random()) for _ in range(21)]
    samples = more.pop("samples_s", samples)
    middle = median(samples) if samples else None
    found = {
        "id": seed, "model": model, "layer": layer, "phase": phase, "count": 1,
        "source": f"https://example.org/{model}/config.json" if model else None,
        "op": op, "dtype": dtype,
        "operands": [{"shape": [512, 512], "dtype": dtype, "layout": "row-major", "values": "normal"}],
        "keywords": {}, "cache": cache, "requested": "cpu", "executed": "cpu", "path": "native",
        "kernel": f"cpu.{op}", "reason": None, "status": "PASS", "detail": None,
        "class": "bits", "error": {"worst": round(random_of_case.random() * 0.8, 3), "checked": 65536, "of": 65536},
        "hash": "sha256:" + hashlib.sha256(seed.encode()).hexdigest(), "flops": flops, "bytes": nbytes,
        "first_call_s": 0.02, "compile_s": None, "samples_s": samples, "median_s": middle,
        "interval_s": None if middle is None else list(interval(samples)), "flags": flags,
        "baselines": baselines(dtype, middle, random_of_case) if middle else {},
        "roof": None if middle is None else
        {"bound": bound, "probe": "triad/134217728" if bound == "memory" else "launch/latency" if bound == "launch" else
         f"fma/{dtype}", "seconds": limit, "share": limit / middle},
        "peak_bytes": int(nbytes * 2),
        "energy": {"joules": None, "source": None, "window_s": None, "reason": "no meter: no powercap on this machine"},
    }  # fmt: skip
    return {**found, **more}


def baselines(dtype: str, middle: float, random_of_case: random.Random) -> Record:
    """NumPy always, torch not for float16."""
    found = {"numpy": timing(middle * math.exp(random_of_case.uniform(-0.4, 1.6)))}
    found["torch"] = timing(middle * math.exp(random_of_case.uniform(-0.7, 0.9)))
    if dtype == "float16":
        found["torch"] = {"samples_s": [], "median_s": None, "note": "torch has no such kernel on the CPU"}
    return found


def timing(middle: float) -> Record:
    return {"samples_s": [middle * 0.99, middle, middle * 1.02], "median_s": middle, "note": None}


def untimed(op: str, dtype: str, name: str, status: str, detail: str, **more: Any) -> Record:
    """A case without a time and without a result."""
    rest = {"path": None, "kernel": None, "executed": None, "hash": None, "error": None, "first_call_s": None}
    return case(
        op, dtype, name, 1e9, 1e6, samples_s=[], status=status, detail=detail, peak_bytes=None, **{**rest, **more}
    )


def sweeps() -> list[Record]:
    """Ops of each family over sizes, dtypes and both caches; launch-bound ones among them."""
    found = []
    for dtype in DTYPES:
        width = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}[dtype]
        for n in (64, 512, 2048):
            found.append(case("matmul", dtype, f"sweep/{n}", 2.0 * n**3, 3 * n * n * width, share=0.3 + n / 4096))
        for number, op in enumerate(POINTWISE):
            for n in (2**10, 2**24):
                found.append(case(op, dtype, f"sweep/{n}", n, 2 * n * width, share=0.35 + number * 0.09))
            found.append(case(op, dtype, "sweep/65536", 65536, 131072 * width, cache="warm", share=0.5))
        for op in ("sum", "mean", "softmax"):
            found.append(case(op, dtype, "sweep/4096x4096", 5 * 2.0**24, 2**24 * width, share=0.72, **bound_class(op)))
        found.append(case("astype", dtype, "sweep/16777216", 0, 2**24 * (width + 4), share=0.88))
    return found


def bound_class(op: str) -> Record:
    return {"class": "bound", "hash": None} if op == "softmax" else {}


def transformer(model: str, lacks: bool) -> list[Record]:
    """A block's layers in two phases; lacks: whether attention is an op that accel does not have."""
    found = []
    for phase, rows in (("prefill-512", 512), ("decode-1", 1)):
        for layer, m, n, count in (("attention.qkv", 6144, 4096, 32), ("attention.out", 4096, 4096, 32),
                                   ("mlp.up", 28672, 4096, 32), ("mlp.down", 4096, 14336, 32)):  # fmt: skip
            named = {"model": model, "layer": layer, "phase": phase, "count": count}
            size = 4 * (m * n + rows * (m + n))
            share = 0.5 if layer != "mlp.up" else 0.31
            found.append(
                case("matmul", "float32", f"{model}/{layer}/{phase}", 2.0 * rows * m * n, size, share=share, **named)
            )
        named = {"model": model, "layer": "attention.scores", "phase": phase, "count": 32}
        if lacks:
            name = f"{model}/attention.scores/{phase}"
            found.append(untimed("attention", "float32", name, "UNSUPPORTED", "accel has no op attention", **named))
        else:
            found.append(case("softmax", "float32", f"{model}/attention.scores/{phase}", 1e7, 4e7, **named))
    return found


def others() -> list[Record]:
    """Every status that is not PASS, and every flag."""
    drift = [0.010 * (1 + 0.01 * n) for n in range(40)]
    modes = [0.004 if n % 3 else 0.0062 for n in range(40)]
    noise = [0.002 + 0.0007 * random.Random(n).random() for n in range(60)]
    hot = [0.001 if n < 22 else 0.0014 for n in range(40)]
    return [
        case("cumsum", "float32", "sweep/2^24", 1e7, 1.3e8, status="FALLBACK", path="fallback", executed="cpu",
             requested="cpu", reason="no kernel of cumsum on this device", detail="ran on cpu"),
        case("cumsum", "float64", "sweep/2^24", 1e7, 2.6e8, status="FALLBACK", path="fallback", share=0.12,
             reason="no kernel of cumsum on this device", detail="ran on cpu"),
        case("logsumexp", "float32", "sweep/4096", 8e7, 6.7e7, path="decomposition", kernel=None),
        case("log_softmax", "float32", "sweep/4096", 8e7, 6.7e7, path="decomposition", kernel=None),
        case("exp2", "float32", "sweep/2^26", 6.7e7, 5.4e8, status="INCORRECT", samples_s=[], hash=None,
             detail="element 17: 2.0000005 is 1.4 times its bound from 2.0"),
        case("max", "float32", "sweep/2^26", 6.7e7, 2.7e8, status="SUSPECT", share=1.5,
             detail="150% of its limit: the probe or the case is wrong"),
        case("argmax", "float32", "sweep/2^26", 6.7e7, 2.7e8, status="MISTRUSTED", detail="its reference failed"),
        untimed("prod", "float32", "sweep/2^34", "SKIPPED_MEM", "needs 128 GiB, 20 GiB are free"),
        untimed("matmul", "float64", "sweep/65536", "OOM", "opencl: CL_MEM_OBJECT_ALLOCATION_FAILURE"),
        untimed("tanh", "bfloat16", "sweep/2^30", "TIMEOUT", "killed after 120 s"),
        untimed("gelu", "float16", "sweep/2^20", "CRASH", "signal 11 (SIGSEGV)"),
        untimed("conv2d", "float32", "sweep/56x56", "UNSUPPORTED", "accel has no op conv2d"),
        untimed("matmul", "int8", "sweep/512", "UNSUPPORTED", "matmul does not take int8 here"),
        case("abs", "float32", "sweep/2^20", 1e6, 8e6, flags=["drift"], samples_s=drift),
        case("negative", "float32", "sweep/2^20", 1e6, 8e6, flags=["bimodal", "noisy", "unsteady"], samples_s=modes),
        case("square", "float32", "sweep/2^20", 1e6, 8e6, flags=["noisy"], samples_s=noise),
        case("sign", "float32", "sweep/2^20", 1e6, 8e6, flags=["throttled", "slow-first-call"], samples_s=hot),
        case("floor", "float32", "sweep/2^20", 1e6, 8e6, roof=None),
    ]  # fmt: skip


def record(device: str = "cpu", **more: Any) -> Record:
    """A whole result file; more: top-level entries that replace what is made up."""
    cases = more.pop("cases", None)
    if cases is None:
        cases = [
            *sweeps(),
            *transformer("llama-3-8b", lacks=False),
            *transformer("mixtral-8x7b", lacks=True),
            *others(),
        ]
    found = {
        "schema": "accel-bench/1",
        "suite": {
            "name": "core", "version": 1, "filters": {"ops": [], "models": [], "dtypes": []}, "cases": len(cases),
        },
        "probe_version": 1,
        "label": "unverified",
        "run": {
            "started": "2026-11-25T10:00:00Z", "seconds": 143.2, "arguments": ["--suite", "core"], "seed": 0,
            "complete": True, "resumed": 0, "max_noise": 0.02, "case_budget_s": 0.5, "timeout_s": 120.0,
        },
        "accel": {"version": "0.1.0", "commit": None, "dirty": None, "bit_contract": 1},
        "environment": {"ACCEL_NUMERICS": "reproducible"},
        "host": {
            "system": "Linux", "kernel": "6.1", "cpu": "AMD EPYC", "architecture": "x86_64", "cores": 2,
            "memory": 25000000000,
            "caches": {"L1 data": 32768, "L1 instruction": 32768, "L2": 1048576, "L3": 33554432},
            "virtual": True,
            "governor": None, "load": 0.1,
        },
        "device": {
            "name": device, "backend": device.partition(":")[0], "kind": "cpu", "vendor": "", "description": "AMD EPYC",
            "driver": None, "memory": 25000000000, "threads": 2, "isa": "avx512",
            "clock_hz": {"now": 3.7e9, "max": None}, "power_limit_w": None, "ecc": None, "details": {},
        },
        "toolchain": {
            "python": "3.11.2", "numpy": "2.4.6", "blas": "scipy-openblas 0.3.31", "torch": "2.13.0", "triton": None,
            "pyopencl": None, "compiler": "g++ 12.2.0",
        },
        "probes": probes(),
        "cases": [on_device(each, device) for each in cases],
    }  # fmt: skip
    return {**found, **more}


def on_device(each: Record, device: str) -> Record:
    """The case as that device has it."""
    ran = None if each["path"] is None else "cpu" if each["path"] == "fallback" else device
    return {**each, "requested": device, "executed": ran}


def other_device() -> Record:
    """The same suite on another device: slower, one case with other bits, another one missing."""
    found = record("opencl:0")
    found["device"].update(description="AMD EPYC (Intel(R) OpenCL)", vendor="Intel", driver="2026.2.0", isa=None)
    found["cases"] = [slower(each) for each in found["cases"]][:-1]
    found["suite"]["cases"] = len(found["cases"])
    next(each for each in found["cases"] if each["op"] == "exp")["hash"] = "sha256:" + "0" * 64
    return found


def slower(each: Record) -> Record:
    """A case that takes a quarter longer."""
    if each["median_s"] is None:
        return each
    roof = each["roof"] and {**each["roof"], "share": each["roof"]["share"] / 1.25}
    return {
        **each,
        "samples_s": [s * 1.25 for s in each["samples_s"]],
        "median_s": each["median_s"] * 1.25,
        "interval_s": [end * 1.25 for end in each["interval_s"]],
        "roof": roof,
    }


EVIL = "</script><script>alert(1)</script><img src=x onerror=\"alert('2')\">&amp;'\"|`\n@everyone"
"""Text that would be markup in HTML, in a script element, in an attribute, in Markdown and in a shell."""


def evil() -> Record:
    """A record whose every text is `EVIL`."""
    found = record("x" + EVIL)
    found["device"].update(description=EVIL, driver=EVIL, details={EVIL: EVIL})
    found["environment"] = {"ACCEL_NUMERICS": EVIL}
    found["suite"].update(name=EVIL, filters={"ops": [EVIL], "models": [], "dtypes": []})
    found["label"] = EVIL
    found["probes"] += [
        probe(EVIL, EVIL, None, None, "s", 1.0, note=EVIL),
        probe("fma/" + EVIL, "fma", EVIL, None, "op/s", 1e9, note=EVIL),
    ]
    for n, each in enumerate(found["cases"]):
        each.update(id=f"{n} {EVIL}", detail=EVIL, reason=EVIL, kernel=EVIL, op=each["op"] + EVIL * (n == 0))
        each["baselines"] = (
            {EVIL: {"samples_s": [], "median_s": None, "note": EVIL}} if n % 9 == 0 else each["baselines"]
        )
        if each["model"]:
            each.update(model=EVIL, layer=EVIL, source=EVIL, phase=EVIL)
        if each["roof"]:
            each["roof"]["probe"] = EVIL
    found["cases"][5]["dtype"] = EVIL
    found["cases"][6].update(status=EVIL, flags=[EVIL, "noisy"], hash=EVIL)
    return found  # fmt: skip


def bare() -> Record:
    """A record in which all that may be null is null."""
    found = record()
    for each in found["probes"]:
        each.update(value=None, samples=[], note="could not be measured")
    for each in found["cases"]:
        each.update(roof=None, hash=None, error=None, baselines={}, kernel=None, reason=None, path=None, detail=None)
        each.update(model=None, layer=None, phase=None, source=None, count=None, samples_s=[], median_s=None)
        each.update(interval_s=None, flops=None, bytes=None, first_call_s=None, peak_bytes=None, executed=None)
        each["class"] = None
    found["host"] = dict.fromkeys(found["host"])
    found["device"] = {**dict.fromkeys(found["device"]), "name": "cpu"}
    found["toolchain"] = dict.fromkeys(found["toolchain"])
    found["accel"] = dict.fromkeys(found["accel"])
    found["environment"] = {}
    found["run"] = {**dict.fromkeys(found["run"]), "complete": False}
    return found


def no_roofs() -> Record:
    """A record without probes."""
    found = record(probes=[])
    for each in found["cases"]:
        each["roof"] = None
    return found


def incomplete() -> Record:
    """A record of a run that was interrupted, and of a part of the suite."""
    found = record()
    found["run"]["complete"] = False
    found["suite"].update(cases=400, filters={"ops": ["matmul", "exp"], "models": [], "dtypes": []})
    return found
