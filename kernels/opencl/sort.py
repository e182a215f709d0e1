"""Sorting along one axis: runs, in local memory or by single work-items, then one launch for each doubling of them."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Launch, Prepared, Slot
from accel.dtypes import DType
from accel.layout import collapse, span
from accel.sort_keys import key_rule

from . import build

BLOCK = 1024
"""Elements of a work-group's run at most; with them 2^20 elements take 11 launches."""

ITEMS = 128
"""Work-items of a block at most."""

PART = 1 << 14
"""Elements of a row that are worth a work-item of a CPU device, which sorts them alone."""

FEW = 48
"""Elements of a row up to which such a work-item inserts them one by one."""

WORK_EACH, WORK_DIGIT = 40, 40
"""Work of an element, and of each byte of it, as `build.launch` counts it."""

CHUNK = {"lanes": 16, "loops": 4096}
"""Elements that a work-item merges, by geometry; each divides twice any run's."""

KEYS = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}
"""OpenCL C type of a key by the bytes of an element."""


def key_definitions(dtype: DType, descending: bool) -> dict[str, object]:
    """What sort_keys.cl needs defined."""
    rule, suffix = key_rule(dtype, descending), "UL" if dtype.itemsize == 8 else "U"
    constants = {"SIGN": rule.sign, "INFINITE": rule.infinity, "FLIP": rule.flip}
    return {"KEY": KEYS[dtype.itemsize], **{name: f"{value}{suffix}" for name, value in constants.items()}}


def parts_of(rows: int, n: int, units: int) -> tuple[int, int]:
    """How many runs a CPU device sorts of each row, and the elements of one: as many as keep its compute units busy."""
    parts = max(1, min(-(-units // rows), n // PART))
    run = n if parts == 1 else -(-n // parts // CHUNK["loops"]) * CHUNK["loops"]
    return -(-n // run), run


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
    rows, geometry, units = x.size // n, device.geometry, device.details["compute units"]
    steps = x.strides[params.axis], out.strides[params.axis]
    reach = [b for its, step in zip((source, target), steps, strict=True) for b in span((*shape, n), (*its, step))]
    size = x.dtype.itemsize
    types = build.index_types(rows * n, *reach)
    width = 8 if types["INDEX"] == "long" else 4
    fields = build.pack(types, *shape, *source, *target, *steps, out.shape[params.axis])
    common = {
        **types,
        **key_definitions(x.dtype, params.descending),
        "INDICES": int(indices),
        "KEPT": len(shape),
    }
    scratch: list[int] = []
    widths: list[int] = []

    def pieces(elements: int) -> list[Slot]:
        """Scratch for so many keys, and for as many indices where there are some."""
        found = []
        for nbytes in (size, width) if indices else (size,):
            found.append(Slot("scratch", len(scratch)))
            scratch.append(elements * nbytes)
            widths.append(nbytes)
        return found

    work = rows * n * (WORK_EACH + WORK_DIGIT * size)

    def made(last: bool, more: dict[str, int], operands: list[Slot], numbers: tuple[int, ...], groups: int, each: int):
        text = build.assemble(
            ("sort_keys", "sort", f"sort_{geometry}"),
            {**common, "LAST": int(last), **more},
            "",
            fp64=False,
            correctly_rounded=True,
        )
        kernel = device.kernel(f"kernels/opencl/sort_{geometry}.cl", text, "sort")
        build.set_numbers(device, kernel, 2 * len(operands), fields, *numbers)
        its_units = [widths[s.index] if s.kind == "scratch" else 1 for s in operands]
        return build.launch(device, kernel, tuple(operands), (groups * each,), (each,), its_units, work)

    launches: list[Launch] = []
    if geometry == "loops":
        parts, run = parts_of(rows, n, units)
        passes, runs = (parts - 1).bit_length(), rows * parts
        kept_in = [pieces(rows * n) for _ in range(min(2, passes))]
        to = kept_in[0] if passes else [Slot("output")]
        each, short = -(-runs // (4 * units)), run <= FEW
        items = -(-runs // each)
        halves = [] if short else pieces(2 * run * items)
        # Intel's compiler gets rows of one element wrong where its vectors have 512 bits
        more = {"RUN": max(2, run), "SHORT": int(short)}
        operands = [*to, *halves, Slot("input")]
        launches.append(made(passes == 0, more, operands, (n, parts, runs, each), items, 1))
        groups_of = 1
    else:
        run = min(BLOCK, 1 << (n - 1).bit_length())
        parts, items = -(-n // run), max(1, min(ITEMS, run // 2))
        passes = (parts - 1).bit_length()
        kept_in = [pieces(rows * n) for _ in range(2 if passes else 0)]
        to = kept_in[0] if passes else [Slot("output")]
        more = {"BLOCK": run, "ITEMS": items}
        launches.append(made(passes == 0, more, [*to, Slot("input")], (n, parts), rows * parts, items))
        groups_of = 64
    chunk = CHUNK[geometry]
    chunks = -(-n // chunk)
    for number in range(passes):
        last = number == passes - 1
        to = [Slot("output")] if last else kept_in[1 - number % 2]
        groups = -(-rows * chunks // groups_of)
        operands = [*to, *kept_in[number % 2]]
        numbers = (n, run << number, chunks, rows)
        launches.append(made(last, {"CHUNK": chunk}, operands, numbers, groups, groups_of))
    return Prepared(tuple(launches), tuple(scratch))


KERNELS = (Kernel("sort", "opencl.sort", "opencl/sort.cl", _supports, _prepare),)
