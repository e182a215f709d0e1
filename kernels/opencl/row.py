"""Row programs: one launch for all folds and steps of a row. Where rows are few and long their blocks are shared out,
with a launch for every pass and one that finishes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING

from accel.backends.base import Call, Kernel, Prepared, Slot, slots
from accel.dtypes import TABLE
from accel.layout import Shape, collapse, span
from accel.numerics import BLOCK, LANES
from accel.scalar import RowProgram

from . import build
from .row_items import Items
from .row_lanes import Lanes
from .row_loops import Loops
from .row_passes import Passes, passes
from .row_sub_groups import REGISTERS as SUB_GROUP_REGISTERS
from .row_sub_groups import SIZE, SubGroups
from .row_text import Form, Operand, Text

if TYPE_CHECKING:
    from accel.backends.opencl_device import OpenCLDevice

RANKS = (1, 2, 3, 4, 6, 8)
"""Numbers of kept and of reduced axes that kernels are compiled for; others are filled up with axes of length 1."""

LONGEST = BLOCK * BLOCK
"""Elements of a row: two levels of blocks."""

SHORT = (4, 16, LANES)
"""Classes of rows that have no more elements than lanes."""

REGISTERS = 4 * LANES, 32
"""Elements of a row that work-items hold in registers at most, and as many words of registers for each."""

HELD = 1024, 8192
"""Elements of a row that a work-group holds in local memory at most, and their bytes."""

PRIVATE = BLOCK, 1 << 16
"""The same for a work-item of a CPU device, in its private memory."""

COLUMNS = 32
"""Neighbouring rows that a work-group takes where their elements are neighbours; each has COLUMN_ITEMS work-items."""

COLUMN_ITEMS = 8

COLUMN_BYTES = 16384
"""Local memory of such a work-group at most, unless one row needs more."""

TEAMS = 4
"""Teams of work-items that take blocks of one row in turn."""

ITEM_ROWS = 16
"""Rows of a work-group whose work-items take a row each: as many as the widest SIMD register has float32."""

ITEM_LENGTH = 16
"""Elements of such a row at most: all of them are in registers."""

SUB_GROUP_CLASSES = (LANES, 2 * LANES, 4 * LANES, BLOCK // 4, BLOCK, 4 * BLOCK, 16 * BLOCK)
"""Classes of rows whose elements a sub-group holds: in registers, or in local memory where there is enough."""

LOCAL = 1 << 15
"""Bytes of local memory that every device has."""

FULL = 4
"""Work-groups for each compute unit that fill a device."""

MIN_LENGTH = 64
"""Elements that a row counts for at least where a launch's work is counted."""

WORK = 16384
"""Elements that a work-item of a CPU device takes, so that starting it costs little."""


TEXTS: dict[str, type[Text]] = {"lanes": Lanes, "loops": Loops, "items": Items, "sub-groups": SubGroups}


@dataclass(frozen=True)
class Rows:
    """Where the rows lie. kept, reduced: collapsed lengths. kept_strides: of every operand, outputs first.
    reduced_strides, steps: the same; strides are () and steps SAME for operands of each row."""

    kept: Shape
    kept_strides: tuple[Shape, ...]
    reduced: Shape
    reduced_strides: tuple[Shape, ...]
    steps: tuple[str, ...]
    columns: bool

    @property
    def count(self) -> int:
        return prod(self.kept)

    @property
    def length(self) -> int:
        return prod(self.reduced)


@dataclass(frozen=True)
class Kind:
    """What is compiled: all that the text of kernels depends on."""

    program: RowProgram
    steps: tuple[str, ...]
    kept: int
    reduced: int
    wide: bool
    form: Form

    @property
    def plan(self) -> Passes:
        return passes(self.program, self.form.held > 0)


