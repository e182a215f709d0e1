"""The path of real GPUs: torch's memory, Triton's calling convention, and the check of tl.dot's order.

Where there is no GPU, a stand-in has torch tensors of the CPU for memory, and the PTX emulator runs its kernels from
the very arguments that Triton's launcher would get.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import accel
from accel import _core, ptx
from accel.backends import triton_copy, triton_division, triton_gpu
from accel.backends.base import Call
from accel.backends.triton_driver import Driver
from accel.conversion import from_numpy, to_numpy
from accel.kernels.triton import matmul
from accel.ops import canonical
from accel.ops.primitive.matmul import Product
from accel.registry import OPS
from accel.testing.compare import check, differing, place

triton = pytest.importorskip("triton", reason="launches Triton kernels")
torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
RNG = np.random.default_rng(17)
STREAM = 7


class Config(ctypes.Structure):
    """CUlaunchConfig of cuda.h."""

    _fields_ = (
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared", ctypes.c_uint),
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.POINTER(ctypes.c_int * 18)),
        ("count", ctypes.c_uint),
    )


class StandIn:
    """A CompiledKernel without a GPU, which the stand-in of a driver and of Triton's launcher run in the emulator."""

    def __init__(self, kernel, function):
        self.kernel, self.function, self.launches, self.by_triton, self.scratch = kernel, function, 0, 0, []
        self.metadata, self.run = kernel.metadata, None

    def emulate(self, grid, packed):
        asm, its = self.kernel.asm["ptx"], self.metadata
        ptx.run(asm, grid, packed, its.num_warps, its.shared, ctas_at_once=16)
        self.launches += 1

    @property
    def types(self):
        """Of the parameters that the compiled kernel has."""
        return list(_flat(self.kernel.src.signature.values()))

    def __getitem__(self, grid):
        """Triton's own launcher: kernel[grid](*arguments, stream=…), arguments as the kernel's source has them."""
        assert len(grid) == 3

        def run(*arguments, stream):
            assert stream == STREAM
            signature = list(self.kernel.src.signature.values())
            assert len(arguments) == len(signature)
            self.by_triton += 1
            self.scratch.append(allocated())
            self.emulate(grid, list(_packed(signature, arguments)))

        return run


def allocated():
    """What Triton's allocator gives, 0 where none is set."""
    try:
        return triton.runtime._allocation._allocator.get()(256, 128, STREAM).data_ptr()
    except RuntimeError:
        return 0


CODES = {"i32": ("i", ctypes.c_int32), "i64": ("q", ctypes.c_int64)}


def _flat(types):
    for kind in types:
        if isinstance(kind, tuple):
            yield from _flat(kind)
        elif kind != "constexpr":
            yield kind


def _packed(types, values):
    for kind, value in zip(types, values, strict=True):
        if isinstance(kind, tuple):
            yield from _packed(kind, value)
        elif kind != "constexpr":
            yield "Q" if kind.startswith("*") else CODES[kind][0], value


