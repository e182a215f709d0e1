"""The roof of a case from hand-made probes, against answers worked out by hand."""

from __future__ import annotations

import pytest

from accel.bench.machine.probes import roof

GIGA = 1e9


def probe(id: str, value: float | None, samples: tuple[float, ...] | None = None) -> dict:
    kind, _, rest = id.partition("/")
    ladder = kind in ("read", "copy", "triad")
    return {
        "id": id,
        "kind": kind,
        "dtype": rest if kind in ("fma", "dot", "matmul") else None,
        "working_set": int(rest) if ladder else None,
        "value": value,
        "samples": list((value,) if samples is None and value is not None else samples or ()),
    }


L1, L2, MEMORY = 32 << 10, 1 << 20, 128 << 20

PROBES = [
    probe("launch/latency", 2e-6),
    probe("fma/float32", 100 * GIGA),
    probe("matmul/float32", 90 * GIGA),
    probe("fma/float64", 50 * GIGA),
    probe("dot/int8", 300 * GIGA),
    probe("matmul/int8", 400 * GIGA),
    *(
        probe(f"{kind}/{size}", value * factor)
        for kind, factor in (("read", 1.0), ("copy", 0.5), ("triad", 0.25))
        for size, value in ((L1, 160 * GIGA), (L2, 80 * GIGA), (MEMORY, 40 * GIGA))
    ),
]


def case(flops, moved, *shapes, dtype="float32", cache="cold") -> dict:
    operands = [{"shape": list(shape), "dtype": dtype} for shape in shapes]
    return {"flops": flops, "bytes": moved, "dtype": dtype, "operands": operands, "cache": cache}


N = 8 << 20  # elements: 32 MiB of float32


def test_compute_bound():
    """2 * 2048**3 operations at 100e9 take 172 ms; 48 MiB at triad's 10e9 take 5 ms."""
    side = 2048
    found = roof(PROBES, case(2.0 * side**3, 3 * 4 * side**2, (side, side), (side, side)))
    assert found == {"bound": "compute", "probe": "fma/float32", "seconds": pytest.approx(2 * side**3 / 100e9)}


def test_the_best_of_hard_and_reachable_counts():
    found = roof(PROBES, case(1e12, 1e6, (1000, 1000), dtype="int8"))
    assert (found["probe"], found["seconds"]) == ("matmul/int8", pytest.approx(2.5))


@pytest.mark.parametrize(
    ("moved", "shapes", "expected", "seconds"),
    [
        (4 * N + 4, [(N,)], f"read/{MEMORY}", (4 * N + 4) / 40e9),
        (8 * N, [(N,)], f"copy/{MEMORY}", 8 * N / 20e9),
        (12 * N, [(N,), (N,)], f"triad/{MEMORY}", 12 * N / 10e9),
        (16 * N, [(N,), (N,), (N,)], f"triad/{MEMORY}", 16 * N / 10e9),
        (4 * N + 8192 + 4096, [(1024, N // 1024), (N // 1024,)], f"read/{MEMORY}", (4 * N + 12288) / 40e9),
        (8 * N + 4 * 1024, [(N // 1024, 1024), (1024,)], f"copy/{MEMORY}", (8 * N + 4096) / 20e9),
    ],
    ids=["reduction", "one in, one out", "two in", "three in", "matrix times vector", "a row added to a matrix"],
)
def test_memory_bound_cold(moved, shapes, expected, seconds):
    found = roof(PROBES, case(float(N), moved, *shapes))
    assert found == {"bound": "memory", "probe": expected, "seconds": pytest.approx(seconds)}


@pytest.mark.parametrize(
    ("elements", "rung"), [(2048, L1), (4096, L1), (4097, L2), (131072, L2), (131073, MEMORY), (1 << 30, MEMORY)]
)
def test_memory_bound_warm_in_each_level(elements, rung):
    """One operand in, one result of the same size out: the smallest rung that holds 8 bytes per element, and the
    largest where none does."""
    without_latency = [p for p in PROBES if p["id"] != "launch/latency"]
    found = roof(without_latency, case(0.0, 8 * elements, (elements,), cache="warm"))
    assert (found["bound"], found["probe"]) == ("memory", f"copy/{rung}")
    value = next(p["value"] for p in PROBES if p["id"] == f"copy/{rung}")
    assert found["seconds"] == pytest.approx(8 * elements / value)


def test_a_rung_that_was_bound_by_its_launch_is_no_limit():
    slow_start = [probe(f"copy/{L1}", 2 * GIGA), probe(f"copy/{L2}", 80 * GIGA), probe(f"copy/{MEMORY}", 20 * GIGA)]
    found = roof(slow_start, case(0.0, 8 * 1024, (1024,), cache="warm"))
    assert found["probe"] == f"copy/{L2}"


def test_launch_bound():
    """4 KiB at 80e9 take 51 ns, less than the 2 us of a launch."""
    found = roof(PROBES, case(512.0, 4096, (512,), cache="warm"))
    assert found == {"bound": "launch", "probe": "launch/latency", "seconds": 2e-6}


def test_the_fastest_launch_is_the_limit():
    noisy = [p for p in PROBES if p["id"] != "launch/latency"] + [probe("launch/latency", 2e-6, (3e-6, 1.5e-6, 2e-6))]
    assert roof(noisy, case(512.0, 4096, (512,), cache="warm"))["seconds"] == 1.5e-6


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_16_bit_float_has_the_better_of_its_own_probe_and_float32_s(dtype):
    big = case(1e12, 1e6, (1000, 500), dtype=dtype)
    assert roof(PROBES, big)["probe"] == "fma/float32"
    # float16's exp is computed in float32, and faster than a product of float16 that is not on matrix units
    assert roof([*PROBES, probe(f"matmul/{dtype}", 50 * GIGA)], big)["probe"] == "fma/float32"
    assert roof([*PROBES, probe(f"matmul/{dtype}", 50_000 * GIGA)], big)["probe"] == f"matmul/{dtype}"


def test_a_dtype_without_probe_is_bound_by_memory_or_not_known():
    streaming = case(float(N), 12 * N, (N,), (N,), dtype="int32")
    assert roof(PROBES, streaming) == roof(PROBES, {**streaming, "dtype": "float32"})
    assert roof(PROBES, case(1e12, 1e6, (500, 500), dtype="int32")) is None
    assert roof(PROBES, case(1e12, 1e6, (500, 500)))["bound"] == "compute", "the control: float32 has a probe"


def test_without_probes_there_is_no_roof():
    one = case(1e12, 12e6, (1000, 1000), (1000, 1000))
    assert roof([], one) is None
    assert roof([probe("launch/latency", 2e-6)], one) is None
    assert roof([probe("fma/float32", None), probe(f"triad/{MEMORY}", None)], one) is None, "refused probes"


def test_another_kind_stands_for_one_that_was_refused():
    some = [p for p in PROBES if p["kind"] != "triad"]
    assert roof(some, case(float(N), 12 * N, (N,), (N,)))["probe"] == f"copy/{MEMORY}"


@pytest.mark.parametrize(("flops", "moved"), [(None, None), (0.0, 0.0)])
def test_unknown_work_has_no_roof(flops, moved):
    assert roof(PROBES, case(flops, moved, (4,))) is None
