"""What an OpenCL device says of itself, as far as accel asks."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .opencl_library import library, loaded

if TYPE_CHECKING:
    import pyopencl

KINDS = ("gpu", "accelerator", "cpu")
"""The order of devices."""

NOTED = ("cl_khr_fp64", "cl_khr_fp16", "cl_khr_subgroups", "cl_intel_subgroups", "cl_intel_required_subgroup_size",
         "cl_intel_subgroup_matrix_multiply_accumulate", "cl_intel_subgroup_2d_block_io",
         "cl_khr_integer_dot_product", "cl_intel_bfloat16")  # fmt: skip
"""Extensions that reports name where a device has them."""

POCL = "Portable Computing Language"
"""PoCL's name of its platform."""

MATRIX = {"cl_intel_subgroup_matrix_multiply_accumulate", "cl_intel_subgroups", "cl_intel_subgroups_short"}
"""Extensions that products on an Intel GPU's matrix units need: the built-ins, and block reads of words and halves."""


EXHAUSTED = {"MEM_OBJECT_ALLOCATION_FAILURE": -4, "OUT_OF_RESOURCES": -5, "OUT_OF_HOST_MEMORY": -6}
"""OpenCL's codes for memory, or another resource, that is used up."""


def unusable(device: pyopencl.Device) -> str | None:
    """Why a device cannot be used at all, or None."""
    cl = library()

    try:
        if not device.available:
            return "not available"
        if not device.compiler_available:
            return "has no compiler"
        version = device.opencl_c_version.split()[2]
        if tuple(map(int, version.split(".")[:2])) < (1, 2):
            return f"has OpenCL C {version}; 1.2 is needed"
        if not device.endian_little:
            return "is big-endian"
    except (cl.Error, ValueError, IndexError) as error:
        return f"its driver fails at start ({error})"
    return None


def out_of_memory(error: Exception) -> bool:
    """Whether an error of the driver says that memory, or another resource of the device or the host, is used up.

    pyopencl has a class of its own for one of the three codes only.
    """
    cl = library()

    if not isinstance(error, cl.Error) or isinstance(error, cl.MemoryError):
        return isinstance(error, cl.Error)
    code = getattr(error, "code", None)  # errors of pyopencl's Python part may have a text only
    return code in EXHAUSTED.values() if code is not None else any(name in str(error) for name in EXHAUSTED)


def shares_host_memory(device: pyopencl.Device) -> bool:
    """Whether a device's buffers lie in the host's memory, as those of CPUs and of integrated GPUs do."""
    cl = library()

    try:
        return kind(device) == "cpu" or bool(device.host_unified_memory)
    except cl.Error:  # from OpenCL 2.0 on, a driver need not say
        return False


def is_inline(device: pyopencl.Device) -> bool:
    """Whether a device is the one of PoCL's whose kernels run in the thread that enqueues them, before it goes on.
    PoCL 4 renamed it."""
    return device.platform.name == POCL and device.name.startswith(("basic", "cpu-minimal"))


def kind(device: pyopencl.Device) -> str:
    """One of KINDS; a simulator that claims every type is a gpu."""
    cl = library()

    if device.type & cl.device_type.GPU:
        return "gpu"
    return "cpu" if device.type & cl.device_type.CPU else "accelerator"


def architecture(device: pyopencl.Device) -> str:
    """Whose tuning results a device shares: CPUs those of their runtime and the width of their registers, in bits,
    others those of their name."""
    width = 32 * max(4, min(16, device.native_vector_width_float))
    text = f"{device.platform.name} {width}" if kind(device) == "cpu" else device.name
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def inexact(device: pyopencl.Device) -> str | None:
    """Why float32 or float64 arithmetic is not IEEE's with subnormals, or None."""
    cl = library()

    flags = cl.device_fp_config
    needed = ((flags.DENORM, "flushes subnormals"), (flags.INF_NAN, "has no infinities and NaN"),
              (flags.ROUND_TO_NEAREST, "does not round to nearest"))  # fmt: skip
    configs = [("float32", device.single_fp_config)]
    if "cl_khr_fp64" in device.extensions.split():
        configs.append(("float64", device.double_fp_config))
    for dtype, have in configs:
        for flag, what in needed:
            if not have & flag:
                return f"the device {what} in {dtype}, which the bit contract forbids (ACCEL_NUMERICS=fast allows it)"
    return None