class DriverStandIn:
    """cuLaunchKernelEx without a GPU, or hipModuleLaunchKernel: reads what the launch hands over, and emulates it.

    functions: kernels by handle. answers: codes that the next launches give. seen: the (grid, block, shared bytes,
    stream, attributes) of each launch.
    """

    def __init__(self):
        self.functions, self.answers, self.seen = {}, [], []
        number, pointer, parameters = ctypes.c_uint, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)
        self.cuda = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Config), pointer, parameters, pointer)(self._cuda)
        self.hip = ctypes.CFUNCTYPE(ctypes.c_int, pointer, *[number] * 7, pointer, parameters, pointer)(self._hip)

    def driver(self, rocm):
        entry = ctypes.cast(self.hip if rocm else self.cuda, ctypes.c_void_p).value
        words = {2: "out of memory"}
        return Driver(not rocm, entry, lambda code: f"error {code}: {words.get(code, 'an illegal address')}")

    def _cuda(self, config, function, parameters, extra):
        its = config.contents
        attributes = [list(its.attributes[i]) for i in range(its.count)]
        return self._launch(list(its.grid), list(its.block), its.shared, its.stream, attributes, function, parameters)

    def _hip(self, function, gx, gy, gz, bx, by, bz, shared, stream, parameters, extra):
        return self._launch([gx, gy, gz], [bx, by, bz], shared, stream, None, function, parameters)

    def _launch(self, grid, block, shared, stream, attributes, function, parameters):
        self.seen.append((grid, block, shared, stream, attributes))
        if self.answers:
            return self.answers.pop()
        kernel, packed = self.functions[function], []
        for i, kind in enumerate(kernel.types):
            code, type_ = CODES.get(kind, ("Q", ctypes.c_uint64))
            packed.append((code, ctypes.cast(parameters[i], ctypes.POINTER(type_)).contents.value))
        pieces = [ctypes.cast(parameters[len(packed) + i], ctypes.POINTER(ctypes.c_uint64)) for i in range(2)]
        kernel.scratch.append(pieces[0].contents.value)
        assert pieces[1].contents.value == 0
        kernel.emulate(tuple(grid), packed)
        return 0


@pytest.fixture
def gpu(monkeypatch):
    from triton.backends.compiler import GPUTarget

    current, stream, the_driver = [0], [STREAM], DriverStandIn()

    @contextlib.contextmanager
    def on(index):
        before, current[0] = current[0], index
        yield
        current[0] = before

    monkeypatch.setattr(triton_gpu, "target_of", lambda index: GPUTarget("cuda", 80, 32))
    monkeypatch.setattr(torch.cuda, "device", on)
    monkeypatch.setattr(triton_gpu, "current_device", lambda: lambda: current[0])
    monkeypatch.setattr(triton_gpu, "current_stream", lambda: lambda index: stream[0])
    monkeypatch.setattr(triton_gpu, "driver", the_driver.driver)
    monkeypatch.setattr(triton_gpu, "capturing", lambda: lambda: False)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda index: None)
    device = triton_gpu.GpuDevice("triton", "triton:0", "gpu", "a stand-in")
    device.torch_device = "cpu"
    real, made = device.compiled, {}

    def compiled(what, aligned=True):
        kernel = real(what, aligned)
        if id(kernel) not in made:
            handle = len(made) + 1
            made[id(kernel)] = the_driver.functions[handle] = StandIn(kernel, handle)
        return made[id(kernel)]

    monkeypatch.setattr(device, "compiled", compiled)
    device.made, device.driver, device.current, device.stream = made, the_driver, current, stream
    return device


def test_pointwise_and_reduce(gpu):
    x = RNG.standard_normal((40, 130)).astype(np.float32)
    check(OPS["add"], gpu, (x, x[:, :1]), {})
    check(OPS["multiply"], gpu, (x.reshape(-1)[1:], x.T.reshape(-1)[:-1]), {})
    check(OPS["sum"], gpu, (x.reshape(-1),), {})
    check(OPS["argmin"], gpu, (x,), {"axis": 0})
    assert sum(kernel.launches for kernel in gpu.made.values()) >= 4


def test_one_launch_and_its_counters(gpu, monkeypatch):
    """Sums over all axes on the same counters again and again, on those of a captured launch, and by Triton's own
    launcher."""
    x = from_numpy((1 + RNG.standard_normal(5 * 4096 + 3) / 8).astype(np.float32), gpu)
    want = canonical.reduce("sum", to_numpy(x), (0,), accel.float32)
    given, real = [], gpu._counters.of
    monkeypatch.setattr(gpu._counters, "of", lambda *a: given.append(real(*a)) or given[-1])
    hooks = triton.knobs.runtime.launch_enter_hook

    def add():
        assert not differing(to_numpy(accel.sum(x)), want).any()

    add()
    add()
    assert given[0] is given[1]
    monkeypatch.setattr(gpu._counters, "_capturing", lambda: True)
    add()
    assert given[2].offset != given[0].offset
    hooks.add(print)
    try:
        add()
    finally:
        hooks.remove(print)
    assert [(kernel.by_triton, kernel.launches) for kernel in gpu.made.values()] == [(1, 4)]
    for array in given:
        assert not array.buffer.view(torch.int64, array.shape, (1,), array.offset).any()


