"""DLPack in both directions (https://dmlc.github.io/dlpack/latest/, and the array API standard's data interchange).

Host memory goes out and comes in through NumPy's implementation, whose capsules and deleters are C: they take the GIL
in whatever thread drops the tensor, and do nothing once the interpreter is gone. A deleter written in Python could do
neither. NumPy does not know bfloat16, so it is handed uint16, and the capsule's dtype field is set before anyone else
has seen it. Memory of CUDA and ROCm devices goes through torch in the same way.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import ml_dtypes
import numpy as np

from .. import registry
from ..array import Array
from ..backends.base import Device
from ..conversion import from_numpy, lent, shared, to_numpy
from ..devices import device as device_named
from ..dtypes import BFLOAT16, DTYPES
from ..errors import AccelError, ArgumentError, DeviceError, DtypeError

CPU, CUDA, CUDA_HOST, OPENCL, ROCM, ROCM_HOST, EXTENSION, CUDA_MANAGED = 1, 2, 3, 4, 10, 11, 12, 13
"""DLDeviceType."""

HOST_MEMORY = (CPU, CUDA_HOST, ROCM_HOST)
GPU_MEMORY = (CUDA, ROCM, CUDA_MANAGED)

UINT, BFLOAT = 1, 4
CODES = {0: "int", UINT: "uint", 2: "float", 3: "handle", BFLOAT: "bfloat", 5: "complex", 6: "bool"}
"""DLDataTypeCode."""

READ_ONLY = 1
"""DLPACK_FLAG_BITMASK_READ_ONLY."""

NUMPY_HAS_VERSIONS = np.lib.NumpyVersion(np.__version__) >= "2.1.0"
"""Whether this NumPy makes and takes ``dltensor_versioned`` capsules."""


class DLTensor(ctypes.Structure):
    """``struct DLTensor`` of dlpack.h."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class DLManagedTensorVersioned(ctypes.Structure):
    """``struct DLManagedTensorVersioned``; the older ``DLManagedTensor`` starts with its DLTensor."""

    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("dl_tensor", DLTensor),
    )


_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_IsValid", ctypes.pythonapi))
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def tensor_in(capsule: Any) -> DLTensor:
    """The DLTensor inside a capsule that nobody has consumed; valid as long as the capsule is.

    Raises ArgumentError, and BufferError for a version that is not 1.x.
    """
    if _is_valid(capsule, b"dltensor"):
        return DLTensor.from_address(_pointer(capsule, b"dltensor"))
    if _is_valid(capsule, b"dltensor_versioned"):
        managed = DLManagedTensorVersioned.from_address(_pointer(capsule, b"dltensor_versioned"))
        if managed.major != 1:
            raise BufferError(f"DLPack version {managed.major}.{managed.minor} is not one that accel reads (1.x)")
        return managed.dl_tensor
    raise ArgumentError(f"__dlpack__ gave {type(capsule).__name__}, expected a DLPack capsule that was not used before")


# out


def device_of(array: Array) -> tuple[int, int]:
    """(DLDeviceType, index) of an array's memory."""
    if array.device.host:
        return CPU, 0
    if (tensor := _memory_of_torch(array)) is not None:
        kind, index = tensor.__dlpack_device__()
        return int(kind), index
    index = str(array.device).rpartition(":")[2]
    return OPENCL if array.device.backend == "opencl" else EXTENSION, int(index) if index.isdecimal() else 0


