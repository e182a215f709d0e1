"""Memory of others: buffers that share bytes are told from those that do not, and what is read-only is not written."""

from __future__ import annotations

import mmap

import numpy as np
import pytest

import accel
from accel.backends.base import Device
from accel.interop import dlpack

WRITES = {
    "x[...] = value": lambda x: x.__setitem__(..., 7),
    "x += value": lambda x: x.__iadd__(1),
    "copy": lambda x: accel.copy(accel.ones(x.shape, device=x.device), out=x),
}


def _from_file(tmp_path):
    file = tmp_path / "numbers"
    file.write_bytes(np.arange(4, dtype=np.float32).tobytes())
    return np.memmap(file, np.float32, "r")


class Described:
    """An object with NumPy's description of its memory, read-only."""

    def __init__(self):
        self.kept = np.arange(4, dtype=np.float32)
        self.__array_interface__ = self.kept.__array_interface__ | {"data": (self.kept.ctypes.data, True)}


def _not_writeable():
    array = np.arange(4, dtype=np.float32)
    array.flags.writeable = False
    return array


SOURCES = {
    "NumPy": lambda tmp: accel.asarray(_not_writeable(), device="cpu"),
    "a view": lambda tmp: accel.asarray(_not_writeable()[::-1], device="cpu"),
    "DLPack": lambda tmp: accel.from_dlpack(_not_writeable()),
    "DLPack without a version": lambda tmp: accel.from_dlpack(Unversioned()),
    "a file": lambda tmp: accel.asarray(_from_file(tmp), device="cpu"),
    "bytes": lambda tmp: accel.asarray(memoryview(bytes(16)).cast("f"), device="cpu"),
    "a map": lambda tmp: accel.asarray(memoryview(mmap.mmap(-1, 16, access=mmap.ACCESS_READ)).cast("f"), device="cpu"),
    "an interface": lambda tmp: accel.asarray(Described(), device="cpu"),
}


class Unversioned:
    """A producer of DLPack's first form, which cannot say whether memory may be written."""

    def __init__(self):
        self.kept = np.arange(4, dtype=np.float32)

    def __dlpack__(self, stream=None):
        return self.kept.__dlpack__()

    def __dlpack_device__(self):
        return self.kept.__dlpack_device__()


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("write", WRITES)
def test_read_only_memory_is_not_written(source, write, tmp_path):
    x = SOURCES[source](tmp_path)
    before = np.array(x)
    with pytest.raises(accel.ArgumentError, match="read-only"):
        WRITES[write](x)
    assert np.array_equal(np.array(x), before)
    WRITES[write](accel.asarray(before, device="cpu"))


class Foreign(Device):
    """A device whose buffers are bytearrays, without anything that accel knows of them."""

    def allocate(self, nbytes):
        return bytearray(nbytes)

    def copy_in(self, buffer, offset, source):
        buffer[offset : offset + source.size] = source.tobytes()

    def copy_out(self, buffer, offset, nbytes):
        return np.frombuffer(bytes(buffer[offset : offset + nbytes]), np.uint8)


def test_a_buffer_without_an_address_shares_bytes_with_itself_only():
    device = Foreign("foreign", "foreign:0", "null", "bytes")
    one, other = device.allocate(8), device.allocate(8)
    assert device.place(one) == device.place(one) != device.place(other)
    assert not device.readonly(one)


def test_a_gpus_read_only_memory_is_not_written(monkeypatch):
    """DLPack's flag, which torch does not keep, on the way of a GPU's memory; here on memory that this machine has."""
    pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.setattr(dlpack, "device_named", lambda name: accel.memory.HostDevice("cpu", "cpu", "cpu", ""))
    for array, readonly in ((_not_writeable(), True), (np.arange(4, dtype=np.float32), False)):
        x = dlpack._from_gpu(array, dlpack.CUDA, 0, None, None)
        assert x.device.readonly(x.buffer) is readonly
        copied = dlpack._from_gpu(array, dlpack.CUDA, 0, None, True)
        assert not copied.device.readonly(copied.buffer)


# OpenCL

cl = pytest.importorskip("pyopencl", reason="pyopencl is not installed")
cl_array = pytest.importorskip("pyopencl.array", reason="pyopencl is not installed")
try:
    CL = accel.device("opencl:0")
except accel.AccelError as error:
    pytest.skip(f"there is no OpenCL device: {error}", allow_module_level=True)