def test_matmul_asks_for_the_order_once(gpu, monkeypatch):
    a, b = (RNG.standard_normal(shape).astype(np.float32) for shape in ((70, 40), (40, 66)))
    asked = []
    real = matmul.keeps_order
    monkeypatch.setattr(matmul, "keeps_order", lambda device, config: asked.append(config) or real(device, config))
    check(OPS["matmul"], gpu, (a, b), {})
    check(OPS["matmul"], gpu, (a, b + 1), {})
    assert len(asked) == 1, "a plan is made once"
    assert matmul._orders[gpu, asked[0]] is True


def test_another_order_takes_the_chain(gpu, monkeypatch):
    """Where a GPU's tl.dot is no fma chain, the written-out chain serves, with the same bits."""
    monkeypatch.setattr(matmul, "keeps_order", lambda device, config: False)
    a, b = (RNG.standard_normal(shape).astype(np.float32) for shape in ((70, 40), (40, 66)))
    check(OPS["matmul"], gpu, (a, b), {})
    assert [kernel.kernel.src.fn.__name__ for kernel in gpu.made.values()] == ["chain"]


def test_large_tiles(gpu):
    """The tiles that only real GPUs use, on 16-bit floats: more than one in each direction."""
    a, b = (RNG.standard_normal(shape).astype(np.float16) for shape in ((150, 70), (70, 260)))
    check(OPS["matmul"], gpu, (a, b), {})
    assert matmul.choose(gpu, accel.float16, accel.float16, 150, 260, "default").tile == (128, 128, 64)


def test_copies(gpu):
    x = RNG.standard_normal((6, 7)).astype(np.float32)
    array = from_numpy(x, gpu)
    assert isinstance(array.buffer, triton_gpu.TorchBuffer)
    got = to_numpy(array[1:, ::2])
    np.testing.assert_array_equal(got, x[1:, ::2])
    x.flags.writeable = False
    np.testing.assert_array_equal(to_numpy(from_numpy(x, gpu)), x)
    array[0] = 0.0
    assert x[0, 0] != 0


def test_large_copies(gpu, monkeypatch):
    """More than a piece, from and to anywhere in a buffer, by way of pinned memory but for what a graph captures."""
    sent, real = [], triton_copy.copy_in
    monkeypatch.setattr(triton_gpu, "copy_in", lambda *a: sent.append(a[2]) or real(*a))
    monkeypatch.setattr(triton_gpu, "PIECE", 1000)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda index: None if index else "a stream")
    monkeypatch.setattr(triton_copy, "pinned", lambda n: (_ for _ in ()).throw(RuntimeError("out of memory")))
    x = RNG.integers(0, 256, 5003, np.uint8)
    buffer = gpu.allocate(6000)
    gpu.copy_in(buffer, 7, x)
    np.testing.assert_array_equal(gpu.copy_out(buffer, 8, 5000), x[1:5001])
    monkeypatch.setattr(triton_gpu, "capturing", lambda: lambda: True)
    gpu.copy_in(buffer, 7, x[::-1].copy())
    gpu.copy_in(buffer, 0, x[:1000])
    assert sent == ["a stream", None, None]
    np.testing.assert_array_equal(gpu.copy_out(buffer, 1007, 100), x[::-1][1000:1100])


