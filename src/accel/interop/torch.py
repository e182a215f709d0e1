"""torch tensors at accel's door: memory is shared in both directions, on the CPU and on GPUs.

Imported only where the caller has imported torch.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch.autograd import forward_ad

from ..array import Array
from ..backends.base import Device, HostBuffer
from ..conversion import from_numpy, to_numpy
from ..devices import device as device_named
from ..dtypes import BFLOAT16, TABLE, DType
from ..errors import ArgumentError, DeviceError, DtypeError
from ..layout import layout, span

_DTYPES: dict[torch.dtype, DType] = {
    getattr(torch, name): row for name, row in TABLE.items() if hasattr(torch, name)
}  # before 2.3 torch has no uint16, uint32 and uint64
_TORCH: dict[DType, torch.dtype] = {row: dtype for dtype, row in _DTYPES.items()}

_PLAIN = torch.Tensor.__torch_dispatch__


def to_array(value: torch.Tensor, home: Device, argument: str) -> Array:
    """A tensor's elements as an `Array`: a CPU tensor's on home (shared where home has the host's memory), others where
    the tensor lives.

    argument: what errors call it. Raises ArgumentError for what has no plain strided memory or records gradients,
    DtypeError, DeviceError.
    """
    dtype = _DTYPES.get(value.dtype)
    if dtype is None:
        hint = "; dequantize it" if value.is_quantized else ""
        raise DtypeError(f"{argument}: {value.dtype} is not a dtype of accel; it has {', '.join(TABLE)}{hint}")
    value = _plain(value, argument)
    if not value.is_cpu:
        return _gpu_array(value, dtype, device_of(value))
    if not home.host:
        return from_numpy(_numpy(value), home)
    shape, strides = tuple(value.shape), None if value.is_contiguous() else value.stride()
    buffer = HostBuffer(value.data_ptr(), _extent(value) * dtype.itemsize, value)
    return Array(buffer, 0, layout(dtype, shape, strides, home))


def _extent(value: torch.Tensor) -> int:
    """Elements of memory from a tensor's first element to its last."""
    return value.numel() if value.is_contiguous() else span(value.shape, value.stride())[1]


def _plain(value: torch.Tensor, argument: str) -> torch.Tensor:
    """The tensor if its elements are in memory as its shape and strides say; with a negative bit, a resolved copy."""
    if value.requires_grad and torch.is_grad_enabled():
        raise ArgumentError(
            f"{argument}: the tensor requires gradients, and accel records no gradients; "
            "pass x.detach() or use torch.no_grad()"
        )
    if value.layout is not torch.strided:
        raise ArgumentError(f"{argument}: expected a dense tensor, got one with layout {value.layout}; use to_dense()")
    if value.is_nested:
        raise ArgumentError(
            f"{argument}: expected a dense tensor, got a nested one; use to_padded_tensor() or unbind()"
        )
    if type(value).__torch_dispatch__ is not _PLAIN:
        raise ArgumentError(
            f"{argument}: expected a plain tensor, got {type(value).__qualname__}, which computes for itself"
        )
    if getattr(forward_ad, "_current_level", -1) >= 0 and forward_ad.unpack_dual(value).tangent is not None:
        raise ArgumentError(f"{argument}: the tensor carries a forward-mode tangent, and accel records no gradients")
    if value._is_zerotensor():
        return value.clone()
    _check_storage(value, argument)
    if value.is_neg():
        return value.resolve_neg()
    return value.clone() if value.data_ptr() % value.element_size() else value


def _check_storage(value: torch.Tensor, argument: str) -> None:
    """Raises ArgumentError where a tensor has no storage or reaches past its end, as a resize_ that fails leaves it."""
    try:
        storage = value.untyped_storage().nbytes()
    except (RuntimeError, NotImplementedError) as error:
        raise ArgumentError(f"{argument}: the tensor has no memory of its own (vmap and the like): {error}") from None
    end = (value.storage_offset() + _extent(value)) * value.element_size()
    if value.numel() and end > storage:
        raise ArgumentError(f"{argument}: the tensor reaches to byte {end} of a storage that has {storage}")


def _numpy(value: torch.Tensor) -> np.ndarray:
    """A CPU tensor of a dtype of accel as a NumPy array on the same memory, which from then on cannot be resized."""
    value = value.detach()
    if value.dtype == torch.bfloat16:
        return value.view(torch.int16).numpy().view(BFLOAT16.numpy)
    return value.numpy()


def pinned(value: torch.Tensor, argument: str) -> torch.Tensor:
    """An alias of a CPU tensor for who looks at its memory later: the caller's resize_ raises, set_ leaves it alone."""
    if value.is_cpu and value.layout is torch.strided and value.dtype in _DTYPES:
        _check_storage(value, argument)
        value = value.detach()
        _numpy(value)
    return value


def hold(array: Array) -> None:
    """Keeps the memory of a CPU tensor where it is, for an `Array` that outlives the call."""
    owner = getattr(array.buffer, "owner", None)
    if isinstance(owner, torch.Tensor):
        array.buffer.owner = pinned(owner, "tensor")


def from_array(array: Array, example: torch.Tensor) -> torch.Tensor:
    """The result of a call on tensors, as a plain one of them on the same device."""
    if example.is_cpu:
        return _cpu_tensor(array)
    return tensor_of(array)


def _cpu_tensor(array: Array) -> torch.Tensor:
    """An array's elements as a CPU tensor, sharing memory where torch can express it."""
    owner = getattr(array.buffer, "owner", None)
    if isinstance(owner, torch.Tensor) and min(array.strides, default=0) >= 0:  # a view of an argument
        start = owner.storage_offset() + array.offset
        return torch.as_strided(owner.detach(), array.shape, array.strides, start)
    view = to_numpy(array)
    if not view.flags.writeable or any(step < 0 for step in view.strides):
        view = view.copy()
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(view.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(view)


def _gpu_array(value: torch.Tensor, dtype: DType, home: Device) -> Array:
    from ..backends.triton_gpu import TorchBuffer

    buffer, offset = TorchBuffer.of(value)
    return Array(buffer, offset, layout(dtype, tuple(value.shape), value.stride(), home))


def tensor_of(array: Array) -> torch.Tensor:
    """An array in torch's own GPU memory as a tensor, without a copy unless strides are negative."""
    if min(array.strides, default=0) < 0:
        array = array.contiguous()
    return array.buffer.view(_TORCH[array.dtype], array.shape, array.strides, array.offset)


def device_of(value: torch.Tensor) -> Device | None:
    """The device of a tensor's memory; None for the host's. Raises DeviceError, BackendUnavailableError."""
    if value.is_cpu:
        return None
    if value.is_meta:
        raise ArgumentError("a tensor on the meta device has no elements")
    if not value.is_cuda:
        raise DeviceError(f"a tensor on {value.device}: accel reaches CUDA and ROCm tensors; move it with .cpu()")
    return _gpu(value.device.index)


@cache
def _gpu(index: int) -> Device:
    """The device of torch's GPU of a number."""
    return device_named(f"triton:{index}")
