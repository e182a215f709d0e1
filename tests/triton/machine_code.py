"""What the machine code of a kernel says without running it: registers, spills, occupancy, accesses, the main loop.

NVIDIA's is read as cuobjdump and nvdisasm print it, which come with Triton; AMD's as its compiler's assembly. Peaks of
the chips are those that their makers publish, of one die where a card has two.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import triton

KIB = 1024


class Chip(NamedTuple):
    """A chip that a target stands for. cores: multiprocessors, compute units, or pairs of these on gfx11 and later (a
    work-group has both). Of each: warps at once, KiB of shared memory, instructions of a warp begun in a cycle.
    GHz: the boost clock. GB/s: of memory."""

    name: str
    cores: int
    warps: int
    shared: int
    issues: int
    ghz: float
    gbs: float


CHIPS = {
    "sm_80": Chip("A100 80 GB SXM", 108, 64, 164, 4, 1.41, 2039),
    "sm_90": Chip("H100 SXM", 132, 64, 228, 4, 1.98, 3350),
    "sm_100": Chip("B200", 148, 64, 228, 4, 1.85, 8000),
    "gfx90a": Chip("MI250X, one die", 110, 32, 64, 4, 1.7, 1638),
    "gfx942": Chip("MI300X", 304, 32, 64, 4, 2.1, 5300),
    "gfx950": Chip("MI355X", 256, 32, 160, 4, 2.4, 8000),
    "gfx1100": Chip("RX 7900 XTX", 48, 64, 128, 4, 2.5, 960),
    "gfx1201": Chip("RX 9070 XT", 32, 64, 128, 4, 2.97, 640),
}

# an instruction of a warp that multiplies and adds: of matrix units, or of each lane
MATRIX = re.compile(r"[HIDQ]G?MMA\b|UT[CQ]?[HIQO]?MMA\b|v_s?(?:w|mfma|wmma|mfmac)\w*_|v_(?:s?wmma|s?mfmac?)_")
FUSED = re.compile(r"(?:[FD]FMA2?|HFMA2)\b|v_(?:pk_|dual_)?(?:fma|fmac|fmaak|fmamk)_f\d\d|v_dot\d")
ASYNCHRONOUS = re.compile(r"LDGSTS|UTMALDG|UBLKCP|(?:global|buffer)_load_\w*lds|(?:global|buffer)_load_async")
GLOBAL = re.compile(r"(LDG|STG|LDGSTS)\.E\S*|(?:global|buffer)_(?:load|store)_\w+")
NOTHING = re.compile(r"NOP\b|s_nop\b|s_delay_alu\b|s_waitcnt\w*|s_wait_\w+|s_code_end\b")
"""What takes no unit's time."""


@dataclass(frozen=True)
class Figures:
    """Of one compiled kernel.

    registers: of a lane, with AMD's accumulation registers. spills: bytes in NVIDIA's local memory, registers on AMD,
    vector and scalar ones. shared: bytes of shared memory of a program. occupancy: the share of a core's warps that
    registers and shared memory let be there at once. wide: the share of instructions on global memory that move 16
    bytes of a lane; None without any. copies: asynchronous ones into shared memory. matrix: instructions of matrix
    units. instructions: all. loops: branches backward. loop: instructions of the main loop, which is the innermost with
    most multiply-adds; per_fma: how many there are to one multiply-add; None where no loop has any.
    """

    registers: int
    spills: int
    shared: int
    occupancy: float
    wide: float | None
    copies: int
    matrix: int
    instructions: int
    loops: int
    loop: int | None
    per_fma: float | None


