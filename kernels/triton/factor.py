"""Factorisations of blocks: a program instance for each, or for some of its right-hand sides."""

from __future__ import annotations

from typing import Any

import triton.language as tl

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.backends.triton_kernel import Pointer, Specialization, prepare
from accel.kernels.triton.device import factor as device_code
from accel.kernels.triton.device import factor_pair as pair_code
from accel.kernels.triton.device import jacobi as rotations
from accel.kernels.triton.pointwise import needs_wide, power_of_two
from accel.numerics import BLOCK, LANES, SWEEPS
from accel.ops.primitive.jacobi import LEAST, SCALES, TOLERANCE
from accel.scalar import Program, Step

ROWS = {"interpreter": 4096}
"""Rows of a tile of lu by architecture; 64 elsewhere."""

PAIRS = {"interpreter": 64}
"""Pairs of rows that are turned at once at most by architecture; 2 elsewhere."""

COLUMNS = {"interpreter": 1024}
"""Right-hand sides of a program instance at most by architecture; 64 elsewhere, half as many of pairs."""


def specialization(call: Call) -> tuple[Specialization, int]:
    """The kernel of a call and its program instances."""
    kind, device = call.params.kind, call.device
    (count, m, n), dtype = call.outputs[0].shape, call.outputs[0].dtype
    rows = min(power_of_two(m), ROWS.get(device.architecture, 64))
    width = min(power_of_two(n), COLUMNS.get(device.architecture, 32 if call.params.pairs else 64))
    far = needs_wide(*(((*x.shape[:-2], *(s + 4096 for s in x.shape[-2:])), x.strides) for x in call.inputs))
    far = far or needs_wide(*(((*x.shape[:-1], x.shape[-1] + 4096), x.strides) for x in call.outputs))
    bits = f"int{8 * dtype.itemsize}"
    arguments: dict[str, Any] = {"n": n, "BITS": getattr(tl, bits), "INDEX": tl.int64 if far else tl.int32}
    parts = ("", "_im") if call.params.pairs else ("",)
    matrices = [call.outputs[: len(parts)], call.inputs[: len(parts)], call.inputs[len(parts) :]]
    for operand, its in zip(("out", "a", "b"), matrices, strict=True):
        for name, x in zip((operand + part for part in parts), its, strict=False):
            arguments |= {name: Pointer(dtype.name), **_strides(name, x.strides)}
    programs = {"divide": Program((dtype.name,) * 2, (Step("divide", dtype.name, (0, 1)),), dtype.name)}
    grid = count
    if kind in ("cholesky", "qr", "jacobi"):
        programs["root"] = Program((dtype.name,), (Step("sqrt", dtype.name, (0,)),), dtype.name)
        arguments |= {"T": getattr(tl, dtype.name), "SIZE": power_of_two(n)}
    if kind == "jacobi":
        return _of_rotations(call, arguments, programs), count
    if kind == "qr":
        tau = call.outputs[-1].strides
        arguments |= {
            "beside": Pointer(dtype.name), "m": m, "beside_matrix": tau[0], "beside_row": tau[1], "LANES": LANES,
            "FOLDS": LANES.bit_length() - 1,
        }  # fmt: skip
    elif kind == "lu":
        order = call.outputs[-1].strides
        arguments |= {
            "order": Pointer("int64"), "m": m, "steps": min(m, n), "order_matrix": order[0], "order_row": order[1],
            "MAGNITUDE": (1 << 8 * dtype.itemsize - 1) - 1, "SIZE": power_of_two(n), "ROWS": rows,
        }  # fmt: skip
    elif kind != "cholesky":
        tiles = -(-n // width)
        grid *= tiles
        arguments |= {
            "n": m, "columns": n, "tiles": tiles,
            "UNIT": kind == "solve_unit", "T": getattr(tl, dtype.name), "SIZE": power_of_two(m), "WIDTH": width,
        }  # fmt: skip
    arguments |= dict(zip(("DIVIDE", "ROOT"), device.functions(programs), strict=False))
    code = pair_code if call.params.pairs else device_code
    kernel = device.kernel(code.__file__, {"solve_unit": "solve"}.get(kind, kind))
    return Specialization(kernel, arguments, "i64" if far else "i32"), grid


def _of_rotations(call: Call, arguments: dict[str, Any], programs: dict[str, Program]) -> Specialization:
    """The kernel of rows that are made orthogonal."""
    (_, m, _), dtype = call.outputs[0].shape, call.outputs[0].dtype
    device, worst, pairs = call.device, call.outputs[-1].strides, call.params.pairs
    name = dtype.name
    del arguments["BITS"]
    arguments |= {
        "beside": Pointer(name), "beside_matrix": worst[0], "beside_row": worst[1], "pairs": m // 2,
        "length": call.params.length, "TOLERANCE": TOLERANCE[name], "LEAST": LEAST[name], "SWEEPS": SWEEPS,
        "LANES": LANES, "BLOCK": BLOCK,
        "FOLDS": LANES.bit_length() - 1, "SIZE": min(power_of_two(m // 2), PAIRS.get(device.architecture, 2)),
    }  # fmt: skip
    if pairs:
        high, low, root = SCALES[name]
        programs["hypot"] = Program((name,) * 2, (Step("hypot", name, (0, 1)),), name)
        arguments |= {"HIGH": high, "LOW": low, "DOWN": 1 / root, "UP": root}
    arguments |= dict(zip(("DIVIDE", "ROOT", "HYPOT"), device.functions(programs), strict=False))
    kernel = device.kernel(rotations.__file__, "jacobi_pairs" if pairs else "jacobi")
    return Specialization(kernel, arguments, "i64" if arguments["INDEX"] == tl.int64 else "i32")


def _strides(name: str, strides: tuple[int, ...]) -> dict[str, int]:
    return dict(zip((f"{name}_matrix", f"{name}_row", f"{name}_column"), strides, strict=True))


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    what, grid = specialization(call)
    given = slots(call)
    operands = (*given[len(call.inputs) :], *given[: len(call.inputs)])
    sizes = [x.dtype.itemsize for x in (*call.outputs, *call.inputs)]
    return Prepared((prepare(call.device, what, grid, operands, sizes),))


KERNELS = (Kernel("factor", "triton.factor", "triton/device/factor.py", _supports, _prepare),)
