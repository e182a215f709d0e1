"""pyopencl arrays at accel's door: their buffers are used where they lie, on their own queue and context.

Imported only where the caller has imported pyopencl.array.
"""

from __future__ import annotations

import pyopencl as cl
from pyopencl import array as cl_array

from .. import registry
from ..array import Array
from ..backends.base import Device
from ..backends.opencl_query import unaddressable
from ..conversion import cast_on_host, store, to_numpy
from ..dtypes import as_dtype
from ..errors import ArgumentError
from ..layout import layout, span


def to_array(value: cl_array.Array, home: Device, argument: str) -> Array:
    """A pyopencl array's elements as an `Array` on the device of its queue, without a copy; home has no say.

    Raises ArgumentError for arrays without a queue, in shared virtual memory, in a write-only buffer or one that is
    larger than kernels reach, or whose elements are misaligned; DtypeError; DeviceError for an out-of-order queue;
    BackendUnavailableError.
    """
    dtype = as_dtype(value.dtype, argument)
    device, size = _device(value, argument), dtype.itemsize
    if value.size == 0:
        return Array(device.allocate(1), 0, layout(dtype, tuple(value.shape), None, device))
    memory = value.base_data
    if not isinstance(memory, cl.MemoryObjectHolder):
        raise ArgumentError(
            f"{argument}: expected an array in an OpenCL buffer, got one in {type(memory).__qualname__}"
        )
    if memory.flags & cl.mem_flags.WRITE_ONLY:
        raise ArgumentError(f"{argument}: the buffer is write-only (mem_flags.WRITE_ONLY); accel reads its operands")
    if reason := unaddressable(memory.size, value.queue.device):
        raise ArgumentError(f"{argument}: {reason}")
    if value.offset % size or any(step % size for step in value.strides):
        raise ArgumentError(
            f"{argument}: the offset or a stride is no multiple of the {size} bytes of {dtype}; copy it"
        )
    shape, strides = tuple(map(int, value.shape)), tuple(step // size for step in value.strides)
    low, high = (value.offset + size * n for n in span(shape, strides))
    if low < 0 or high > memory.size:
        raise ArgumentError(f"{argument}: bytes {low} to {high} are not all in the buffer, which has {memory.size}")
    return Array(memory, value.offset // size, layout(dtype, shape, strides, device))


def from_array(array: Array, example: cl_array.Array) -> cl_array.Array:
    """The result of a call on pyopencl arrays, as one of them, with the queue and the allocator of an operand."""
    size = array.dtype.itemsize
    return cl_array.Array(
        example.queue,
        array.shape,
        array.dtype.numpy,
        allocator=example.allocator,
        data=array.buffer,
        offset=array.offset * size,
        strides=tuple(step * size for step in array.strides),
    )


def overwrite(value: cl_array.Array, array: Array) -> None:
    """The elements of an array of its shape into a pyopencl array, cast to its dtype."""
    out = to_array(value, array.device, "pyopencl array")
    store(cast_on_host(to_numpy(array), out.dtype), out)


def device_of(value: cl_array.Array) -> Device:
    """The device that computes on an array's queue."""
    return _device(value, "pyopencl array")


def hold(array: Array) -> None:
    """Nothing to do: a pyopencl buffer stays where it is."""


def _device(value: cl_array.Array, argument: str) -> Device:
    if value.queue is None:
        raise ArgumentError(f"{argument}: the pyopencl array has no queue; pass x.with_queue(queue)")
    return registry.backend("opencl").adopt(value.queue)  # type: ignore[attr-defined]
