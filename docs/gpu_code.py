"""Writes docs/gpu-code.md, what the machine code of kernels says for GPUs, and its figures, gpu-code.json.

python docs/gpu_code.py            compiles every case of tests/fixtures/triton_cases.py and intel_cases.py for every
                                   target: minutes. Needs triton, and ocloc (Debian package intel-opencl-icd)
python docs/gpu_code.py dg2 pvc    those of these targets; what the files say of the others stays
python docs/gpu_code.py --check    compiles one case of each kernel for sm_90, gfx942 and dg2, and fails where its code
                                   is worse than the file says (see `worse`). `make check` does so

The tests compile the kernels too, and fail where a figure of Triton's differs from the file's.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "fixtures"))

import intel_cases  # noqa: E402
import intel_code  # noqa: E402
import machine_code  # noqa: E402

INTRODUCTION = """# The machine code of kernels on GPUs

What compilers make of the kernels, read without running them: Triton's for NVIDIA and AMD, ocloc for OpenCL on Intel.
`python docs/gpu_code.py` compiles the cases of `tests/fixtures/triton_cases.py` and `intel_cases.py` and writes this
page and `gpu-code.json`; the tests compare the figures with what they compile, and `make check` those of a few cases.
No GPU is needed, and none of it is a measurement.

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

On AMD an array whose elements all lie less than 2 GiB behind its first, and none before it, is reached by buffer
instructions, which take a base and 32 bits of offset, and no branch where a lane has nothing to do. Without them these
kernels have 6 (gfx942) to 13 (gfx1100) percent more instructions, a float32 product on gfx1100 184 registers instead of
131, and its main loop 251 instructions instead of 216; float64 chains there have fewer registers.

gfx942 and gfx950 deal program instances to up to 8 dies in turn, each with a cache of its own. So products, attention
and convolutions number them anew, that a die's have neighbouring tiles: of a product of 32 by 32 tiles, a die reads 13
rows and columns of tiles for the first 304 program instances instead of 34 (`tests/triton/test_dies.py` counts them).

Products that are *streamed* or *divided* are choices of `accel tune`, never computed ones
([docs/tuning.md](tuning.md)). Their main loop has the finishing of a tile in it, which most of its turns pass by; where
the work is divided, *loop* is of the warps that multiply.

On Intel *regs* are of a thread: 128, or 256 for half the threads. *spills*: bytes. *shared*: bytes of local memory of a
work-group. *simd*: work-items of a thread. *bytes*: that a load from global memory brings a thread, on average, in the
main loop where there is one.
"""

COLUMNS = ("case", "kernel", "regs", "spills", "shared", "occupancy", "wide", "async", "matrix", "all", "loop", "a fma",
           "memory")  # fmt: skip

INTEL_COLUMNS = ("case", "kernel", "regs", "spills", "shared", "simd", "matrix", "bytes", "all", "loop", "a fma")

INTEL = {target.name: target for target in intel_code.TARGETS}

INTEL_NAMES = {"tgllp": "Gen12LP (Tiger Lake)", "dg2": "Xe-HPG (Arc A)", "pvc": "Xe-HPC (Data Center GPU Max)"}

FEW = {
    "sm_90": ("gelu bfloat16", "sum rows", "softmax, rows", "matmul float32", "matmul float16", "attention",
              "convolution", "quantized 4 bfloat16", "cholesky float64"),
    "gfx942": ("gelu bfloat16", "sum rows", "softmax, rows", "matmul float32", "matmul float16", "attention",
               "convolution", "quantized 4 bfloat16", "cholesky float64"),
    "dg2": ("exp", "sum rows", "softmax bfloat16, rows", "matmul float32", "matmul float16, matrix units",
            "matmul int8, matrix units", "attention", "convolution", "quantized 4 bfloat16",
            "quantized 4 float16, matrix units", "cholesky"),
}  # fmt: skip
"""What `--check` compiles: one case of each kernel, by target."""

RISE = 1.05
"""Instructions of the main loop to one multiply-add, over the file's, from which on code is worse."""

Rows = list[list[Any]]
"""Of each kernel of a case: its name and its figures."""


def of_triton(case: str, architecture: str) -> tuple[Rows, list[float | None]]:
    """Of each kernel that a case launches: its name, its figures and its share of the memory's speed."""
    from triton_cases import compiled, recorded

    device, rows, shares = recorded(case, architecture), [], []
    for (what, kernel), grid in zip(compiled(case, architecture), device.grids, strict=True):
        of, programs = machine_code.figures(kernel, architecture), grid if isinstance(grid, int) else max(grid)
        alone = len(device.grids) == 1
        moved = device.moved
        rows.append([what.name, *astuple(of)])
        shares.append(
            machine_code.share_of_memory(of, what.num_warps, programs, moved, architecture) if alone else None
        )
    return rows, shares


def of_intel(case: str, name: str) -> Rows:
    """Of each kernel of a case: its name and its figures; nothing where the target does not have the kernel."""
    made = intel_cases.CASES[case](INTEL[name])
    if made is None:
        return []
    source, options = made
    module = intel_code.compiled(INTEL[name], source, *options)
    return [[kernel, *astuple(of)] for kernel, of in intel_code.figures(INTEL[name], module)]


def section(title: str, said: str, columns: tuple[str, ...], rows: Rows) -> str:
    """A target's part of the page."""
    table = [columns, ["---"] * len(columns), *(["" if c is None else c for c in row] for row in rows)]
    lines = [
        f"| {' | '.join(map(str, row))} |" if i != 1 else f"|{'---|' * len(columns)}" for i, row in enumerate(table)
    ]
    return f"\n## {title}\n\n{said}" + "".join(f"{line}\n" for line in lines)