def figures(kernel: Any, architecture: str) -> Figures:
    """Of what Triton compiled for an architecture."""
    read = _nvidia if "cubin" in kernel.asm else _amd
    lines, registers, spills, limit = read(kernel)
    chip, warps = CHIPS[architecture], kernel.metadata.num_warps
    fit = min(limit(chip) // warps, chip.warps // warps)
    if kernel.metadata.shared:
        fit = min(fit, chip.shared * KIB // kernel.metadata.shared)
    accesses = [line for line in lines if GLOBAL.match(line)]
    wide = sum(bool(re.search(r"\.128\b|dwordx4|b128", access)) for access in accesses)
    found = loops(lines)
    body = main_loop(lines, found)
    work = sum(map(multiply_adds, body))
    code = instructions(lines)
    return Figures(
        registers=registers,
        spills=spills,
        shared=kernel.metadata.shared,
        occupancy=round(fit * warps / chip.warps, 2),
        wide=round(wide / len(accesses), 2) if accesses else None,
        copies=sum(bool(ASYNCHRONOUS.match(line)) for line in lines),
        matrix=sum(bool(MATRIX.match(line)) for line in lines),
        instructions=len(code),
        loops=len(found),
        loop=len(instructions(body)) if work else None,
        per_fma=round(len(instructions(body)) / work, 2) if work else None,
    )


def instructions(lines: list[str]) -> list[str]:
    """Lines but for labels and what takes no unit's time."""
    return [line for line in lines if not line.endswith(":") and not NOTHING.match(line)]


def multiply_adds(line: str) -> int:
    """Multiply-add instructions in a line: a matrix unit's is one, a packed or dual one two."""
    if MATRIX.match(line):
        return 1
    found = FUSED.findall(line)
    return sum(2 if re.search(r"FMA2\b|pk_", each) else 1 for each in found)


def loops(lines: list[str]) -> list[tuple[int, int]]:
    """From a label to the last branch back to it; a branch to itself, behind a kernel's end, is none."""
    labels = {line[:-1]: at for at, line in enumerate(lines) if line.endswith(":")}
    ends: dict[int, int] = {}
    for at, line in enumerate(lines):
        for name in re.findall(r"(?:BRA\S*.*?|s_c?branch\S*\s+)`?\(?(\.?L\w+)", line):
            if (begin := labels.get(name, at)) < at - 1:
                ends[begin] = at
    return list(ends.items())


def main_loop(lines: list[str], found: list[tuple[int, int]]) -> list[str]:
    """The lines of the innermost loop with most multiply-adds."""
    inner = [one for one in found if not any(one[0] <= b and e <= one[1] and (b, e) != one for b, e in found)]
    bodies = [lines[begin : end + 1] for begin, end in inner]
    return max(bodies, key=lambda body: sum(map(multiply_adds, body)), default=[])


def _nvidia(kernel: Any) -> tuple[list[str], int, int, Any]:
    tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder) / "kernel.cubin"
        binary.write_bytes(kernel.asm["cubin"])
        usage, listing = (
            subprocess.run([*command, binary], capture_output=True, encoding="utf-8", check=True).stdout
            for command in ([tools / "cuobjdump", "-res-usage"], [tools / "nvdisasm", "-c"])
        )
    ((registers, local),) = re.findall(r"REG:(\d+).*?LOCAL:(\d+)", usage)
    lines = []
    for line in listing.splitlines():
        if label := re.match(r"(\.L_x_\d+):", line):
            lines.append(f"{label[1]}:")
        elif code := re.match(r"\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?(.*?)\s*;", line):
            lines.append(code[1])
    held = -(-int(registers) // 8) * 8
    return lines, int(registers), int(local), lambda chip: 65536 // (32 * held)


def _amd(kernel: Any) -> tuple[list[str], int, int, Any]:
    assembly = kernel.asm["amdgcn"]

    def said(name: str) -> int:
        found = re.findall(rf"{name}:\s+(\d+)", assembly)
        return int(found[0]) if found else 0

    lines = []
    for line in assembly.split(".section\t.rodata")[0].splitlines():
        if label := re.match(r"(\.LBB\w+):", line):
            lines.append(f"{label[1]}:")
        elif code := re.match(r"\t([a-z]\w+.*?)\s*(?:;.*)?$", line):
            lines.append(code[1])
    spills = said(r"\.vgpr_spill_count") + said(r"\.sgpr_spill_count")
    registers = said(r"\.vgpr_count")
    if "; TotalNumVgprs" in assembly:
        registers = said("; TotalNumVgprs")
    waves = said("; Occupancy")  # of a SIMD, by registers; a core has as many SIMDs as it begins instructions
    return lines, registers, spills, lambda chip: waves * chip.issues


def share_of_memory(of: Figures, warps: int, programs: int, moved: int, architecture: str) -> float | None:
    """How near a kernel without loops comes to the speed of memory, if that and beginning instructions are all that
    takes time: bytes moved at the published peak over instructions begun at theirs, at most 1."""
    if of.loops:
        return None
    chip = CHIPS[architecture]
    memory = moved / chip.gbs
    issue = programs * warps * of.instructions / (chip.cores * chip.issues * chip.ghz)
    return round(min(1.0, memory / issue), 2)