def test_tensors_are_wrapped_without_a_copy():
    tensor = torch.arange(48, dtype=torch.float32).reshape(6, 8)[1:, 1::2]
    buffer, offset = triton_gpu.TorchBuffer.of(tensor)
    assert buffer.address + 4 * offset == tensor.data_ptr()
    assert buffer.nbytes == 48 * 4
    back = buffer.view(torch.float32, tensor.shape, tensor.stride(), offset)
    back[0, 0] = -1
    assert tensor[0, 0] == -1
    del tensor
    assert buffer.view(torch.float32, (2,), (1,), 9)[0] == -1


@pytest.fixture
def cache(monkeypatch):
    """How often torch's allocator was told to give back what it holds; and how much memory there is."""
    emptied = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(1))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (1000, 4000))
    return emptied


ERRORS = {
    "torch": lambda: torch.cuda.OutOfMemoryError("CUDA out of memory"),
    "runtime": lambda: RuntimeError("CUDA error: out of memory"),
    "triton": lambda: RuntimeError("Triton Error [HIP]: Code: 2, Messsage: out of memory"),
}


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("place", ["allocate", "copy_in", "copy_out", "launch"])
def test_out_of_memory(gpu, monkeypatch, cache, place, kind):
    """Tried again once torch's allocator holds nothing, at every call; then an error, and arrays are as they were."""
    x = from_numpy(np.arange(6, dtype=np.float32), gpu)
    accel.add(x, x)  # compiles
    owner, name, call = {
        "allocate": (torch, "UntypedStorage", lambda: gpu.allocate(5000)),
        "copy_in": (torch.Tensor, "copy_", lambda: gpu.copy_in(x.buffer, 0, np.zeros(4, np.uint8))),
        "copy_out": (torch.Tensor, "copy_", lambda: to_numpy(x)),
        "launch": (triton_gpu, "_hooked", lambda: accel.add(x, x)),
    }[place]
    real, refusals = getattr(owner, name), []

    def refusing(*arguments, **keywords):
        if refusals:
            raise refusals.pop()
        return real(*arguments, **keywords)

    monkeypatch.setattr(owner, name, refusing)
    refusals[:] = [ERRORS[kind]()]
    call()
    assert len(cache) == 1
    refusals[:] = [ERRORS[kind](), ERRORS[kind]()]
    with pytest.raises(accel.OutOfMemoryError, match=r"triton:0: .* 1000 of the device's 4000 bytes"):
        call()
    assert len(cache) == 2
    assert to_numpy(accel.add(x, x)).tolist() == [0, 2, 4, 6, 8, 10]


def test_what_the_driver_is_given(gpu):
    """One plan, whose kernel has a form for addresses that are multiples of 16 and one for all others."""
    x = from_numpy(RNG.standard_normal(5001).astype(np.float32), gpu)
    want = 2 * to_numpy(x)
    for view, expected in ((x[:-1], want[:-1]), (x[1:], want[1:]), (x[:-1], want[:-1])):
        assert to_numpy(accel.add(view, view)).tolist() == expected.tolist()
    first, _, again = gpu.driver.seen
    assert first == again
    grid, block, shared, stream, attributes = first
    assert grid[0] >= 1 and grid[1:] == [1, 1] and block[0] % 32 == 0 and block[1:] == [1, 1]
    assert (shared, stream, attributes) == (0, STREAM, [])
    assert [kernel.launches for kernel in gpu.made.values()] == [2, 1]
    known = [sum("divisibility" in str(x) for x in kernel.kernel.src.attrs.values()) for kernel in gpu.made.values()]
    assert known[0] > known[1]
    assert not any(kernel.by_triton for kernel in gpu.made.values())


