"""torch tensors at accel's door: memory is shared in both directions, on the CPU and on GPUs.

Imported only where the caller has imported torch.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch.autograd import forward_ad

from .. import _core, openmp
from ..array import Array
from ..backends.base import Device, HostBuffer
from ..conversion import from_numpy, to_numpy
from ..devices import device as device_named
from ..dtypes import BFLOAT16, DTYPES, DType
from ..errors import ArgumentError, DeviceError, DtypeError
from ..layout import Shape, layout, span

openmp.meet(torch._C.__file__)

_DTYPES: dict[torch.dtype, DType] = {
    getattr(torch, name): row for name, row in DTYPES.items() if hasattr(torch, name)
}  # before 2.3 torch has no uint16, uint32 and uint64
_TORCH: dict[DType, torch.dtype] = {row: dtype for dtype, row in _DTYPES.items()}


KINDS = (torch.nn.Parameter,)
"""Subclasses of Tensor that compute as it does, and that calls meet often."""


def _mask(*names: str) -> int:
    """Dispatch keys, by their names in torch, as the bits of `raw_repr`."""
    bits = 0
    for name in names:
        bits |= torch._C.DispatchKeySet(torch._C._dispatch_key_parse(name)).raw_repr()
    return bits


# What torch would do to a tensor on the way to its memory is told by its dispatch keys, and by those that the thread
# adds to every call (torch guards compiled code by the same two). A tensor is plain, and nothing records or replaces
# what is computed, where both have no others than these and the tensor has memory of the kind. The last two are added
# inside torch.func, whose own tensors have further keys.
_MEMORY = {kind: _mask(kind) for kind in ("CPU", "CUDA")}
_PLAIN = {kind: _mask(kind, f"Autograd{kind}", f"Autocast{kind}", "ADInplaceOrView") for kind in _MEMORY}
_UNRECORDED = _mask(
    "BackendSelect", "ADInplaceOrView", "FuncTorchDynamicLayerFrontMode", "FuncTorchDynamicLayerBackMode"
)
_ALL = {kind: _PLAIN[kind] | _UNRECORDED for kind in _MEMORY}
_OPTIONAL = {kind: _ALL[kind] & ~_MEMORY[kind] for kind in _MEMORY}
_ALL_CPU, _OPTIONAL_CPU = _ALL["CPU"], _OPTIONAL["CPU"]
_keys, _added = torch._C._dispatch_keys, torch._C._dispatch_tls_local_include_set


def to_array(value: torch.Tensor, home: Device, argument: str) -> Array:
    """A tensor's elements as an `Array`: a CPU tensor's on home (shared where home has the host's memory), others where
    the tensor lives.

    argument: what errors call it. Raises ArgumentError for what has no plain strided memory or records gradients,
    DtypeError, DeviceError.
    """
    value = _tensor(value, argument)
    dtype = _DTYPES.get(value.dtype)
    if dtype is None:
        hint = "; dequantize it" if value.is_quantized else ""
        raise DtypeError(f"{argument}: {value.dtype} is not a dtype of accel; it has {', '.join(DTYPES)}{hint}")
    value, strides, extent, address = _plain(value, argument)
    if not value.is_cpu:
        return _gpu_array(value, dtype, device_of(value))
    if not home.host:
        return from_numpy(_numpy(value), home)
    buffer = HostBuffer(address, extent * dtype.itemsize, value)
    return Array(buffer, 0, layout(dtype, tuple(value.shape), strides, home))


def _tensor(value: torch.Tensor, argument: str) -> torch.Tensor:
    """The tensor as a torch.Tensor that does what it says. Raises ArgumentError for a subclass that computes for
    itself."""
    kind = type(value)
    if kind is torch.Tensor or kind is torch.nn.Parameter:
        return value
    _check_unrecorded(argument)
    function = getattr(kind.__torch_function__, "__func__", kind.__torch_function__)
    if function not in _OWN_FUNCTIONS or kind.__torch_dispatch__ is not torch.Tensor.__torch_dispatch__:
        _check_dense(value, argument)
        raise ArgumentError(f"{argument}: expected a plain tensor, got {kind.__qualname__}, which computes for itself")
    with torch._C.DisableTorchFunctionSubclass():
        return torch.Tensor.as_subclass(value, torch.Tensor)  # without what the subclass says of shape and address


_OWN_FUNCTIONS = (torch.Tensor.__torch_function__.__func__, torch.nn.Parameter.__torch_function__)


def _plain(value: torch.Tensor, argument: str) -> tuple[torch.Tensor, Shape | None, int, int]:
    """The tensor if its elements are in memory as its shape and strides say; a copy where they are misaligned, or where
    torch has yet to write, to negate or to conjugate them. Then its strides (None: row-major), the elements from its
    first to its last, and the first one's address.

    Raises ArgumentError for every other tensor, and where torch would take accel's result for a constant.
    """
    if not _is_plain(value):
        value = _resolved(value, argument)
    if value.requires_grad and torch.is_grad_enabled():
        raise ArgumentError(
            f"{argument}: the tensor requires gradients, and accel records no gradients; "
            "pass x.detach(), use torch.no_grad(), or wrap the function that calls accel in accel.torch.function"
        )
    if getattr(forward_ad, "_current_level", -1) >= 0 and forward_ad.unpack_dual(value).tangent is not None:
        raise ArgumentError(f"{argument}: the tensor carries a forward-mode tangent, and accel records no gradients")
    if value.is_contiguous():
        strides, extent = None, value.numel()
    else:
        strides = value.stride()
        extent = span(value.shape, strides)[1]
    size, address = value.element_size(), value.data_ptr()
    end = (value.storage_offset() + extent) * size
    if end > (storage := value.untyped_storage().nbytes()) and extent:  # as a resize_ that fails leaves it
        raise ArgumentError(f"{argument}: the tensor reaches to byte {end} of a storage that has {storage}")
    return (
        _plain(_in_memory(value.clone(), argument), argument) if address % size else (value, strides, extent, address)
    )


def _is_plain(value: torch.Tensor) -> bool:
    kind = "CPU" if value.is_cpu else "CUDA"
    return _keys(value).raw_repr() | _added().raw_repr() | _OPTIONAL[kind] == _ALL[kind]


def _resolved(value: torch.Tensor, argument: str) -> torch.Tensor:
    """A plain copy of a tensor whose elements torch has yet to write, to negate or to conjugate. Raises ArgumentError
    for others."""
    _check_unrecorded(argument)
    _check_dense(value, argument)
    device_of(value)  # refuses what is neither on the CPU nor on a GPU
    if value._is_zerotensor():
        value = value.clone()
    value = value.resolve_conj() if value.is_conj() else value
    return _in_memory(value.resolve_neg() if value.is_neg() else value, argument)


def _check_unrecorded(argument: str) -> None:
    if _added().raw_repr() | _UNRECORDED != _UNRECORDED:
        raise ArgumentError(
            f"{argument}: torch records or replaces what is computed here (jit.trace, make_fx, export, a dispatch "
            "mode), and would keep accel's result as a constant; call accel outside, or in a torch.library.custom_op"
        )


def _check_dense(value: torch.Tensor, argument: str) -> None:
    """Raises ArgumentError, with what to do, for sparse and nested tensors."""
    if value.is_nested:
        raise ArgumentError(
            f"{argument}: expected a dense tensor, got a nested one; use to_padded_tensor() or unbind()"
        )
    if value.layout is not torch.strided:
        raise ArgumentError(f"{argument}: expected a dense tensor, got one with layout {value.layout}; use to_dense()")


def _in_memory(value: torch.Tensor, argument: str) -> torch.Tensor:
    """The tensor if it is plain, as no new one is inside a transform of torch.func. Raises ArgumentError."""
    if _is_plain(value):
        return value
    known = torch._C.DispatchKeySet.from_raw_repr(_PLAIN["CPU" if value.is_cpu else "CUDA"])
    keys = str(_keys(value) - known).removeprefix("DispatchKeySet(").removesuffix(")")
    raise ArgumentError(
        f"{argument}: expected a plain tensor, got one that has no memory of its own or is computed in another way "
        f"({keys}), as inside torch.func's vmap, grad and functionalize; call accel outside"
    )


def _numpy(value: torch.Tensor) -> np.ndarray:
    """A CPU tensor of a dtype of accel as a NumPy array on the same memory, which from then on cannot be resized."""
    value = _in_memory(value.detach(), "tensor")
    if value.dtype == torch.bfloat16:
        return value.view(torch.int16).numpy().view(BFLOAT16.numpy)
    return value.numpy()


def pinned(value: torch.Tensor, argument: str) -> torch.Tensor:
    """A plain alias of a tensor (a copy where it must be resolved) for who looks at its memory later: of a CPU tensor
    the caller's resize_ raises, set_ leaves it alone. Raises ArgumentError as `to_array` does."""
    value = _tensor(value, argument)
    if value.dtype in _DTYPES:
        value, *_ = _plain(value, argument)
        if value.is_cpu:
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


def overwrite(value: torch.Tensor, array: Array) -> None:
    """The elements of an array of its shape into a tensor, cast to its dtype."""
    value.copy_(from_array(array, value))


def _cpu_tensor(array: Array) -> torch.Tensor:
    """An array's elements as a CPU tensor, sharing memory where torch can express it."""
    owner = getattr(array.buffer, "owner", None)
    if isinstance(owner, torch.Tensor) and min(array.strides, default=0) >= 0:  # a view of an argument
        owner = owner.detach()
        if owner.is_complex() and array.dtype.kind != "c":  # its real or imaginary parts
            owner = torch.view_as_real(owner)
        start = owner.storage_offset() + array.offset
        return torch.as_strided(owner, array.shape, array.strides, start)
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


def _end_of_storage(value: torch.Tensor) -> int | None:
    """The address behind the storage of a plain CPU tensor of which nothing records what is computed, as `_plain` asks
    for; None for every other one."""
    if (
        _keys(value).raw_repr() | _added().raw_repr() | _OPTIONAL_CPU != _ALL_CPU
        or (value.requires_grad and torch.is_grad_enabled())
        or getattr(forward_ad, "_current_level", -1) >= 0
    ):
        return None
    storage = value.untyped_storage()
    return storage.data_ptr() + storage.nbytes()


_CODES = {"i": 0, "u": 1, "f": 2, "bfloat16": 4, "c": 5, "b": 6}
"""DLDataTypeCode by the name of a dtype, or by its kind."""
_NUMBERS: dict[DType, int] = {
    dtype: (_CODES.get(dtype.name) or _CODES[dtype.kind]) << 8 | 8 * dtype.itemsize for dtype in _TORCH
}
_DLPACK: dict[DType | int, int | DType] = {**_NUMBERS, **{number: dtype for dtype, number in _NUMBERS.items()}}
"""DLPack's code and bits of dtypes, and back, as `_core.Exchange` wants them."""


def _exchange() -> _core.Exchange | None:
    """What the door's short way knows of tensors; None where torch is older than 2.10, or has another DLPack."""
    capsule = getattr(torch.Tensor, "__dlpack_c_exchange_api__", None)
    if capsule is None:
        return None
    try:
        return _core.Exchange(capsule, _end_of_storage, _DLPACK, _cpu_tensor)
    except BufferError:
        return None


EXCHANGE = _exchange()


@cache
def _gpu(index: int) -> Device:
    """The device of torch's GPU of a number."""
    return device_named(f"triton:{index}")
