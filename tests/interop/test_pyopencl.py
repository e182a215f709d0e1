"""pyopencl arrays in and out: on their own queue, without a copy."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from equality import same
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.array import Array
from accel.backends import opencl_query
from accel.conversion import to_numpy
from accel.dtypes import TABLE

cl = pytest.importorskip("pyopencl", reason="pyopencl is not installed")
cl_array = pytest.importorskip("pyopencl.array", reason="pyopencl is not installed")

try:
    DEVICE = accel.device("opencl:0")
except accel.AccelError as error:
    pytest.skip(f"there is no OpenCL device: {error}", allow_module_level=True)

CONTEXT = cl.Context([DEVICE.cl_device])  # kept: a queue does not keep it in every runtime
QUEUE = cl.CommandQueue(CONTEXT)
pytestmark = pytest.mark.filterwarnings("ignore:Non-empty compiler output")

DTYPES = tuple(row for row in TABLE.values() if DEVICE.missing(row.name) is None)


def put(value, queue=QUEUE):
    """A NumPy array's elements in a row-major pyopencl array."""
    value = np.asarray(value)
    dense = np.ascontiguousarray(value).reshape(value.shape)
    return cl_array.to_device(queue, dense)


@st.composite
def placed(draw, dtypes=DTYPES):
    """A pyopencl array, whole or a view, and the same elements in NumPy."""
    dtype = draw(st.sampled_from(dtypes))
    shape = tuple(draw(st.lists(st.sampled_from((0, 1, 2, 3, 5)), max_size=3)))
    host = (np.arange(int(np.prod(shape))) % 7).reshape(shape).astype(dtype.numpy)
    array = put(host)
    if shape and draw(st.booleans()):
        key = tuple(slice(draw(st.integers(0, n)), None, draw(st.sampled_from((1, 2)))) for n in shape)
        if host[key].size:
            array, host = array[key], host[key]
    if draw(st.booleans()) and host.size:
        array, host = array.T, host.T
    return array, host


def address(x: Array) -> tuple[int, int]:
    return x.buffer.int_ptr, x.offset * x.dtype.itemsize


@given(placed())
def test_an_array_comes_in_as_it_lies(pair):
    array, host = pair
    x = accel.asarray(array)
    assert (x.shape, x.dtype.numpy) == (host.shape, host.dtype)
    assert x.device.queue == array.queue
    if host.size:
        assert address(x) == (array.base_data.int_ptr, array.offset)
    assert same(to_numpy(x), host)


@given(placed())
def test_a_result_is_a_pyopencl_array(pair):
    array, host = pair
    out = accel.copy(array)
    assert type(out) is cl_array.Array
    assert out.queue == array.queue
    assert (out.shape, out.dtype) == (host.shape, host.dtype)
    if host.size:
        assert out.base_data.int_ptr != array.base_data.int_ptr
        assert same(out.get(), host)


@given(placed())
def test_a_view_is_a_view(pair):
    array, host = pair
    out = accel.permute_dims(array, tuple(reversed(range(host.ndim))))
    assert out.shape == host.T.shape
    if host.size:
        assert out.base_data.int_ptr == array.base_data.int_ptr
        assert same(to_numpy(accel.asarray(out)), host.T)


@given(placed(tuple(d for d in DTYPES if d.kind == "f")))
def test_arithmetic(pair):
    array, host = pair
    out = accel.multiply(accel.add(array, array), 0.5)
    assert type(out) is cl_array.Array
    if host.size:
        assert same(out.get(), host)


def test_bfloat16_by_ml_dtypes():
    array = put(np.array([1.5, -2, np.inf], ml_dtypes.bfloat16))
    out = accel.negative(array)
    assert out.dtype == ml_dtypes.bfloat16
    assert out.get().tolist() == [-1.5, 2, -np.inf]


def test_work_of_the_same_queue_is_in_order():
    array = cl_array.zeros(QUEUE, 1 << 16, np.float32)
    for _ in range(20):
        array += 1
        array = accel.add(array, 1.0)
    assert (array.get() == 40).all()


def test_the_same_queue_is_one_device():
    x, y = accel.asarray(put(np.ones(3, np.float32))), accel.asarray(put(np.ones(3, np.float32)))
    assert x.device is y.device
    assert str(x.device).startswith("opencl:queue-")
    assert accel.device(str(x.device)) is x.device
    assert type(accel.add(put(np.ones(3, np.float32)), x)) is Array


def test_asarray_copies_only_when_asked():
    array = put(np.arange(3, dtype=np.float32))
    assert address(accel.asarray(array, copy=False))[0] == array.base_data.int_ptr
    copied = accel.asarray(array, copy=True)
    assert address(copied)[0] != array.base_data.int_ptr
    with pytest.raises(ValueError, match="copy=False"):
        accel.asarray(array, copy=False, dtype="int32")
    with pytest.raises(ValueError, match="copy=False"):
        accel.asarray(array, copy=False, device="cpu")
    moved = accel.asarray(array, device="cpu")
    assert (str(moved.device), to_numpy(moved).tolist()) == ("cpu", [0, 1, 2])