def test_scratch_of_the_compilers(gpu):
    """It is a plan's own piece, by the driver's launch and by Triton's; other kernels are given none. The allocator of
    the caller's context stays what it was."""
    a, b = (from_numpy(RNG.standard_normal((64, 64)).astype(np.float16), gpu) for _ in range(2))
    results = [accel.empty((64, 64), dtype="float16", device=gpu) for _ in range(3)]
    call = Call("matmul", (a.layout, b.layout), (results[0].layout,), Product(), gpu, None)
    config = replace(matmul.choose(gpu, accel.float16, accel.float16, 64, 64, "default"), tile=(32, 32, 32))
    scratch = accel.empty((4096,), dtype="uint8", device=gpu)
    hook, launches = triton.knobs.runtime.launch_enter_hook, []
    for stream, result in zip((1, 1, 0), results, strict=True):
        made = matmul.multiply(call, replace(config, stream=stream), few=0)
        assert made.scratch == ((4 * 256,) if stream else ())
        launches.append((*made.launches, result))
    for i, (launch, result) in enumerate(launches):
        if i == 1:
            hook.add(print)
        try:
            launch.on([a, b], [result], [scratch])
        finally:
            hook.remove(print)
        assert to_numpy(result).tolist() == to_numpy(results[0]).tolist()
    streamed, plain = gpu.made.values()
    assert (streamed.by_triton, streamed.launches) == (1, 2) and (plain.by_triton, plain.launches) == (0, 1)
    assert streamed.scratch == [scratch.buffer.address] * 2 and plain.scratch == [0]
    assert allocated() == 0


def test_a_gpu_that_divides_wrongly(gpu, monkeypatch):
    """Its quotients are those of float64, rounded, in programs and in rows; of the control tl.div_rn's."""
    x = RNG.standard_normal((6, 40)).astype(np.float32)
    for right in (True, False):
        monkeypatch.setattr(triton_division, "ASKED", ("cuda",))
        monkeypatch.setattr(triton_division, "_correct", {gpu: right})
        gpu.made.clear()
        y = x[:, : 39 + right]  # another layout, so that kernels are prepared anew
        check(OPS["divide"], gpu, (y, np.float32([1 - 2.0**-24])), {})
        check(OPS["divide"], gpu, (y * np.float32(1e-30), y * np.float32(1e12)), {})
        check(OPS["softmax"], gpu, (y,), {"axis": -1})
        texts = [kernel.kernel.asm["ptx"] for kernel in gpu.made.values()]
        assert len(texts) >= 2
        for text in texts:
            assert ("div.rn.f64" in text) != right and ("div.rn.f32" in text) == right


def test_memory_that_is_used_on_another_stream(gpu, monkeypatch):
    """The allocator is told once of each stream, before a launch or a copy there; not of the stream that the memory was
    asked for on, nor of the caller's own tensors."""
    told, stream = [], gpu.stream
    monkeypatch.setattr(triton_gpu, "record_use", lambda storage, handle: told.append((storage.data_ptr(), handle)))
    x = from_numpy(np.arange(6, dtype=np.float32), gpu)
    buffer, offset = triton_gpu.TorchBuffer.of(torch.arange(6, dtype=torch.float32))
    mine = type(x)(buffer, offset, x.layout)
    assert to_numpy(accel.add(x, x)).tolist() == [0, 2, 4, 6, 8, 10]
    assert not told
    stream[0] = 9
    monkeypatch.setattr(gpu.driver, "_launch", lambda *given: 0)  # the stand-in of a driver knows one stream
    for _ in range(2):
        y = accel.add(x, mine)
    assert told == [(x.buffer.address, 9)]
    assert (x.buffer.stream, y.buffer.stream, buffer.stream) == (STREAM, 9, None)
    z = from_numpy(np.arange(6, dtype=np.float32), gpu)
    stream[0] = STREAM
    del told[:]
    to_numpy(y)
    gpu.copy_in(z.buffer, 0, np.zeros(24, np.uint8))
    assert told == [(y.buffer.address, STREAM), (z.buffer.address, STREAM)]


