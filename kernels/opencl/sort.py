"""Sorting along one axis: blocks in local memory, then one launch for each doubling of the runs."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Launch, Prepared, Slot
from accel.dtypes import DType
from accel.layout import collapse, span
from accel.sort_keys import key_rule

from . import build

BLOCK = 1024
"""Elements of a block at most; with them 2^20 elements take 11 launches."""

ITEMS = 128
"""Work-items of a block at most."""

CHUNK = {"lanes": 16, "loops": 1024}
"""Elements that a work-item merges, by geometry; each divides 2 * BLOCK."""

KEYS = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}
"""OpenCL C type of a key by the bytes of an element."""


def key_definitions(dtype: DType, descending: bool) -> dict[str, object]:
    """What sort_keys.cl needs defined."""
    rule, suffix = key_rule(dtype, descending), "UL" if dtype.itemsize == 8 else "U"
    constants = {"SIGN": rule.sign, "INFINITE": rule.infinity, "FLIP": rule.flip}
    return {"KEY": KEYS[dtype.itemsize], **{name: f"{value}{suffix}" for name, value in constants.items()}}


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    device, (x,), (out,), params = build.device_of(call), call.inputs, call.outputs, call.params
    n, indices = x.shape[params.axis], params.kind == "indices"
    kept = [a for a in range(x.ndim) if a != params.axis]
    shape, (source, target) = collapse(
        tuple(x.shape[a] for a in kept), [tuple(its.strides[a] for a in kept) for its in (x, out)]
    )
    if not shape:
        shape, source, target = (1,), (0,), (0,)
    rows = x.size // n
    steps = x.strides[params.axis], out.strides[params.axis]
    block = min(BLOCK, 1 << (n - 1).bit_length())
    blocks, items = -(-n // block), max(1, min(ITEMS, block // 2))
    passes = (blocks - 1).bit_length()
    reach = [b for its, step in zip((source, target), steps, strict=True) for b in span((*shape, n), (*its, step))]
    size = x.dtype.itemsize
    types = build.index_types(rows * n, *reach)
    width = 8 if types["INDEX"] == "long" else 4
    fields = build.pack(types, *shape, *source, *target, *steps)
    common = {
        **types,
        **key_definitions(x.dtype, params.descending),
        "INDICES": int(indices),
        "KEPT": len(shape),
    }

    def made(last: bool, more: dict[str, int], operands: list[Slot], numbers: tuple[int, ...], groups: int, each: int):
        text = build.assemble(
            ("sort_keys", "sort"), {**common, "LAST": int(last), **more}, "", fp64=False, correctly_rounded=True
        )
        kernel = device.kernel("kernels/opencl/sort.cl", text, "sort")
        build.set_numbers(device, kernel, 2 * len(operands), fields, *numbers)
        units = [1 if s.kind != "scratch" else width if s.index >= 2 else size for s in operands]
        return build.launch(device, kernel, tuple(operands), (groups * each,), (each,), units)

    def kept_in(piece: int) -> list[Slot]:
        """Keys, and indices where there are some, of one of the two halves of the scratch."""
        return [Slot("scratch", piece), Slot("scratch", 2 + piece)] if indices else [Slot("scratch", piece)]

    launches: list[Launch] = []
    to = [Slot("output")] if passes == 0 else kept_in(0)
    launches.append(
        made(passes == 0, {"BLOCK": block, "ITEMS": items}, [*to, Slot("input")], (n, blocks), rows * blocks, items)
    )
    chunk = CHUNK[device.geometry]
    chunks = -(-n // chunk)
    for number in range(passes):
        last = number == passes - 1
        to = [Slot("output")] if last else kept_in(1 - number % 2)
        groups = -(-rows * chunks // 64)
        numbers = (n, block << number, chunks, rows)
        launches.append(made(last, {"CHUNK": chunk}, [*to, *kept_in(number % 2)], numbers, groups, 64))
    if passes == 0:
        return Prepared(tuple(launches))
    scratch = (rows * n * size,) * 2 + ((rows * n * width,) * 2 if indices else ())
    return Prepared(tuple(launches), scratch)


KERNELS = (Kernel("sort", "opencl.sort", "opencl/sort.cl", _supports, _prepare),)
