"""DLPack: every dtype and layout, both kinds of capsule, flags, ownership, and producers that behave badly."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import threading
import weakref

import ml_dtypes
import numpy as np
import pytest
from equality import same
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.conversion import to_numpy
from accel.dtypes import TABLE
from accel.interop.dlpack import CODES, DLManagedTensorVersioned, DLTensor, tensor_in
from accel.testing.strategies import arrays, shapes

DTYPES = tuple(TABLE.values())
READ_ONLY, IS_COPIED = 1, 2

name_of = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", ctypes.pythonapi))
pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def managed(capsule):
    return DLManagedTensorVersioned.from_address(pointer_of(capsule, b"dltensor_versioned"))


def on_cpu(value, **options):
    return accel.asarray(value, device="cpu", **options)


def address(x):
    return x.buffer.address + x.offset * x.dtype.itemsize


def read_only(value):
    value = np.array(value)
    value.flags.writeable = False
    return value


class Producer:
    """Passes on what another array exports, as a library of an older standard or of bad manners would."""

    def __init__(self, make, device=(1, 0)):
        self.make, self.device = make, device

    def __dlpack__(self, **options):
        return self.make(**options)

    def __dlpack_device__(self):
        return self.device


class OldProducer(Producer):
    def __dlpack__(self, stream=None):
        return self.make()


@st.composite
def sources(draw):
    dtype = draw(st.sampled_from(DTYPES))
    return draw(arrays(dtype, draw(shapes())))


# out


@given(sources(), st.sampled_from([None, (0, 8), (1, 0), (1, 3), (2, 0)]), st.sampled_from([None, True]))
def test_a_capsule_says_what_the_array_is(source, max_version, copy):
    x = on_cpu(source)
    capsule = x.__dlpack__(max_version=max_version, copy=copy)
    versioned = max_version is not None and max_version[0] >= 1
    assert name_of(capsule) == (b"dltensor_versioned" if versioned else b"dltensor")
    tensor = tensor_in(capsule)
    assert (tensor.device_type, tensor.device_id, tensor.ndim, tensor.lanes) == (1, 0, x.ndim, 1)
    assert f"{CODES[tensor.code]}{tensor.bits}".replace("bool8", "bool") == x.dtype.name
    assert tuple(tensor.shape[: x.ndim]) == x.shape
    strides = tuple(tensor.strides[: x.ndim])
    assert min(strides, default=0) >= 0
    reversed_ = any(step < 0 and n > 1 for n, step in zip(x.shape, x.strides, strict=True))
    copied = bool(copy) or reversed_ or (not versioned and not to_numpy(x).flags.writeable)
    if x.size:
        start = tensor.data + tensor.byte_offset
        assert (start != address(x)) == copied
        if not copied:
            assert all(a == b for a, b, n in zip(strides, x.strides, x.shape, strict=True) if n > 1)
        storage = np.dtype(f"u{x.dtype.itemsize}")
        reach = 1 + sum((n - 1) * s for n, s in zip(x.shape, strides, strict=True))
        raw = np.frombuffer((ctypes.c_uint8 * (reach * storage.itemsize)).from_address(start), storage)
        seen = np.lib.stride_tricks.as_strided(raw, x.shape, [s * storage.itemsize for s in strides])
        assert same(seen, np.ascontiguousarray(source).view(storage).reshape(x.shape))
    if versioned:
        owner = managed(capsule)
        assert owner.major == 1
        assert bool(owner.flags & IS_COPIED) == copied
        assert bool(owner.flags & READ_ONLY) == (not copied and not to_numpy(x).flags.writeable)


@given(sources())
def test_numpy_reads_what_is_exported(source):
    if source.dtype == ml_dtypes.bfloat16:
        with pytest.raises((BufferError, RuntimeError)):
            np.from_dlpack(on_cpu(source))
        return
    assert same(np.from_dlpack(on_cpu(source)), source)


@given(sources())
def test_torch_and_back(source):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x = on_cpu(source)
    tensor = torch.from_dlpack(x)
    assert tuple(tensor.shape) == x.shape
    assert str(tensor.dtype) == f"torch.{x.dtype}"
    back = accel.from_dlpack(tensor)
    assert back.dtype is x.dtype
    assert str(back.device) == "cpu"
    if x.size:
        assert address(back) == tensor.data_ptr()
    assert same(to_numpy(back), source)


def test_what_is_exported_is_the_memory_itself():
    x = accel.zeros((2, 3), device="cpu")
    seen = np.from_dlpack(x)
    seen[1, 2] = 7
    assert x[1, 2].item() == 7
    x[0] = 5
    assert seen[0, 0] == 5


def test_copy_false_refuses_what_needs_a_copy():
    x = on_cpu(np.arange(6.0)[::-1])
    with pytest.raises(BufferError, match="copy=False: strides are negative"):
        x.__dlpack__(copy=False, max_version=(1, 0))
    fixed = on_cpu(read_only(np.arange(3.0)))
    with pytest.raises(BufferError, match="copy=False: the array is read-only"):
        fixed.__dlpack__(copy=False)
    assert managed(fixed.__dlpack__(copy=False, max_version=(1, 0))).flags == READ_ONLY


def test_axes_of_length_one_lose_their_negative_strides():
    x = on_cpu(np.arange(24.0).reshape(2, 3, 4))[1:0:-1, ::2, 2:1:-1]
    assert min(x.strides) < 0
    capsule = x.__dlpack__(copy=False, max_version=(1, 0))
    tensor = tensor_in(capsule)
    assert tensor.data + tensor.byte_offset == address(x)
    assert min(tensor.strides[:3]) >= 0


def test_arguments_that_make_no_sense():
    x = accel.ones(3, device="cpu")
    with pytest.raises(BufferError, match="stream: host memory has no streams"):
        x.__dlpack__(stream=1)
    with pytest.raises(BufferError, match=r"dl_device: cpu exports \(1, 0\).*not \(2, 0\)"):
        x.__dlpack__(dl_device=(2, 0))
    assert name_of(x.__dlpack__(dl_device=(1, 0))) == b"dltensor"
    assert x.__dlpack_device__() == (1, 0)


def test_memory_that_is_not_the_hosts():
    x = accel.zeros((2, 3), dtype="bfloat16", device="null:0")
    assert x.__dlpack_device__() == (12, 0)
    with pytest.raises(BufferError, match=r"null:0: its memory cannot be shared through DLPack; .*dl_device=\(1, 0\)"):
        x.__dlpack__(max_version=(1, 0))
    with pytest.raises(BufferError, match="copy=False: the elements are on null:0"):
        x.__dlpack__(dl_device=(1, 0), copy=False)
    capsule = x.__dlpack__(dl_device=(1, 0), max_version=(1, 0))
    assert managed(capsule).flags == IS_COPIED
    assert tensor_in(capsule).device_type == 1
    y = accel.zeros((2, 3), device="null:0")
    assert np.from_dlpack(y, device="cpu").shape == (2, 3)


# ownership


@pytest.mark.parametrize("versioned", [False, True])
def test_the_owner_lives_as_long_as_the_capsule(versioned):
    source = np.arange(5.0)
    owner = weakref.ref(source)
    capsule = on_cpu(source).__dlpack__(max_version=(1, 0) if versioned else None)
    del source
    gc.collect()
    assert owner() is not None
    del capsule
    gc.collect()
    assert owner() is None


def test_a_consumer_may_drop_its_tensor_in_another_thread():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    held = []
    owners = []
    for i in range(64):
        source = np.full(100, i, ml_dtypes.bfloat16 if i % 2 else np.float32)
        owners.append(weakref.ref(source))
        held.append(torch.from_dlpack(on_cpu(source)))
    del source
    assert all(owner() is not None for owner in owners)

    def drop():
        while True:
            try:
                held.pop()
            except IndexError:
                return

    threads = [threading.Thread(target=drop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert all(owner() is None for owner in owners)


def test_tensors_that_outlive_the_interpreter():
    pytest.importorskip("torch", reason="torch is not installed")
    script = """