def test_a_launch_that_a_buffer_refuses():
    """An error of the allocator, or a buffer that is none of a GPU: the driver is not called."""
    stand_in = DriverStandIn()

    class Full(SimpleNamespace):
        def used_on(self, stream):
            raise RuntimeError(f"no room for stream {stream}")

    x = accel.asarray(np.arange(4.0), device="cpu")
    for error, match, buffer in (
        (RuntimeError, "no room for stream 7", Full(address=16, stream=3)),
        (AttributeError, "stream", SimpleNamespace(address=16)),
        (TypeError, "int", SimpleNamespace(address=16, stream="a")),
        (OverflowError, "int", SimpleNamespace(address=16, stream=-1)),
    ):
        array = type(x)(buffer, 0, x.layout)
        with pytest.raises(error, match=match):
            launch_of(stand_in, sizes=(8,), parameters=(None,))((array,), STREAM)
    assert not stand_in.seen


def test_another_gpu_is_current(gpu):
    x = from_numpy(np.arange(6, dtype=np.float32), gpu)
    gpu.current[0] = 3
    assert to_numpy(accel.add(x, x)).tolist() == [0, 2, 4, 6, 8, 10]
    assert gpu.current == [3]


def test_a_profiler_is_told(gpu):
    """Hooks are Triton's own launcher's work."""
    x = from_numpy(np.arange(6, dtype=np.float32), gpu)
    hooks = triton.knobs.runtime.launch_enter_hook
    hooks.add(print)
    try:
        assert to_numpy(accel.add(x, x)).tolist() == [0, 2, 4, 6, 8, 10]
    finally:
        hooks.remove(print)
    assert [kernel.by_triton for kernel in gpu.made.values()] == [1]
    accel.add(x, x)
    assert [(kernel.by_triton, kernel.launches) for kernel in gpu.made.values()] == [(1, 2)]


def test_an_error_of_the_driver(gpu, cache):
    """Memory that ran out is asked for again; any other error is told in the driver's words, and the next call runs."""
    x = from_numpy(np.arange(6, dtype=np.float32), gpu)
    gpu.driver.answers[:] = [2]
    assert to_numpy(accel.add(x, x)).tolist() == [0, 2, 4, 6, 8, 10]
    assert len(cache) == 1
    gpu.driver.answers[:] = [2, 2]
    with pytest.raises(accel.OutOfMemoryError, match=r"triton:0: memory ran out; 1000 of the device's 4000 bytes"):
        accel.add(x, x)
    gpu.driver.answers[:] = [700]
    with pytest.raises(RuntimeError, match="error 700: an illegal address"):
        accel.add(x, x)
    assert to_numpy(accel.add(x, x)).tolist() == [0, 2, 4, 6, 8, 10]


def launch_of(stand_in, rocm=False, load=lambda aligned: (1, 0, 64), **given):
    found = stand_in.driver(rocm)
    every = {"grid": 5, "sizes": (), "ctas": 1, "cooperative": False, "dependent": False, "scratch": False}
    every |= {"parameters": ()} | given
    return _core.GpuLaunch(cuda=found.cuda, entry=found.entry, describe=found.describe, load=load, **every)


@pytest.mark.parametrize(
    ("given", "shared", "attributes"),
    [
        ({"cooperative": True}, 0, {2: [1]}),
        ({"dependent": True}, 1000, {6: [1]}),
        ({"ctas": 4}, 0, {4: [4, 1, 1], 5: [1]}),
        ({}, 229 * 1024, {18: [3]}),
        (
            {"ctas": 2, "cooperative": True, "dependent": True},
            230 * 1024,
            {18: [3], 6: [1], 2: [1], 4: [2, 1, 1], 5: [1]},
        ),
    ],
)
def test_attributes_of_cuda(given, shared, attributes):
    stand_in = DriverStandIn()
    stand_in.answers[:] = [1]
    with pytest.raises(RuntimeError, match="error 1"):
        launch_of(stand_in, load=lambda aligned: (1, shared, 64), **given)((), STREAM)
    ((grid, block, bytes_, stream, seen),) = stand_in.seen
    assert (grid, block, bytes_, stream) == ([5 * given.get("ctas", 1), 1, 1], [64, 1, 1], shared, STREAM)
    assert {id_: value[: len(attributes[id_])] for id_, _, *value in seen} == attributes


