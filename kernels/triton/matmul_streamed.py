"""Products whose program instances take one tile after the other, by descriptors: `device/matmul_streamed.py`. The
computed choice never is this; `accel tune` finds out where it is faster."""

from __future__ import annotations

from math import prod
from typing import Any

from accel.backends.base import Call, Prepared, Slot
from accel.backends.triton_kernel import Pointer, Specialization, prepare
from accel.kernels.triton.device import matmul_streamed as device_code
from accel.kernels.triton.matmul_tiles import LEAST, SHARED_MEMORY, Config, chip_number
from accel.kernels.triton.pointwise import needs_wide
from accel.kernels.triton.row import FILLED
from accel.layout import Layout

SHARED_WORK, DIVIDED_WORK = 1, 2
"""Ways: the warps of a program instance share all of its work, or some copy, some multiply and some finish."""

DESCRIPTORS = 2 * 128
"""Bytes of both operands' descriptors."""

BARRIERS = 1 << 10
"""Bytes of shared memory, at most, that the compiler takes beside tiles."""


def ways(call: Call, config: Config) -> tuple[int, ...]:
    """Those that serve a call: on GPUs that copy tiles by descriptors, and in the interpreter, of matrices whose rows
    or columns begin at multiples of 16 bytes from the first; with more tiles than a GPU takes at once, and with room
    for the finished tile beside the next one's operands. Triton divides the work from sm_100 on."""
    (a, b, *_), (out,), (height, width, depth) = call.inputs, call.outputs, config.tile
    *batch, m, n = out.shape
    architecture, k = call.device.architecture, a.shape[-1]  # type: ignore[attr-defined]
    chip = 90 if architecture == "interpreter" else chip_number(architecture)
    if chip < 90 or config.kernel != "dot" or config.ordered or config.load != config.operand or k > config.kc:
        return ()
    if prod(batch) != 1 or -(-m // height) * -(-n // width) < FILLED or along(a) is None or along(b) is None:
        return ()
    if needs_wide(*((x.shape, x.strides) for x in (*call.inputs, out))):
        return ()
    operands = config.num_stages * depth * (height + width) * a.dtype.itemsize
    if operands + height * width * out.dtype.itemsize + BARRIERS > SHARED_MEMORY.get(architecture, LEAST):
        return ()
    return (SHARED_WORK, DIVIDED_WORK) if chip >= 100 else (SHARED_WORK,)


def along(x: Layout) -> int | None:
    """Along which of a matrix's axes, 0 or 1, elements are neighbours; None where a descriptor does not take it."""
    for axis in (1, 0):
        step, pitch = x.strides[-2:][axis], x.strides[-2:][1 - axis]
        if step == 1 and pitch >= x.shape[-2:][axis] and pitch * x.dtype.itemsize % 16 == 0:
            return axis
    return None


def prepared(
    call: Call, config: Config, arguments: dict[str, Any], operands: tuple[Slot, ...], sizes: list[int]
) -> Prepared:
    """A call by a config that streams. arguments: of `device/matmul.py`. operands: the result, then the inputs; sizes:
    bytes of an element of each."""
    a, b, *_ = call.inputs
    device, tiles = call.device, arguments["tiles_m"] * arguments["tiles_n"]
    programs = min(tiles, device.details.get("multiprocessors", FILLED))
    arguments = {
        **arguments, "A_ALONG": along(a), "B_ALONG": along(b), "scratch": Pointer("uint8"),
        "DIVIDED": config.stream == DIVIDED_WORK,
    }  # fmt: skip
    kernel = device.kernel(device_code.__file__, "streamed")  # type: ignore[attr-defined]
    what = Specialization(
        kernel, arguments, num_warps=config.num_warps, num_stages=config.num_stages, scratch=DESCRIPTORS
    )
    launch = prepare(device, what, programs, (*operands, Slot("scratch")), [*sizes, 1])
    return Prepared((launch,), (programs * DESCRIPTORS,))