import atexit, sys, threading, numpy as np, ml_dtypes, torch, accel
kept = [torch.from_dlpack(accel.asarray(np.ones(9, d), device="cpu")) for d in (np.float32, ml_dtypes.bfloat16, bool)]
sys.kept = [accel.asarray(np.ones(9), device="cpu").__dlpack__(max_version=(1, 0)), accel.from_dlpack(torch.ones(3))]
class Cycle: pass
cycle = Cycle(); cycle.me, cycle.tensor = cycle, torch.from_dlpack(accel.ones(3, device="cpu"))
atexit.register(lambda tensor: None, torch.from_dlpack(accel.ones(4, device="cpu")))
threading.Thread(target=lambda tensor: threading.Event().wait(), args=(torch.from_dlpack(accel.ones(5, device="cpu")),),
                 daemon=True).start()
print("end")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


def test_what_comes_in_keeps_its_producer_alive():
    source = np.arange(4.0)
    owner = weakref.ref(source)
    x = accel.from_dlpack(source)[1:]
    del source
    gc.collect()
    assert owner() is not None
    assert to_numpy(x).tolist() == [1, 2, 3]
    del x
    gc.collect()
    assert owner() is None


# in


@given(sources())
def test_from_dlpack_shares_memory(source):
    if source.dtype == ml_dtypes.bfloat16:
        capsule = Producer(lambda **options: on_cpu(source).__dlpack__(**options))
        x = accel.from_dlpack(capsule)
    else:
        if not source.flags.writeable:
            source = source.copy()
        x = accel.from_dlpack(source)
        if source.size:
            assert address(x) == source.__array_interface__["data"][0]
    assert x.dtype.numpy == source.dtype
    assert x.shape == source.shape
    assert same(to_numpy(x), source)