def export(
    array: Array,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """The capsule of `Array.__dlpack__`: the memory itself, or a copy where copy is True or sharing is impossible.

    A copy is needed on the way from another memory to the host; for negative strides, at which torch aborts the
    process; and for read-only memory where the consumer's max_version has no way to be told so. Raises BufferError
    where copy is False and a copy is needed, and for what cannot be exported at all.
    """
    wanted = None if dl_device is None else (int(dl_device[0]), int(dl_device[1]))
    if wanted not in (None, (CPU, 0), device_of(array)):
        raise BufferError(f"dl_device: {array.device} exports {device_of(array)} and {(CPU, 0)}, not {wanted}")
    to_host = array.device.host or wanted == (CPU, 0)
    if to_host and stream is not None:
        raise BufferError(f"stream: host memory has no streams; expected None, got {stream!r}")
    if array.device.host:
        return _export_host(to_numpy(array), max_version, copy)
    if to_host:
        if copy is False:
            if (view := lent(array)) is None:
                raise BufferError(f"copy=False: the elements are on {array.device} and must be copied to the host")
            return _export_host(view, max_version, False)
        return _export_host(to_numpy(array), max_version, True)
    if _memory_of_torch(array) is not None:
        return _export_torch(array, stream, max_version, copy)
    raise BufferError(
        f"{array.device}: its memory cannot be shared through DLPack; ask for a copy on the host with "
        f"dl_device={(CPU, 0)}, as numpy.from_dlpack(x, device='cpu') does, or with to_device('cpu')"
    )


def _memory_of_torch(array: Array) -> Any:
    """The flat torch tensor that holds an array's memory (a GPU's, through the triton backend); None elsewhere."""
    gpu = sys.modules.get("accel.backends.triton_gpu")
    return array.buffer.tensor if gpu is not None and isinstance(array.buffer, gpu.TorchBuffer) else None


def _export_torch(array: Array, stream: Any, max_version: tuple[int, int] | None, copy: bool | None) -> Any:
    from . import torch as torch_arrays

    if array.device.readonly(array.buffer):  # which torch's capsules do not say
        if copy is False:
            raise BufferError("copy=False: the array is read-only, so that a copy is needed")
        copy = True
    if min(array.strides, default=0) < 0:
        if copy is False:
            raise BufferError("copy=False: strides are negative, so that a copy is needed")
        array = array.contiguous()
    options = {"max_version": max_version, "copy": copy}
    given = {name: value for name, value in options.items() if value is not None}  # older torch has stream only
    return torch_arrays.tensor_of(array).__dlpack__(stream=stream, **given)


def _export_host(view: np.ndarray, max_version: tuple[int, int] | None, copy: bool | None) -> Any:
    versioned = NUMPY_HAS_VERSIONS and max_version is not None and max_version[0] >= 1
    reason = None
    if any(step < 0 and n > 1 for n, step in zip(view.shape, view.strides, strict=True)):
        reason = "strides are negative"
    elif not view.flags.writeable and not versioned:
        reason = "the array is read-only, which DLPack says from version 1.0 on"
    if reason is not None and copy is False:
        raise BufferError(f"copy=False: {reason}, so that a copy is needed")
    bfloat16 = view.dtype == BFLOAT16.numpy
    if bfloat16:
        view = view.view(np.uint16)
    if any(step < 0 for step in view.strides):  # left over on axes of length 1
        view = view.copy() if reason else np.lib.stride_tricks.as_strided(view, strides=np.abs(view.strides).tolist())
    if not NUMPY_HAS_VERSIONS:
        capsule = (view.copy() if copy or reason else view).__dlpack__()
    else:
        capsule = view.__dlpack__(max_version=(1, 0) if versioned else None, copy=True if copy or reason else None)
    if bfloat16:
        tensor_in(capsule).code = BFLOAT
    return capsule


# in


class _Flagged:
    """A producer, and whether the capsule that it gave says that nobody may write."""

    def __init__(self, producer: Any) -> None:
        self.producer, self.readonly = producer, False

    def __dlpack__(self, **options: Any) -> Any:
        capsule = self.producer.__dlpack__(**options)
        if _is_valid(capsule, b"dltensor_versioned"):
            managed = DLManagedTensorVersioned.from_address(_pointer(capsule, b"dltensor_versioned"))
            self.readonly = bool(managed.flags & READ_ONLY)
        return capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.producer.__dlpack_device__()


class _Producer:
    """Hands one capsule to numpy.from_dlpack."""

    def __init__(self, capsule: Any, device: tuple[int, int]) -> None:
        self.capsule, self.device = capsule, device

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device


def adopt(obj: Any, device: Device | None, copy: bool | None) -> Array:
    """Whatever has ``__dlpack__`` as an `Array`: host memory on the cpu device, a GPU's on the GPU's own, unless device
    says another.

    A consumer cannot know whether a capsule without version is read-only, so that is taken as read-only, as NumPy does.
    copy: True always copies, False raises BufferError where a copy is needed. Raises AttributeError where there is no
    ``__dlpack__``, DtypeError, DeviceError, and what the producer raises.
    """
    if isinstance(obj, Array):
        return _from_array(obj, device, copy)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(obj, torch.Tensor) and not obj.requires_grad:
        from . import torch as torch_arrays

        given, obj = obj, torch_arrays.pinned(obj, "from_dlpack: x")
        if copy is False and obj.data_ptr() != given.data_ptr():
            raise BufferError("from_dlpack: copy=False: x is a tensor that torch has yet to write or to negate")
    kind, index = _location(obj)
    if kind in HOST_MEMORY:
        return _from_host(obj, device or device_named("cpu"), copy)
    if kind in GPU_MEMORY:
        return _from_gpu(obj, kind, index, device, copy)
    raise DeviceError(f"from_dlpack: x is in memory of DLPack device type {kind}, which no backend of accel reads")


def _from_array(array: Array, device: Device | None, copy: bool | None) -> Array:
    target = device or array.device
    if target is not array.device:
        if copy is False:
            raise BufferError(f"from_dlpack: copy=False: x is on {array.device} and must be copied to {target}")
        return array.to_device(target)
    return registry.OPS["copy"].function(array) if copy else array


def _location(obj: Any) -> tuple[int, int]:
    if not hasattr(obj, "__dlpack__") or not hasattr(obj, "__dlpack_device__"):
        raise AttributeError(
            f"from_dlpack: x: expected an array with __dlpack__ and __dlpack_device__, got {type(obj).__name__}"
        )
    kind, index = obj.__dlpack_device__()
    return int(kind), int(index)


def _capsule(obj: Any, **options: Any) -> Any:
    """What obj.__dlpack__ gives, with as many of the options as the producer's version of the standard has."""
    if NUMPY_HAS_VERSIONS:
        try:
            return obj.__dlpack__(max_version=(1, 0), **options)
        except TypeError:  # before 2023.12 there were no such keywords
            if options.get("dl_device") is not None:
                raise
    return obj.__dlpack__()


def _from_host(obj: Any, target: Device, copy: bool | None) -> Array:
    capsule = _capsule(obj, **({"copy": False} if copy is False else {}))
    tensor = tensor_in(capsule)
    dtype = f"{CODES.get(tensor.code, f'code {tensor.code} ')}{tensor.bits}"
    if tensor.lanes != 1 or dtype.replace("bool8", "bool") not in DTYPES:
        lanes = f"x{tensor.lanes}" if tensor.lanes != 1 else ""
        raise DtypeError(f"from_dlpack: x: {dtype}{lanes} is not a dtype of accel; it has {', '.join(DTYPES)}")
    bfloat16 = tensor.code == BFLOAT
    if bfloat16:
        tensor.code = UINT
    view = np.from_dlpack(_Producer(capsule, (tensor.device_type, tensor.device_id)))
    if bfloat16:
        view = view.view(ml_dtypes.bfloat16)
    if copy is not False or not view.size:
        return from_numpy(view, target, copy=bool(copy))
    if (result := shared(view, target)) is None:
        raise BufferError(f"from_dlpack: copy=False: x is in host memory and must be copied to have it on {target}")
    return result


def _from_gpu(obj: Any, kind: int, index: int, device: Device | None, copy: bool | None) -> Array:
    try:
        home = device_named(f"triton:{index}")
    except AccelError as error:
        raise DeviceError(
            f"from_dlpack: x is in memory of {'an AMD' if kind == ROCM else 'an NVIDIA'} GPU (index {index}), which "
            f"accel reaches through the triton backend only: {error}"
        ) from error
    if device not in (None, home) and copy is False:
        raise BufferError(f"from_dlpack: copy=False: x is on {home} and must be copied to {device}")
    import torch

    from . import torch as torch_arrays

    producer = _Flagged(obj)
    tensor = torch.from_dlpack(producer)
    copied = copy and device in (None, home)
    array = torch_arrays.to_array(tensor.clone() if copied else tensor, home, "from_dlpack: x")
    array.buffer.readonly = producer.readonly and not copied  # torch has no such tensors
    return array if device is None else array.to_device(device)