CONTEXT = cl.Context([CL.cl_device])  # kept: a queue does not keep it in every runtime
QUEUE = cl.CommandQueue(CONTEXT)
FLAGS = cl.mem_flags
N = 4096
HOST = np.arange(N, dtype=np.float32)


def whole():
    return cl.Buffer(CONTEXT, FLAGS.READ_WRITE | FLAGS.COPY_HOST_PTR, hostbuf=HOST)


def _part_and_whole():
    memory = whole()
    return memory.get_sub_region(0, 4 * N // 2), memory


def _two_parts():
    memory = whole()
    return memory.get_sub_region(0, 4 * N // 2), memory.get_sub_region(0, 4 * N)


def _two_names():
    memory = whole()
    return memory, cl.Buffer.from_int_ptr(memory.int_ptr)


def _of_the_hosts():
    memory = np.array(HOST)
    flags = FLAGS.READ_WRITE | FLAGS.USE_HOST_PTR
    return cl.Buffer(CONTEXT, flags, hostbuf=memory[: N // 2]), cl.Buffer(CONTEXT, flags, hostbuf=memory)


PAIRS = {
    "a part and the whole": _part_and_whole,
    "two parts": _two_parts,
    "two names of one": _two_names,
    "made of the host's memory": _of_the_hosts,
}


def on_opencl(memory, n):
    return accel.asarray(cl_array.Array(QUEUE, (n,), np.float32, data=memory))


def backwards(pair) -> tuple[np.ndarray, np.ndarray]:
    """x[...] = y[::-1] where x begins where y does: what x holds then, and what it should hold."""
    target, source = pair
    x, y = on_opencl(target, N // 2), on_opencl(source, N // 2)
    want = np.asarray(y)[::-1].copy()
    x[...] = y[::-1]
    return np.asarray(x), want


@pytest.mark.parametrize("name", PAIRS)
def test_buffers_that_share_bytes(name, monkeypatch):
    got, want = backwards(PAIRS[name]())
    assert np.array_equal(got, want)
    target, source = PAIRS[name]()
    (memory, first, end), (its, its_first, its_end) = map(CL.place, (target, source))
    assert memory == its
    assert first < its_end
    assert its_first < end
    monkeypatch.setattr(type(CL), "place", lambda self, buffer: (id(buffer), 0, 1))
    got, want = backwards(PAIRS[name]())
    assert not np.array_equal(got, want), "taken for two memories, elements are read after they were written"


def test_buffers_that_share_no_bytes(monkeypatch):
    memory = whole()
    left, right = memory.get_sub_region(0, 2 * N), memory.get_sub_region(2 * N, 2 * N)
    assert CL.place(left)[0] == CL.place(right)[0]
    assert CL.place(left)[2] <= CL.place(right)[1]
    assert CL.place(whole())[0] != CL.place(memory)[0]
    copies = []
    monkeypatch.setattr(accel.dispatch, "call", lambda *args: copies.append(args))
    x, y = on_opencl(left, N // 2), on_opencl(right, N // 2)
    assert accel.dispatch._apart(y[::-1], (x,), True).buffer is right
    assert not copies


@pytest.mark.parametrize("part", [False, True])
@pytest.mark.parametrize("write", WRITES)
def test_a_read_only_buffer_is_not_written(part, write):
    memory = cl.Buffer(CONTEXT, FLAGS.READ_ONLY | FLAGS.COPY_HOST_PTR, hostbuf=HOST)
    x = on_opencl(memory.get_sub_region(0, 64) if part else memory, 16)
    with pytest.raises(accel.ArgumentError, match="read-only"):
        WRITES[write](x)
    assert np.array_equal(np.asarray(x), HOST[:16])
    WRITES[write](on_opencl(whole(), N))


def test_a_read_only_part_of_a_buffer_is_not_written():
    x = on_opencl(whole().get_sub_region(0, 64, FLAGS.READ_ONLY), 16)
    with pytest.raises(accel.ArgumentError, match="read-only"):
        x[0] = 1


def test_a_write_only_buffer_is_no_operand():
    with pytest.raises(accel.ArgumentError, match=r"write-only \(mem_flags.WRITE_ONLY\)"):
        on_opencl(cl.Buffer(CONTEXT, FLAGS.WRITE_ONLY, 64), 16)