def rows(call: Call) -> Rows:
    """The rows of a call, with as few axes as possible; kept axes in the order of the first operand's memory."""
    program, count = call.params.program, call.params.reduced
    operands = (*call.outputs, *call.inputs)
    each = [program.values[v].each for v in program.outputs] + [its.each for its in program.inputs]
    main = next((i for i in range(len(call.outputs), len(each)) if each[i]), 0)
    shape = operands[main].shape
    ndim = len(shape) - count
    order = sorted(range(ndim), key=lambda a: -abs(operands[main].strides[a]))
    kept, kept_strides = collapse(
        tuple(shape[a] for a in order), [tuple(x.strides[a] for a in order) for x in operands]
    )
    walked = [x.strides[ndim:] for x, its in zip(operands, each, strict=True) if its]
    reduced, reduced_strides = collapse(shape[ndim:], walked)
    if not reduced:  # one element: however it is walked, and other lengths of this layout walk so
        reduced, reduced_strides = (1,), [(min(1, abs(s[-1])),) for s in walked]
    kept, kept_strides = _filled(kept, kept_strides)
    reduced, reduced_strides = _filled(reduced, reduced_strides)
    found = iter(reduced_strides)
    strides = tuple(next(found) if its else () for its in each)
    steps = tuple({1: "UNIT", 0: "SAME"}.get(s[-1], "STRIDED") if s else "SAME" for s in strides)
    neighbours = kept[-1] >= COLUMNS // 2 and kept_strides[main][-1] == 1
    columns = neighbours and steps[main] == "STRIDED"
    return Rows(kept, tuple(kept_strides), reduced, strides, steps, columns)


def _filled(lengths: Shape, strides: list[Shape]) -> tuple[Shape, list[Shape]]:
    rank = next((r for r in RANKS if r >= len(lengths)), len(lengths))
    fill = rank - len(lengths)
    return (1,) * fill + lengths, [(0,) * fill + s for s in strides]