def of_target(name: str) -> tuple[dict[str, Rows], str]:
    """The figures of all cases for a target, by case, and its part of the page."""
    known: dict[str, Rows] = {}
    if name in INTEL:
        for case in intel_cases.CASES:
            print(f"{name}: {case}", flush=True)
            if rows := of_intel(case, name):
                known[case] = rows
        lines = [[case, *row] for case, rows in known.items() for row in rows]
        return known, section(name, f"{INTEL_NAMES[name]}, compiled by ocloc.\n\n", INTEL_COLUMNS, lines)
    from triton_cases import CASES

    lines = []
    for case in CASES:
        print(f"{name}: {case}", flush=True)
        known[case], shares = of_triton(case, name)
        for row, share in zip(known[case], shares, strict=True):
            kernel, registers, spills, shared, occupancy, wide, copies, matrix, count, _, loop, per_fma = row
            lines.append(
                [case, kernel, registers, spills, shared, occupancy, wide, copies, matrix, count, loop, per_fma, share]
            )
    chip = machine_code.CHIPS[name]
    return known, section(name, f"Peaks are of {chip.name}: {chip.gbs:,} GB/s.\n\n", COLUMNS, lines)


def published() -> dict[str, Any]:
    """What the file says."""
    return json.loads((HERE / "gpu-code.json").read_text(encoding="utf-8"))


def write(names: list[str]) -> None:
    """Both files: these targets anew, the others as they are."""
    every = [*machine_code.CHIPS, *INTEL]
    if unknown := [name for name in names if name not in every]:
        raise SystemExit(f"no such target: {', '.join(unknown)}; there are {', '.join(every)}")
    if intel_code.OCLOC is None and any(name in INTEL for name in names or every):
        raise SystemExit("ocloc is not installed (Debian package intel-opencl-icd)")
    parts = (HERE / "gpu-code.md").read_text(encoding="utf-8").split("\n## ")[1:]
    pages = {part.split("\n", 1)[0]: f"\n## {part.rstrip()}\n" for part in parts}
    figures = {key: rows for key, rows in published().items() if key.rpartition(" / ")[2] in every}
    for name in names or every:
        known, pages[name] = of_target(name)
        figures = {key: rows for key, rows in figures.items() if key.rpartition(" / ")[2] != name}
        figures |= {f"{case} / {name}": rows for case, rows in known.items()}
    heads = {
        "figures": ["kernel", *(field.name for field in fields(machine_code.Figures))],
        "figures of Intel": ["kernel", *(field.name for field in fields(intel_code.Figures))],
    }
    cases = list(dict.fromkeys(key.rpartition(" / ")[0] for key in figures))
    ordered = sorted(figures, key=lambda key: _place(key, cases, every))
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in heads.items()]
    lines += [f"  {json.dumps(key)}: {json.dumps(figures[key])}" for key in ordered]
    (HERE / "gpu-code.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    page = INTRODUCTION + "".join(pages[name] for name in every if name in pages)
    (HERE / "gpu-code.md").write_text(page, encoding="utf-8")


def _place(key: str, cases: list[str], targets: list[str]) -> tuple[bool, int, int]:
    """Where a key stands in the file: Intel's behind the others, by case, then by target."""
    case, _, target = key.rpartition(" / ")
    return target in INTEL, cases.index(case), targets.index(target)


def worse(names: list[str], want: Rows | None, got: Rows) -> Iterator[str]:
    """How code is worse than the file says: it spills more, has lost instructions of matrix units, or takes more than
    5 % more instructions to one multiply-add. names: of a row's columns."""
    if want is None or [row[0] for row in want] != [row[0] for row in got]:
        yield f"the file has the kernels {[row[0] for row in want or ()]}, there are {[row[0] for row in got]}"
        return
    for before, after in zip(want, got, strict=True):
        was, now = dict(zip(names, before, strict=True)), dict(zip(names, after, strict=True))
        if now["spills"] > was["spills"]:
            yield f"{now['kernel']} spills {now['spills']}, not {was['spills']}"
        if now["matrix"] < was["matrix"]:
            yield f"{now['kernel']} has {now['matrix']} instructions of matrix units, not {was['matrix']}"
        if was["per_fma"] is not None and (now["per_fma"] is None or now["per_fma"] > RISE * was["per_fma"]):
            yield f"{now['kernel']} takes {now['per_fma']} instructions to one multiply-add, not {was['per_fma']}"


def check() -> int:
    """Compares a few cases with the file; how many are worse."""
    known, faults = published(), []
    for target, cases in FEW.items():
        if target in INTEL and intel_code.OCLOC is None:
            print(f"{target}: not compared: no ocloc (Debian package intel-opencl-icd)")
            continue
        if target not in INTEL and importlib.util.find_spec("triton") is None:
            print(f"{target}: not compared: no triton (make test installs it)")
            continue
        names = known["figures of Intel" if target in INTEL else "figures"]
        for case in cases:
            got = of_intel(case, target) if target in INTEL else of_triton(case, target)[0]
            faults += [f"{case} / {target}: {how}" for how in worse(names, known.get(f"{case} / {target}"), got)]
        print(f"{target}: {len(cases)} cases compared")
    for fault in faults:
        print(f"worse than docs/gpu-code.json: {fault}", file=sys.stderr)
    if faults:
        print("if it is meant: python docs/gpu_code.py, which writes the files anew", file=sys.stderr)
    return len(faults)


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(check() > 0)
    write(sys.argv[1:])
