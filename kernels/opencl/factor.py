"""Factorisations of blocks: a work-group for each, or for some of its right-hand sides."""

from __future__ import annotations

from itertools import chain

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.layout import span
from accel.numerics import BLOCK, FACTOR, LANES, SWEEPS
from accel.ops.primitive.jacobi import LEAST, SCALES, TOLERANCE
from accel.scalar import Program, Step

from . import build

ITEMS = {"lanes": 256, "loops": 16}
"""Work-items that share the rows of lu, by geometry."""

TEAMS = {"lanes": 4, "loops": 1}
"""Pairs of rows that a work-group turns at once, by geometry."""


def right_hand_sides(call: Call) -> int:
    """Those of a work-group: as many as local memory has room for, beside a triangle."""
    return 16 if call.params.pairs and call.outputs[0].dtype.itemsize == 8 else 64


def functions(dtype: str, hypotenuse: bool = False) -> str:
    """The text of quotient and square_root, and of hypotenuse."""
    divide = Program((dtype,) * 2, (Step("divide", dtype, (0, 1)),), dtype)
    root = Program((dtype,), (Step("sqrt", dtype, (0,)),), dtype)
    bits = f"#define as_bits as_{'ulong' if dtype == 'float64' else 'uint'}\n"
    text = bits + build.function(divide, "quotient") + build.function(root, "square_root")
    if hypotenuse:
        text += build.function(Program((dtype,) * 2, (Step("hypot", dtype, (0, 1)),), dtype), "hypotenuse")
    return text


def definitions(call: Call, geometry: str) -> dict[str, object]:
    """What factor.cl needs defined."""
    kind, out = call.params.kind, call.outputs[0]
    if kind == "jacobi":
        return _of_rotations(call, geometry)
    wide = out.dtype.itemsize == 8
    reach = [b for x in (*call.inputs, *call.outputs) for b in span(x.shape, x.strides)]
    return {
        **build.index_types(*reach, *out.shape),
        "T": build.STORAGE[out.dtype.name],
        "BITS": "ulong" if wide else "uint",
        "MAGNITUDE": "0x7fffffffffffffffUL" if wide else "0x7fffffffU",
        "FACTOR": FACTOR,
        "ITEMS": {"cholesky": FACTOR, "lu": ITEMS[geometry], "qr": LANES}.get(kind, right_hand_sides(call)),
        "CHOLESKY": int(kind == "cholesky"),
        "LU": int(kind == "lu"),
        "QR": int(kind == "qr"),
        "SOLVE": int(kind.startswith("solve")),
        "UNIT": int(kind == "solve_unit"),
    }


def _of_rotations(call: Call, geometry: str) -> dict[str, object]:
    """What jacobi.cl needs defined."""
    out = call.outputs[0]
    name, reach = out.dtype.name, [b for x in (*call.inputs, *call.outputs) for b in span(x.shape, x.strides)]
    (high, low, root), end = SCALES[name], "" if out.dtype.itemsize == 8 else "f"
    return {
        **build.index_types(*reach, *(2 * n for n in out.shape)),
        "T": build.STORAGE[name],
        "PAIRS": int(call.params.pairs),
        "LANES": LANES,
        "BLOCK": BLOCK,
        "TEAMS": TEAMS[geometry],
        "ITEMS": TEAMS[geometry] * LANES,
        "SWEEPS": SWEEPS,
        "TOLERANCE": TOLERANCE[name].hex() + end,
        "LEAST": LEAST[name].hex() + end,
        "HIGH": high.hex() + end,
        "LOW": low.hex() + end,
        "ROOT": root.hex() + end,
    }


def _file(call: Call) -> str:
    if call.params.kind == "jacobi":
        return "jacobi"
    return "factor_pair" if call.params.pairs else "factor"


def _supports(call: Call) -> str | None:
    return build.device_of(call).inexact(call.settings)


def source(call: Call, geometry: str, correctly_rounded: bool) -> str:
    """The whole OpenCL C."""
    dtype = call.outputs[0].dtype.name
    return build.assemble(
        (_file(call),),
        definitions(call, geometry),
        functions(dtype, call.params.kind == "jacobi" and call.params.pairs),
        fp64=dtype == "float64",
        correctly_rounded=correctly_rounded,
    )


def _prepare(call: Call) -> Prepared:
    device, parts = build.device_of(call), 2 if call.params.pairs else 1
    defined = definitions(call, device.geometry)
    code = source(call, device.geometry, device.correctly_rounded)
    kernel = device.kernel(f"kernels/opencl/{_file(call)}.cl", code, "factor")
    count, m, n = call.outputs[0].shape
    made = [its.strides if its.ndim == 3 else (*its.strides, 0) for its in call.outputs]
    of = [its.strides for its in call.inputs]
    solves, several, none = len(of) > parts, len(made) > parts, [(0, 0, 0)] * parts
    geometry = (*made[:parts], *(made[parts:] or none[:1]), *of[:parts], *(of[parts:] or none))
    fields = build.pack(defined, *chain.from_iterable(geometry))
    items = int(str(defined["ITEMS"]))
    tiles = -(-n // items) if solves else 1
    numbers = (m, n, tiles) if solves else (m, n) if several else (m,)
    if call.params.kind == "jacobi":
        numbers = (m, n, call.params.length)
    given = slots(call)
    operands = (*given[len(of) :], *given[: len(of)])
    build.set_numbers(device, kernel, 2 * len(operands), fields, *numbers)
    return Prepared((build.launch(device, kernel, operands, (count * tiles * items,), (items,)),))


KERNELS = (Kernel("factor", "opencl.factor", "opencl/factor.cl", _supports, _prepare),)