def test_numbers_beside_it():
    array = put(np.ones(3, np.float32))
    for out in (
        accel.add(array, 2),
        accel.add(2.0, array),
        accel.add(array, np.float32(2)),
        accel.add(np.float32(2), array),
    ):
        assert (type(out), out.dtype, out.get().tolist()) == (cl_array.Array, np.float32, [3, 3, 3])


def test_what_stands_elsewhere_is_refused():
    array = put(np.ones(3, np.float32))
    with pytest.raises(
        accel.DeviceError, match=r"add: x2 is in the host's memory \(numpy.ndarray\) and x1 is on opencl:queue"
    ):
        accel.add(array, np.ones(3, np.float32))
    other = put(np.ones(3, np.float32), cl.CommandQueue(CONTEXT))
    with pytest.raises(accel.DeviceError, match=r"add: operands are on opencl:queue-.* and opencl:queue-"):
        accel.add(array, other)
    with pytest.raises(accel.DeviceError, match="nothing moves silently"):
        accel.add(array, accel.ones(3, device="cpu"))


def test_torch_beside_it_is_refused():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(accel.ArgumentError, match="x1 and x2: a torch tensor and a pyopencl array in one call"):
        accel.add(put(np.ones(3, np.float32)), torch.ones(3))


def test_refused():
    array = put(np.arange(4, dtype=np.float32))
    lost = array.with_queue(None)
    with pytest.raises(accel.ArgumentError, match=r"has no queue; pass x.with_queue"):
        accel.positive(lost)
    with pytest.raises(accel.DtypeError, match=r"positive: x: .*is not a dtype"):
        accel.positive(put(np.ones(2, np.longdouble)))
    unordered = cl.CommandQueue(CONTEXT, properties=cl.command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE)
    if unordered.properties & cl.command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE:
        with pytest.raises(accel.DeviceError, match="expected an in-order"):
            accel.positive(put(np.ones(2, np.float32), unordered))
    outside = cl_array.Array(QUEUE, (100,), np.float32, data=array.base_data)
    with pytest.raises(accel.ArgumentError, match="bytes 0 to 400 are not all in the buffer, which has 16"):
        accel.positive(outside)
    before = cl_array.Array(QUEUE, (4,), np.float32, data=array.base_data, strides=(-4,))
    with pytest.raises(accel.ArgumentError, match="bytes -12 to 4 are not all in the buffer"):
        accel.positive(before)
    odd = cl_array.Array(QUEUE, (2,), np.float32, data=array.base_data, offset=2)
    with pytest.raises(accel.ArgumentError, match="no multiple of the 4 bytes"):
        accel.positive(odd)


def test_negative_strides():
    array = put(np.arange(4, dtype=np.float32))
    assert to_numpy(accel.asarray(array[::-1])).tolist() == [3, 2, 1, 0]
    assert accel.add(array[::-1], 1.0).get().tolist() == [4, 3, 2, 1]


def test_memory_pools():
    pool = cl.tools.MemoryPool(cl.tools.ImmediateAllocator(QUEUE))
    array = cl_array.to_device(QUEUE, np.arange(5, dtype=np.float32), allocator=pool)
    out = accel.add(array, 1.0)
    assert out.allocator is array.allocator
    assert out.get().tolist() == [1, 2, 3, 4, 5]
    assert to_numpy(accel.asarray(array)).tolist() == [0, 1, 2, 3, 4]


def test_dlpack_gives_the_host_a_copy():
    x = accel.asarray(put(np.arange(3, dtype=np.float32)))
    assert x.__dlpack_device__()[0] == 4
    with pytest.raises(BufferError, match="cannot be shared through DLPack"):
        np.from_dlpack(x)
    assert np.from_dlpack(x, device="cpu").tolist() == [0, 1, 2]
    assert accel.from_dlpack(x) is x


def test_pyopencl_is_left_alone_where_nobody_imported_it():
    script = """
import sys, numpy as np, accel
with accel.config(device="cpu"):
    accel.add(np.ones(3), 1.0)
print('pyopencl' in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", timeout=120)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


def test_a_queues_device_is_one_object_where_it_is_and_unknown_elsewhere():
    x = accel.asarray(put(np.arange(3, dtype=np.float32)))
    assert copy.deepcopy(x).device is x.device
    text = pickle.dumps((x.device, x))
    assert pickle.loads(text)[0] is x.device
    assert pickle.loads(text)[1].device is x.device
    script = f"import pickle, accel; pickle.loads({text!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", timeout=120)
    assert f"DeviceError: unpickling: the device {x.device} is not here" in done.stderr


def test_a_buffer_larger_than_kernels_reach_is_refused(monkeypatch):
    """As a device is described that addresses 1024 bytes: the argument, what came and what was expected are named."""
    small = SimpleNamespace(max_mem_alloc_size=1024)
    monkeypatch.setattr(
        "accel.interop.pyopencl.unaddressable", lambda nbytes, device: opencl_query.unaddressable(nbytes, small)
    )
    fits, large = put(np.ones(256, np.float32)), put(np.ones(257, np.float32))
    assert same((accel.negative(fits)).get(), -np.ones(256, np.float32))
    with pytest.raises(accel.ArgumentError, match=r"negative: .*the buffer has 1028 bytes; expected at most 1024"):
        accel.negative(large)