def converts_halves(device: pyopencl.Device) -> bool:
    """Whether float16 has conversions as IEEE 754 has them, with subnormals, rounded to nearest."""
    if "cl_khr_fp16" not in device.extensions.split():
        return False
    flags, have = library().device_fp_config, device.half_fp_config
    return all(have & flag for flag in (flags.DENORM, flags.INF_NAN, flags.ROUND_TO_NEAREST))


def runs_locally(device: pyopencl.Device, inline: pyopencl.Device | None) -> bool:
    """Whether kernels can run in the thread that enqueues them. inline: a device that does that for this one."""
    return inline is not None or "cl_intel_exec_by_local_thread" in device.extensions.split()


def details(device: pyopencl.Device, inline: pyopencl.Device | None) -> dict[str, Any]:
    """What reports show of a device."""
    extensions = device.extensions.split()
    details: dict[str, Any] = {
        "platform": device.platform.name.strip(),
        "driver": device.driver_version.strip(),
        "OpenCL": device.version.strip(),
        "OpenCL C": device.opencl_c_version.strip(),
        "compute units": device.max_compute_units,
        "local memory": device.local_mem_size,
        "largest array": device.max_mem_alloc_size,
        "fp64": "cl_khr_fp64" in extensions,
        "fp16": "cl_khr_fp16" in extensions,
        "extensions": ", ".join(name for name in NOTED if name in extensions),
    }
    if sizes := sub_group_sizes(device):
        details["sub-group sizes"] = ", ".join(map(str, sizes))
    if runs_locally(device, inline):
        details["light launches"] = "run in the calling thread"
    elif device.platform.name == POCL:
        details["light launches"] = "wake a thread each; POCL_DEVICES='pthread basic' avoids that"
    return details


def sub_group_sizes(device: pyopencl.Device) -> tuple[int, ...]:
    """CL_DEVICE_SUB_GROUP_SIZES_INTEL, which pyopencl does not know; () where there is none, or a kernel cannot ask for
    one."""
    if "cl_intel_required_subgroup_size" not in device.extensions.split():
        return ()
    query, size, get_info = 0x4108, ctypes.c_size_t(), loaded("clGetDeviceInfo")
    get_info.argtypes = (ctypes.c_void_p, ctypes.c_uint, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p)
    sizes = (ctypes.c_size_t * 16)()
    failed = get_info(device.int_ptr, query, ctypes.sizeof(sizes), sizes, ctypes.byref(size))
    return () if failed else tuple(sizes[: size.value // ctypes.sizeof(ctypes.c_size_t)])


def unaddressable(nbytes: int, device: pyopencl.Device) -> str | None:
    """Why kernels would not reach all of a user's buffer, or None.

    Programs for Intel's GPUs address 4 GiB of a buffer, which is what the device then says is its largest, unless they
    are built for more; whoever asks for it (CL_MEM_ALLOW_UNRESTRICTED_SIZE_INTEL) can have a larger buffer all the
    same, and nothing fails but the results. Plans hold for arrays of a layout in whatever buffer, so all programs
    would have to be built for it, whose accesses then take several instructions more.
    """
    largest = device.max_mem_alloc_size
    if nbytes <= largest:
        return None
    return (
        f"the buffer has {nbytes} bytes; expected at most {largest} (CL_DEVICE_MAX_MEM_ALLOC_SIZE), beyond which "
        "programs need a build option that accel does not use (-cl-intel-greater-than-4GB-buffer-required); "
        "split it into buffers of that size"
    )


def matrix_lanes(extensions: Iterable[str], sub_groups: Sequence[int]) -> int | None:
    """Work-items of a sub-group that multiplies by an Intel GPU's matrix units: the fewest that the device has, as the
    extension asks, where these are 8 or 16, for which it has built-ins. None where there are none."""
    fewest = min(sub_groups, default=0)
    return fewest if fewest in (8, 16) and MATRIX.issubset(extensions) else None


def reads_blocks(extensions: Iterable[str], lanes: int | None) -> bool:
    """Whether sub-groups of so many work-items, those of `matrix_lanes`, can read blocks of two axes: of 16 alone."""
    return lanes == 16 and "cl_intel_subgroup_2d_block_io" in extensions