def form(program: RowProgram, its: Rows, geometry: str, units: int, items: int, local: int = LOCAL) -> Form:
    """The form of the kernels. units: compute units of the device; items: of its largest work-group; local: bytes of
    its local memory."""
    n, blocks = its.length, -(-its.length // BLOCK)
    plan = passes(program, True)
    shared = blocks > 1 and its.count < FULL * units and plan.levels <= 2
    sizes = [TABLE[program.values[v].dtype].itemsize for v in plan.held]
    if geometry == "loops":
        held = PRIVATE[0] if n <= PRIVATE[0] and 0 < sum(sizes) * PRIVATE[0] <= PRIVATE[1] else 0
        return Form(geometry, blocks > 1, shared, held)
    lanes = next((c for c in SHORT if n <= c), LANES)
    if geometry == "items":
        return Form(geometry, False, False, lanes if sizes else 0, lanes, 1, ITEM_ROWS, columns=True)
    if geometry == "sub-groups":
        held = next((c for c in SUB_GROUP_CLASSES if n <= c), 0)
        if held > SUB_GROUP_REGISTERS and not 0 < sum(sizes) * held <= local:
            held = 0
        return Form(geometry, blocks > 1, False, held, LANES, SIZE)
    if its.columns:
        across = min(lanes, COLUMN_ITEMS)
        its_folds = sum(TABLE[program.values[f].dtype].itemsize for f in plan.folds)
        row_bytes = its_folds * (lanes + (LANES if blocks > 1 and not shared else 0))
        rows_each = COLUMNS
        while rows_each > 1 and (rows_each * across > items or rows_each * row_bytes > COLUMN_BYTES):
            rows_each //= 2
        return Form(geometry, blocks > 1, shared, 0, lanes, across, rows_each, columns=True)
    teams = TEAMS if blocks > 1 and not shared and items >= TEAMS * LANES else 1
    held, registers = 0, False
    if sizes and n <= lanes:
        held, registers = lanes, True
    elif sizes and n <= REGISTERS[0] and sum(max(4, s) // 4 for s in sizes) * (REGISTERS[0] // LANES) <= REGISTERS[1]:
        held, registers = REGISTERS[0], True
    elif sizes and n <= HELD[0] and sum(sizes) * HELD[0] <= HELD[1]:
        held = HELD[0]
    return Form(geometry, blocks > 1, shared, held, lanes, lanes, LANES // lanes, teams, registers=registers)


def kind(call: Call) -> tuple[Kind, Rows]:
    """What a call is compiled for, and its rows."""
    device, program, its = build.device_of(call), call.params.program, rows(call)
    reach = [b for s in its.kept_strides for b in span(its.kept, s)]
    reach += [b for s in its.reduced_strides if s for b in span(its.reduced, s)]
    wide = build.index_types(its.count, its.length, *reach)["INDEX"] == "long"
    geometry = _geometry(its, device)
    units, own = device.details["compute units"], device.cl_device
    its_form = form(program, its, geometry, units, own.max_work_group_size, own.local_mem_size)
    return Kind(program, its.steps, len(its.kept), len(its.reduced), wide, its_form), its


def _geometry(its: Rows, device: OpenCLDevice) -> str:
    """Of short rows the compilers of CPU devices make SIMD code where neighbouring work-items have a row each. One that
    makes it of neighbouring work-items only would leave a work-item's loops as they are."""
    if device.geometry == "loops" and its.length <= ITEM_LENGTH and its.count >= ITEM_ROWS:
        return "items"
    if device.geometry != "loops" or not device.packs_items:
        return device.geometry
    shared = its.length > BLOCK and its.count < FULL * device.details["compute units"]
    return "sub-groups" if not shared and not its.columns and device.shuffles(SIZE) else "lanes"


def definitions(its: Kind) -> dict[str, object]:
    """What row.cl needs defined."""
    program = its.program
    each = sum(x.each for x in program.inputs) + sum(program.values[v].each for v in program.outputs)
    return {
        **({"INDEX": "long", "UINDEX": "ulong"} if its.wide else {"INDEX": "int", "UINDEX": "uint"}),
        "KEPT": its.kept,
        "REDUCED": its.reduced,
        "OPERANDS": len(its.steps),
        "EACH_OPERANDS": max(1, each),
    }


@lru_cache(maxsize=256)
def source(its: Kind, correctly_rounded: bool) -> str:
    """The whole OpenCL C of a call."""
    program = its.program
    values = [*(program.values[v] for v in program.outputs), *program.inputs]
    operands = [Operand(build.STORAGE[x.dtype], x.each, s) for x, s in zip(values, its.steps, strict=True)]
    text = TEXTS[its.form.geometry](its.plan, operands, its.reduced, its.form)
    return build.assemble(
        (),
        definitions(its),
        build.text("row") + text.functions() + text.kernels(),
        fp64=_uses_fp64(program, its.plan),
        correctly_rounded=correctly_rounded,
    )


def _uses_fp64(program: RowProgram, plan: Passes) -> bool:
    return any(x.dtype == "float64" for x in program.values) or build.uses_fp64(*(p.program for p in plan.parts))


def local_bytes(its: Kind) -> int:
    """Local memory that a work-group needs."""
    how, program, plan = its.form, its.program, its.plan
    if how.geometry == "sub-groups" and how.held > SUB_GROUP_REGISTERS:
        return sum(TABLE[program.values[v].dtype].itemsize for v in plan.held) * how.held
    if how.geometry != "lanes":
        return 0
    lanes = how.rows * (how.teams * how.lanes + (LANES if how.blocks and not how.shared else 0))
    folds = sum(TABLE[program.values[f].dtype].itemsize for f in plan.folds) * lanes
    held = 0 if how.registers else sum(TABLE[program.values[v].dtype].itemsize for v in plan.held) * how.held * how.rows
    return folds + held


def _supports(call: Call) -> str | None:
    device, program = build.device_of(call), call.params.program
    its, its_rows = kind(call)
    if its_rows.length > LONGEST:
        return f"rows of {its_rows.length} elements; at most {LONGEST}"
    if _uses_fp64(program, its.plan) and (reason := device.missing("float64")):
        return reason
    floats = any("float" in x.dtype for x in program.values[len(program.inputs) :])
    if floats and (reason := device.inexact(call.settings)):
        return reason
    numbers = its.kept * (1 + len(its.steps)) + its.reduced * (1 + definitions(its)["EACH_OPERANDS"])
    arrays = len(its.steps) + (len(its.plan.folds) if its.form.shared else 0)
    nbytes = 8 * numbers + 16 * arrays + 40
    if nbytes > build.ARGUMENT_BYTES:
        axes = f"{its.kept} kept and {its.reduced} reduced axes"
        return f"{len(its.steps)} operands of {axes} need {nbytes} bytes of arguments"
    if (needed := local_bytes(its)) > (available := device.cl_device.local_mem_size):
        return f"{len(its.plan.folds)} folds need {needed} bytes of local memory; the device has {available}"
    if (items := prod(its.form.local)) > (most := device.cl_device.max_work_group_size):
        return f"work-groups of {items} items; the device takes {most}"
    return None


@dataclass(frozen=True)
class Stage:
    """One launch."""

    function: str
    size: tuple[int, int, int]
    numbers: tuple[int, ...]


def stages(its: Kind, its_rows: Rows, units: int) -> tuple[Stage, ...]:
    """The launches of a call. units: compute units of the device."""
    how, plan, count = its.form, its.plan, its_rows.count
    blocks = -(-its_rows.length // BLOCK)
    found = []
    for stage in range(plan.levels + 1 if how.shared else 1):
        parts = blocks if how.shared and stage < len(plan.walks) else 1
        numbers = its_rows.length, count, blocks
        if how.geometry in ("loops", "sub-groups"):
            tasks, work = count * parts, min(its_rows.length, BLOCK) if how.shared else its_rows.length
            each = max(1, min(WORK // work, -(-tasks // (4 * units))))
            size, numbers = (how.local[0] * -(-tasks // each), 1, 1), (*numbers, tasks, each)
        else:
            size = (how.local[0] * -(-count // how.rows) * parts, *how.local[1:])
        found.append(Stage(f"row_{stage}" if how.shared else "row", size, numbers))
    return tuple(found)


def _prepare(call: Call) -> Prepared:
    device = build.device_of(call)
    its, its_rows = kind(call)
    plan, types = its.plan, definitions(its)
    code = source(its, device.correctly_rounded)
    strides = [s for s in its_rows.reduced_strides if s] or [(0,) * its.reduced]
    fields = build.pack(
        types, *its_rows.kept, *(s for x in its_rows.kept_strides for s in x), *its_rows.reduced,
        *(s for x in strides for s in x),
    )  # fmt: skip
    folds = [TABLE[its.program.values[f].dtype].itemsize for f in plan.folds] if its.form.shared else []
    results = its_rows.count * -(-its_rows.length // BLOCK)
    inputs, outputs = slots(call)[: len(call.inputs)], slots(call)[len(call.inputs) :]
    operands = (*outputs, *inputs, *(Slot("scratch", i) for i in range(len(folds))))
    units = (*(1 for _ in its.steps), *folds)
    each = sum(build.operations(walk.part.program) + len(walk.part.given) + len(walk.folds) for walk in plan.walks)
    work = its_rows.count * max(its_rows.length, MIN_LENGTH) * each * 8 / device.vector
    launches = []
    for stage in stages(its, its_rows, device.details["compute units"]):
        kernel = device.kernel("kernels/opencl/row.cl", code, stage.function)
        build.set_numbers(device, kernel, 2 * len(operands), fields, *stage.numbers)
        launches.append(build.launch(device, kernel, operands, stage.size, its.form.local, units, work))
    return Prepared(tuple(launches), tuple(results * itemsize for itemsize in folds))


KERNELS = (Kernel("row", "opencl.row", "opencl/row.cl", _supports, _prepare),)