def test_hip():
    stand_in = DriverStandIn()
    stand_in.answers[:] = [2, 0]
    launch = launch_of(stand_in, rocm=True, load=lambda aligned: (1, 96, 64))
    launch((), 0)
    with pytest.raises(RuntimeError, match="error 2: out of memory"):
        launch([], STREAM)
    assert stand_in.seen == [([5, 1, 1], [64, 1, 1], 96, None, None), ([5, 1, 1], [64, 1, 1], 96, STREAM, None)]


@pytest.mark.parametrize(
    ("error", "match", "call"),
    [
        (TypeError, "expected 1 arrays, got 0", lambda s: launch_of(s, sizes=(4,), parameters=(None,))((), 0)),
        (TypeError, "accel.Array, got int", lambda s: launch_of(s, sizes=(4,), parameters=(None,))((3,), 0)),
        (TypeError, "expected a tuple or list, got int", lambda s: launch_of(s)(3, 0)),
        (TypeError, "positional arguments", lambda s: launch_of(s)(())),
        (TypeError, "1 addresses and 0 sizes", lambda s: launch_of(s, parameters=(None,))),
        (ValueError, "more than 0", lambda s: launch_of(s, grid=0)),
        (ValueError, "no function", lambda s: launch_of(s, load=lambda aligned: (0, 0, 64))((), 0)),
        (ValueError, "no threads", lambda s: launch_of(s, load=lambda aligned: (1, 0, 0))((), 0)),
        (ValueError, "scratch: expected an address", lambda s: launch_of(s, scratch=True)),
        (TypeError, "load", lambda s: launch_of(s, load=lambda aligned: None)((), 0)),
        (ZeroDivisionError, "zero", lambda s: launch_of(s, load=lambda aligned: 1 // 0)((), 0)),
        (OverflowError, "int", lambda s: launch_of(s)((), -1)),
        (OverflowError, "int", lambda s: launch_of(s, parameters=(1 << 70,))),
    ],
)  # fmt: skip
def test_a_launch_that_is_described_wrongly(error, match, call):
    stand_in = DriverStandIn()
    with pytest.raises(error, match=match):
        call(stand_in)
    assert not stand_in.seen


def test_many_parameters_and_numbers():
    """More than fit on the stack, and integers of both widths as they come."""
    stand_in, got = DriverStandIn(), []
    count = 50

    def read(grid, block, shared, stream, attributes, function, parameters):
        got[:] = [ctypes.cast(parameters[i], ctypes.POINTER(ctypes.c_int64)).contents.value for i in range(count + 2)]
        return 0

    stand_in._launch = read
    x = accel.asarray(np.arange(4.0), device="cpu")
    buffers = [SimpleNamespace(address=64 * i, stream=None) for i in range(count // 2)]
    arrays = [type(x)(buffer, i % 3, x.layout) for i, buffer in enumerate(buffers)]
    values = [-1, 1 << 40, 7, -(1 << 62), 3] * 5
    parameters = tuple(x for value in values for x in (None, value))
    launch_of(stand_in, sizes=(8,) * len(arrays), parameters=parameters)(arrays, STREAM)
    wanted = [x for i, value in enumerate(values) for x in (64 * i + i % 3 * 8, value)]
    assert got == [*wanted, 0, 0]


def test_other_errors_of_torch_are_left_alone(gpu, monkeypatch, cache):
    def refuse(*arguments, **keywords):
        raise RuntimeError("CUDA error: invalid argument")

    monkeypatch.setattr(torch, "UntypedStorage", refuse)
    with pytest.raises(RuntimeError, match="invalid argument") as caught:
        gpu.allocate(5000)
    assert not isinstance(caught.value, accel.AccelError)
    assert not cache


class Tick:
    """An event of a GPU whose clock runs 1 ms at each recording; elapsed_time is in milliseconds, as torch's is."""

    clock = 0
    recorded: list = []  # noqa: RUF012

    def __init__(self, enable_timing=False):
        assert enable_timing

    def record(self, stream):
        Tick.clock += 1
        self.at = Tick.clock
        Tick.recorded.append(stream)

    def elapsed_time(self, later):
        return float(later.at - self.at)


def test_a_profile_reads_the_clock_by_events(gpu, monkeypatch):
    """Two timed events around each call on the current stream of its GPU; the host waits at the end."""
    waits = []
    monkeypatch.setattr(torch.cuda, "Event", Tick)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda index: ("stream of", index))
    monkeypatch.setattr(torch.cuda, "synchronize", waits.append)
    x = from_numpy(np.arange(6, dtype=np.float32), gpu)
    with accel.profile() as found:
        for _ in range(3):
            accel.add(x, x)
        before = len(waits)
    (row,) = [row for row in found.rows if row.op == "add" and row.path != "preparing"]
    assert (row.calls, row.seconds, row.path) == (3, pytest.approx(3e-3), "triton.pointwise")
    assert before == 2 and len(Tick.recorded) == 7, "the anchor's, and two of each call"
    assert set(Tick.recorded) == {("stream of", 0)}


@pytest.mark.gpu
def test_a_profile_of_a_real_gpu():
    """A product of 4096 takes on the GPU what its two marks say, within what the host waited for it."""
    device = accel.device("triton:0")
    x = place(RNG.standard_normal((4096, 4096)).astype(np.float32), device)
    accel.matmul(x, x)
    device.synchronize()
    with accel.profile() as found:
        accel.matmul(x, x)
        device.synchronize()
    (row,) = [row for row in found.rows if row.op == "matmul" and row.path != "preparing"]
    assert 2 * 4096**3 / 5e15 < row.seconds < found._records.end - found._records.begin


@pytest.mark.gpu
def test_real_streams():
    """Memory that another stream still reads is given to nobody. The control is memory that none reads."""
    device, side, ones = accel.device("triton:0"), torch.cuda.Stream(), np.ones(1 << 24, np.float32)
    for busy in (True, False):
        x = place(ones, device)
        device.synchronize()
        if busy:
            with torch.cuda.stream(side):
                torch.cuda._sleep(1 << 30)
                y = accel.add(x, x)
        address = x.buffer.address
        del x
        other = place(np.zeros_like(ones), device)
        assert (other.buffer.address != address) == busy
        device.synchronize()
        assert (to_numpy(y) == 2).all()
        del other


@pytest.mark.gpu
def test_real_memory():
    """What the stand-in cannot show: copies to and from a GPU, order with torch's stream, exhausted memory."""
    device = accel.device("triton:0")
    x = RNG.standard_normal((300, 400)).astype(np.float32)
    array = place(x, device)
    assert not differing(to_numpy(array), x).any()
    tensor = array.buffer.view(torch.float32, x.shape, (400, 1), 0)
    tensor.mul_(2)
    got = to_numpy(accel.sum(array, axis=1))
    assert not differing(got, canonical.reduce("sum", 2 * x, (1,), accel.float32)).any()
    with pytest.raises(accel.OutOfMemoryError):
        device.allocate(2 * device.memory)
    assert not differing(to_numpy(array), 2 * x).any()


def test_the_cost_is_measured():
    """launch_cost.py prints a row for each call; what the rows say is for people to read."""
    script = Path(__file__).with_name("launch_cost.py")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^ *\d+\.\d\d us  \w", done.stdout, re.MULTILINE)) == 6, done.stdout
