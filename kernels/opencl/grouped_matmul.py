"""Products of groups of rows: tiles as of other products (matmul.py), which find their group by its end."""

from __future__ import annotations

from dataclasses import replace

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.layout import Shape

from . import build
from .matmul import NAME
from .matmul_sources import Arithmetic, arithmetic, direct_source, geometry_fields, tile_source
from .matmul_tiles import Panels, Problem, Tile, direct_panels, lies_well, tile, width_of


def problem_of(call: Call) -> Problem:
    """The geometry, with the groups as the batch."""
    (a, b, ends), (out,), contracted = call.inputs, call.outputs, call.params.contracted
    strides: list[Shape] = [x.strides if x.ndim == 3 else (0, *x.strides) for x in (a, b, out)]
    defined = (("GROUPED", 2 if contracted else 1), ("END", build.STORAGE[ends.dtype.name]))
    *_, m, n = out.shape
    return Problem(m, n, a.shape[1], ends.shape, *strides, (), defined)


def rows_of(call: Call) -> int:
    """Rows that tiles are chosen for: twice a group's average."""
    rows: int = call.outputs[0].shape[-2]
    return rows if call.params.contracted else min(rows, 2 * -(-rows // call.inputs[2].shape[0]))


def tile_of(call: Call, how: Arithmetic, its: Problem) -> Tile | None:
    """The tile of the lanes geometry, if the device has room for one."""
    device = build.device_of(call).cl_device
    near = replace(its, m=rows_of(call))
    return tile(near, how.itemsize, device.max_work_group_size, device.local_mem_size)


def panels_of(call: Call, how: Arithmetic, its: Problem) -> tuple[Problem, Panels]:
    """The register tile of the loops geometry, which reads operands as they lie: b in vectors where it can be."""
    device = build.device_of(call)
    width = width_of(how.itemsize, device.vector)
    p = direct_panels(rows_of(call), its.n, width, device.vector, device.details["compute units"])
    if lies_well(its, how.operand, width):
        return its, p
    return replace(its, definitions=(*its.definitions, ("GATHERED", 1))), replace(p, vectors=1)


def _supports(call: Call) -> str | None:
    device, (a, *_), (out,) = build.device_of(call), call.inputs, call.outputs
    if a.dtype.kind == "f" and (reason := device.inexact(call.settings)):
        return reason
    how = arithmetic(a.dtype, out.dtype, None)
    if how.fp64 and (reason := device.missing("float64")):
        return reason
    if device.geometry == "lanes" and tile_of(call, how, problem_of(call)) is None:
        return "the device's work-groups or its local memory are too small for any tile"
    return None


def _prepare(call: Call) -> Prepared:
    device, its = build.device_of(call), problem_of(call)
    how = arithmetic(call.inputs[0].dtype, call.outputs[0].dtype, None)
    (groups,) = its.batch
    if device.geometry == "lanes":
        t = tile_of(call, how, its)
        assert t is not None  # _supports refuses otherwise
        code = tile_source(how, its, t, device.correctly_rounded, device.sub_group)
        local = (t.n // t.micro_n, t.m // t.micro_m, 1)
        high, wide = t.m, t.n
    else:
        its, p = panels_of(call, how, its)
        code = direct_source(how, its, p, device.correctly_rounded)
        local = (1, 1, 1)
        high, wide = p.rows, p.columns
    down, across = -(-its.m // high), -(-its.n // wide)
    entries = groups
    if not call.params.contracted:
        down, entries = its.m // high + groups, 1  # see LOCATE
    size = (across * local[0], down * local[1], entries) if device.geometry == "lanes" else (down, across, entries)
    kernel = device.kernel(NAME, code, "multiply")
    fields = build.pack(build.index_types(*its.reach), *geometry_fields(its, its.a, its.b))
    build.set_numbers(device, kernel, 2 * 4, fields)
    *inputs, out = slots(call)
    return Prepared((build.launch(device, kernel, (out, *inputs), size, local),))


KERNELS = (Kernel("grouped_matmul", "opencl.grouped_matmul", "opencl/matmul.cl", _supports, _prepare),)
