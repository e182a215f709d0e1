"""Writes docs/gpu-code.md, what the machine code of Triton's kernels says for GPUs, and its figures, gpu-code.json.

python docs/gpu_code.py    compiles every case of tests/fixtures/triton_cases.py for every target: minutes

The tests compile the kernels too, and fail where a figure differs from the file's.
"""

from __future__ import annotations

import json
import sys
from dataclasses import astuple, fields
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "fixtures"))

from machine_code import CHIPS, Figures, figures, share_of_memory  # noqa: E402
from triton_cases import CASES, TARGETS, compiled, recorded  # noqa: E402

INTRODUCTION = """# The machine code of kernels on GPUs

What Triton's compilers make of the kernels, read without running them. `python docs/gpu_code.py` compiles
the cases of `tests/fixtures/triton_cases.py` and writes this page and `gpu-code.json`; the tests compare the figures
with what they compile. No GPU is needed, and none of it is a measurement.

- *regs*: registers of a lane. *spills*: bytes in memory on NVIDIA, registers on AMD. *shared*: bytes of a program.
- *occupancy*: the share of a core's warps that registers and shared memory let be there at once.
- *wide*: the share of instructions on global memory that move 16 bytes of a lane. *async*: copies into shared memory
  beside computation. *matrix*: instructions of matrix units.
- *all*, *loop*: instructions of the kernel, and of its main loop, the innermost with most multiply-adds.
- *a fma*: instructions of the main loop to one multiply-add of a lane, or of a matrix unit. 1 is the peak of the
  vector units, but for AMD's dual and packed forms, which go below.
- *memory*: for kernels without loops, how near they come to the published speed of memory if that and beginning
  instructions are all that takes time.

A case of two launches has two lines: the second one of "fast" repairs tiles that had values that are no numbers.
"""

COLUMNS = ("case", "kernel", "regs", "spills", "shared", "occupancy", "wide", "async", "matrix", "all", "loop", "a fma",
           "memory")  # fmt: skip


def of_case(case: str, architecture: str) -> list[tuple[str, Figures, float | None]]:
    """Of each kernel that a case launches: its name, its figures and its share of the memory's speed."""
    device, found = recorded(case, architecture), []
    for (what, kernel), grid in zip(compiled(case, architecture), device.grids, strict=True):
        of, programs = figures(kernel, architecture), grid if isinstance(grid, int) else max(grid)
        alone = len(device.grids) == 1
        share = share_of_memory(of, what.num_warps, programs, device.moved, architecture) if alone else None
        found.append((what.name, of, share))
    return found


def page(known: dict[str, dict[str, list[tuple[str, Figures, float | None]]]]) -> str:
    parts = [INTRODUCTION]
    for architecture in TARGETS:
        chip = CHIPS[architecture]
        parts.append(f"\n## {architecture}\n\nPeaks are of {chip.name}: {chip.gbs:,} GB/s.\n\n")
        parts.append(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n")
        for case, targets in known.items():
            for name, f, share in targets[architecture]:
                cells = (case, name, f.registers, f.spills, f.shared, f.occupancy, f.wide, f.copies, f.matrix,
                         f.instructions, f.loop, f.per_fma, share)  # fmt: skip
                parts.append(f"| {' | '.join('' if c is None else str(c) for c in cells)} |\n")
    return "".join(parts)


def main() -> None:
    known = {}
    for at, case in enumerate(CASES, 1):
        print(f"{at} of {len(CASES)}: {case}", flush=True)
        known[case] = {architecture: of_case(case, architecture) for architecture in TARGETS}
    lines = [
        f"  {json.dumps(f'{case} / {architecture}')}: {json.dumps([[name, *astuple(f)] for name, f, _ in kernels])}"
        for case, targets in known.items()
        for architecture, kernels in targets.items()
    ]
    head = f'  "figures": {json.dumps(["kernel", *(field.name for field in fields(Figures))])}'
    (HERE / "gpu-code.json").write_text("{\n" + ",\n".join([head, *lines]) + "\n}\n", encoding="utf-8")
    (HERE / "gpu-code.md").write_text(page(known), encoding="utf-8")


if __name__ == "__main__":
    main()
