"""What makes the last program instance see all others' results, in the machine code of each target: waits, barriers,
atomics of the device's scope, and caches that are dropped, in this order."""

from __future__ import annotations

import re
import textwrap

import pytest
from machine_code import figures
from triton_cases import TARGETS, Recorder, compiled, row_case
from triton_rows import logsumexp

from accel.backends.triton_kernel import Pointer, Specialization

PTX = (
    r"atom\.global\.gpu\.acquire\.exch",
    r"bar\.sync",
    r"atom\.global\.gpu\.acq_rel\.add\.u64",
    r"bar\.sync",
    r"ld\.global\.cg",
)


def amd(put, wait, count, drop, before=()):
    return (put, wait, *before, count, drop, r"(?:global|buffer)_load_(?:dword|b32|b64)")


CDNA3 = amd(
    r"global_atomic_swap(?:_x2)? v\S+ v\S+ off$",
    r"s_waitcnt vmcnt\(0\)",
    r"global_atomic_add_x2 .*sc0",
    r"buffer_inv sc1",
    (r"buffer_wbl2 sc1", r"s_waitcnt vmcnt\(0\)"),
)
"""Results are awaited by each wave; the die's cache is written back for all dies, then dropped: sc1 is the device."""

EXPECTED = {
    "sm_": PTX,
    "gfx90a": amd(
        r"global_atomic_swap(?:_x2)? v", r"s_waitcnt vmcnt\(0\)", r"global_atomic_add_x2 .*glc", r"buffer_wbinvl1_vol"
    ),
    "gfx94": CDNA3,
    "gfx95": CDNA3,
    "gfx11": amd(
        r"global_atomic_swap_b(?:32|64) v",
        r"s_waitcnt_vscnt null, 0x0",
        r"global_atomic_add_u64 .*glc",
        r"buffer_gl1_inv",
    ),
    "gfx12": amd(
        r"global_atomic_swap_b(?:32|64) v.*SCOPE_DEV",
        r"s_wait_storecnt 0x0",
        r"global_atomic_add_u64 .*TH_ATOMIC_RETURN scope:SCOPE_DEV",
        r"global_inv scope:SCOPE_DEV",
    ),
}


def arrives(kernel, architecture):
    """How many of the steps that are expected follow each other: all, if it is right. Between results and the wait for
    them no instance is counted and no barrier passed."""
    expected = next(steps for name, steps in EXPECTED.items() if architecture.startswith(name))
    text = kernel.asm["ptx"] if "ptx" in kernel.asm else kernel.asm["amdgcn"].split(".section\t.rodata")[0]
    lines = [line.split(";")[0].strip() if "ptx" not in kernel.asm else line for line in text.splitlines()]
    met, awaited = 0, True
    for line in lines:
        if "ptx" not in kernel.asm:
            if re.search(expected[0], line) and met < len(expected) - 3:
                awaited = False
            awaited = awaited or bool(re.search(expected[1], line))
            if not awaited and re.search(r"s_barrier|atomic_add", line):
                return met
        if met < len(expected) and re.search(expected[met], line):
            met += 1
    return met


def steps(architecture):
    return next(len(steps) for name, steps in EXPECTED.items() if architecture.startswith(name))


@pytest.mark.parametrize("architecture", TARGETS)
@pytest.mark.parametrize("case", ["max of all", pytest.param("argmax of long rows", marks=pytest.mark.slow)])
def test_results_are_seen(case, architecture):
    ((what, kernel),) = compiled(case, architecture)
    assert what.counters
    assert arrives(kernel, architecture) == steps(architecture)


@pytest.mark.parametrize("architecture", ["sm_90", "gfx942"])
def test_results_of_row_programs_are_seen(architecture):
    """By the last instance of each row, in the launch of the last folds; nothing spills."""
    device = Recorder(architecture)
    row_case(logsumexp(), 4, 128256)(device)
    first, what = device.prepared
    kernel = what.compile(TARGETS[architecture], True)
    assert (first.counters, what.counters) == (0, 4)
    assert arrives(kernel, architecture) == steps(architecture)
    assert figures(kernel, architecture).spills == 0


WRONG = """
    import triton
    import triton.language as tl


    @triton.jit
    def stored(out, x, counters, n, INDEX: tl.constexpr):
        i = tl.arange(0, 256)
        tl.store(x + tl.program_id(0) * 256 + i, i.to(tl.float32))
        tl.debug_barrier()
        if tl.atomic_add(counters, 1, sem="acq_rel", scope="gpu") == n - 1:
            tl.atomic_xchg(counters, 0, sem="relaxed", scope="gpu")
            tl.store(out + i, tl.load(x + i, cache_modifier=".cg"))


    @triton.jit
    def relaxed(out, x, counters, n, INDEX: tl.constexpr):
        i = tl.arange(0, 256)
        words = (x + tl.program_id(0) * 256 + i).to(tl.pointer_type(tl.int32), bitcast=True)
        tl.atomic_xchg(words, i, sem="relaxed", scope="gpu")
        tl.debug_barrier()
        if tl.atomic_add(counters, 1, sem="relaxed", scope="gpu") == n - 1:
            tl.atomic_xchg(counters, 0, sem="relaxed", scope="gpu")
            tl.store(out + i, tl.load(x + i, cache_modifier=".cg"))
"""


@pytest.mark.parametrize("architecture", ["sm_90", "gfx942", "gfx1100"])
@pytest.mark.parametrize("name", ["stored", "relaxed"])
def test_what_is_missing_is_seen(tmp_path, name, architecture):
    """Control: results that are stored, which on AMD no barrier waits for, and atomics that order nothing."""
    path = tmp_path / "wrong.py"
    path.write_text(textwrap.dedent(WRONG), encoding="utf-8")
    pointers = {"out": Pointer("float32"), "x": Pointer("float32"), "counters": Pointer("int64")}
    kernel = Recorder(architecture).kernel(str(path), name)
    what = Specialization(kernel, pointers | {"n": 64, "INDEX": None}, num_warps=4, counters=1)
    found = arrives(what.compile(TARGETS[architecture], True), architecture)
    assert found < steps(architecture)