@given(sources(), st.booleans())
def test_from_dlpack_copies_when_asked(source, old):
    kind = OldProducer if old else Producer
    if old and not source.flags.writeable:
        source = source.copy()
    x = accel.from_dlpack(kind(lambda **options: on_cpu(source).__dlpack__(**options)), copy=True)
    before = to_numpy(x).copy()
    assert not np.shares_memory(np.asarray(x.buffer), source)
    assert same(before, source)
    if x.size:
        x[...] = accel.zeros(x.shape, dtype=x.dtype, device="cpu")  # it can be written to


def test_read_only_memory_stays_read_only():
    x = accel.from_dlpack(read_only([1.0, 2.0]))
    assert x.buffer.readonly
    with pytest.raises(accel.ArgumentError, match="read-only"):
        x[0] = 3
    assert accel.from_dlpack(read_only([1.0, 2.0]), copy=True).buffer.readonly is False


def test_a_capsule_without_a_version_is_taken_as_read_only():
    source = np.arange(3.0)
    x = accel.from_dlpack(OldProducer(source.__dlpack__))
    assert x.buffer.readonly
    assert address(x) == source.__array_interface__["data"][0]
    assert not accel.from_dlpack(source).buffer.readonly


def test_from_dlpack_of_an_array_of_ours():
    x = on_cpu([1, 2, 3])
    assert accel.from_dlpack(x) is x
    copied = accel.from_dlpack(x, copy=True)
    assert address(copied) != address(x)
    assert str(accel.from_dlpack(x, device="null:0").device) == "null:0"
    with pytest.raises(BufferError, match="copy=False: x is on cpu and must be copied to null:0"):
        accel.from_dlpack(x, device="null:0", copy=False)


