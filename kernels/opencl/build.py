"""Sources put together: definitions, the scalar prelude, generated functions, then .cl files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from accel.backends.base import Call, Launch, Slot
from accel.scalar import Program, Step, opencl
from accel.scalar.expr import schedule

if TYPE_CHECKING:
    from accel.backends.opencl_device import OpenCLDevice

STORAGE = {
    "bool": "uchar",
    "int8": "char",
    "int16": "short",
    "int32": "int",
    "int64": "long",
    "uint8": "uchar",
    "uint16": "ushort",
    "uint32": "uint",
    "uint64": "ulong",
    "float16": "ushort",
    "bfloat16": "ushort",
    "float32": "float",
    "float64": "double",
}
"""OpenCL C type that holds an element of a dtype in memory."""

IN_ORDER = '#define IN_ORDER _Pragma("clang loop vectorize(disable) interleave(disable)")\n'
"""What stands before a loop that adds one number after the other to a scalar. Intel's CPU runtime (2026.2.0) makes
several sums of such a loop, which it joins behind it, where a work-group's items do not fill its vectors."""

ARGUMENT_BYTES = 1024
"""Bytes of arguments that every OpenCL device takes (CL_DEVICE_MAX_PARAMETER_SIZE at least)."""


COSTS = {"const": 0, "arg": 0, "bitcast": 0, "div": 8, "sqrt": 40, "idiv": 20}
"""Operations that a primitive of expressions counts for; others for one. Where the device rounds no root of float32
correctly, it is one of float64."""

WIDE = ("float64", "int64", "uint64")

LIGHT, LIGHT_ALONE = 1 << 18, 1 << 22
"""Work of a launch (see `launch`) up to which a CPU device's calling thread does it as fast alone, some 15 us, if the
others wake as fast as those of Intel's runtime; the second, of a launch of one work-group, which one thread has to do
in any case."""


def device_of(call: Call) -> OpenCLDevice:
    """The device of a call, which is this backend's."""
    return call.device  # type: ignore[return-value]


@lru_cache(maxsize=8)
def text(stem: str) -> str:
    """The OpenCL C of one file."""
    return (Path(__file__).parent / f"{stem}.cl").read_text(encoding="utf-8")


def assemble(
    stems: Sequence[str], definitions: Mapping[str, object], functions: str, *, fp64: bool, correctly_rounded: bool
) -> str:
    """The whole translation unit. correctly_rounded: the device divides and takes roots of float32 correctly
    rounded."""
    head = opencl.FP64_PRAGMA if fp64 else ""
    if not correctly_rounded:
        head += "#define ACCEL_SOFT_DIVIDE\n"
    defined = "".join(f"#define {name} {value}\n" for name, value in definitions.items())
    return f"{head}{opencl.PRELUDE}{IN_ORDER}{defined}{functions}{''.join(map(text, stems))}"


def cast(source: str, target: str) -> Program:
    """The program that casts one dtype to another."""
    return Program((source,), () if source == target else (Step("cast", target, (0,)),), target)


@lru_cache(maxsize=256)
def function(program: Program, name: str) -> str:
    """A program as a function of that name."""
    return opencl.print_program(program, name)


@lru_cache(maxsize=256)
def procedure(program: Program, name: str) -> str:
    """A program as a function of that name that stores its results, one or several."""
    return opencl.print_results(program, name)


def uses_fp64(*programs: Program) -> bool:
    """Whether any of the programs computes in float64."""
    return any(opencl.uses_fp64(program) for program in programs)


@lru_cache(maxsize=256)
def operations(program: Program) -> int:
    """What a program computes for one element, as `launch` counts it."""
    return sum(COSTS.get(node.op, 1) * (2 if node.dtype in WIDE else 1) for node in schedule(*program.expressions()))


def index_types(*values: int) -> dict[str, str]:
    """INDEX and UINDEX that hold these offsets and lengths, and the sum of two of them."""
    wide = any(abs(value) >= 1 << 30 for value in values)
    return {"INDEX": "long", "UINDEX": "ulong"} if wide else {"INDEX": "int", "UINDEX": "uint"}


def pack(types: Mapping[str, object], *values: int) -> np.ndarray:
    """A struct of INDEX fields, as a kernel takes it."""
    return np.array(values, np.int64 if types["INDEX"] == "long" else np.int32)


def launch(
    device: OpenCLDevice,
    kernel: Any,
    operands: tuple[Slot, ...],
    size: tuple[int, ...],
    local: tuple[int, ...],
    units: Sequence[int] | None = None,
    work: float = inf,
) -> Launch:
    """The launch of a kernel object of its own whose other arguments are set. size, local: of the whole range and of a
    work-group. units: bytes of an element where an operand is scratch, else 1. work: float32 that are read or
    written, and operations that take as long; infinite where nobody counts them."""
    light = work <= (LIGHT_ALONE if size == local else LIGHT * device.waking)
    run = device.launch(kernel, size, local, tuple(units or (1,) * len(operands)), light)
    return Launch(run, operands, kernel, size)


def set_numbers(device: OpenCLDevice, kernel: Any, first: int, *values: object) -> None:
    """Sets the arguments from number `first` on: structs as arrays, lengths as integers (ulong)."""
    for i, value in enumerate(values, first):
        number = value if isinstance(value, np.ndarray) else np.uint64(value)
        device.served(partial(kernel.set_arg, i, number))