def test_from_dlpack_to_another_device():
    source = np.arange(3.0)
    assert str(accel.from_dlpack(source, device="null:0").device) == "null:0"
    with pytest.raises(BufferError, match="copy=False: x is in host memory"):
        accel.from_dlpack(source, device="null:0", copy=False)
    assert address(accel.from_dlpack(source, copy=False)) == source.__array_interface__["data"][0]


def test_misaligned_memory_is_copied_or_refused():
    base = np.zeros(41, np.uint8)
    source = base[1:].view(np.float64)
    source[:] = np.arange(5)
    assert to_numpy(accel.from_dlpack(source)).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(BufferError, match="copy=False"):
        accel.from_dlpack(source, copy=False)


@pytest.mark.parametrize(("field", "value"), [("lanes", 4), ("bits", 4), ("bits", 24), ("code", 3), ("code", 77)])
def test_odd_element_types(field, value):
    source = np.arange(4.0)

    def make(**options):
        capsule = source.__dlpack__(**options)
        setattr(tensor_in(capsule), field, value)
        return capsule

    with pytest.raises(accel.DtypeError, match="is not a dtype of accel"):
        accel.from_dlpack(Producer(make))
    assert source.sum() == 6


def test_every_dtype_is_known_by_its_code():
    for dtype in DTYPES:
        tensor = tensor_in(accel.zeros(3, dtype=dtype, device="cpu").__dlpack__())
        assert tensor.bits == 8 * dtype.itemsize
        assert CODES[tensor.code][0] == ("u" if dtype.kind == "u" else dtype.name[0])


@pytest.mark.parametrize("garbage", [None, 5, "dltensor", object(), b"", [], ctypes.py_object()])
def test_what_is_no_capsule(garbage):
    with pytest.raises(accel.ArgumentError, match="expected a DLPack capsule that was not used before"):
        accel.from_dlpack(Producer(lambda **options: garbage))


def test_a_capsule_that_was_used_before():
    source = np.arange(4.0)
    capsule = source.__dlpack__(max_version=(1, 0))
    producer = Producer(lambda **options: capsule)
    assert to_numpy(accel.from_dlpack(producer)).tolist() == [0, 1, 2, 3]
    with pytest.raises(accel.ArgumentError, match="not used before"):
        accel.from_dlpack(producer)


def test_a_version_from_the_future():
    source = np.arange(4.0)

    def make(**options):
        capsule = source.__dlpack__(max_version=(1, 0))
        managed(capsule).major = 2
        return capsule

    with pytest.raises(BufferError, match=r"DLPack version 2\.\d+ is not one that accel reads"):
        accel.from_dlpack(Producer(make))


def test_no_dlpack_at_all():
    with pytest.raises(AttributeError, match="expected an array with __dlpack__ and __dlpack_device__, got list"):
        accel.from_dlpack([1.0])


def test_what_a_producer_raises_comes_through():
    def refuse(**options):
        raise BufferError("not today")

    with pytest.raises(BufferError, match="not today"):
        accel.from_dlpack(Producer(refuse))
    with pytest.raises(accel.DeviceError, match="device type 7"):
        accel.from_dlpack(Producer(refuse, (7, 0)))


@pytest.mark.parametrize(("device", "vendor"), [((2, 99), "NVIDIA"), ((10, 99), "AMD"), ((13, 99), "NVIDIA")])
def test_memory_of_a_gpu_that_is_not_here(device, vendor):
    def fail(**options):
        raise AssertionError("the capsule was asked for")

    with pytest.raises(accel.DeviceError, match=rf"memory of an {vendor} GPU \(index 99\).*triton"):
        accel.from_dlpack(Producer(fail, device))


def test_a_tensor_that_requires_gradients_is_refused_by_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(BufferError, match="require"):
        accel.from_dlpack(torch.ones(3, requires_grad=True))


def test_the_structures_are_those_of_the_header():
    assert ctypes.sizeof(DLTensor) == 48
    assert DLManagedTensorVersioned.dl_tensor.offset == 32
