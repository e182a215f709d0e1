"""The path of real GPUs: torch's memory, Triton's calling convention, and the check of tl.dot's order.

Where there is no GPU, a stand-in has torch tensors of the CPU for memory, and the PTX emulator runs its kernels from
the very arguments that Triton's launcher would get.
"""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

import accel
from accel import ptx
from accel.backends import triton_gpu
from accel.conversion import from_numpy, to_numpy
from accel.kernels.triton import matmul
from accel.ops import canonical
from accel.registry import OPS
from accel.testing.compare import check, differing, place

torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
RNG = np.random.default_rng(17)
STREAM = 7


class StandIn:
    """A CompiledKernel without a GPU: kernel[grid](*arguments, stream=…), arguments as the kernel's source has them."""

    def __init__(self, kernel):
        self.kernel, self.launches = kernel, 0

    def __getitem__(self, grid):
        assert len(grid) == 3

        def run(*arguments, stream):
            assert stream == STREAM
            signature = list(self.kernel.src.signature.values())
            assert len(arguments) == len(signature)
            packed = list(_packed(signature, arguments))
            ptx.run(
                self.kernel.asm["ptx"], grid, packed, self.kernel.metadata.num_warps, self.kernel.metadata.shared,
                ctas_at_once=16,
            )  # fmt: skip
            self.launches += 1

        return run


def _packed(types, values):
    for kind, value in zip(types, values, strict=True):
        if isinstance(kind, tuple):
            yield from _packed(kind, value)
        elif kind != "constexpr":
            yield "Q" if kind.startswith("*") else {"i32": "i", "i64": "q"}[kind], value


@pytest.fixture
def gpu(monkeypatch):
    from triton.backends.compiler import GPUTarget

    monkeypatch.setattr(triton_gpu, "target_of", lambda index: GPUTarget("cuda", 80, 32))
    monkeypatch.setattr(torch.cuda, "device", lambda index: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(triton_gpu, "current_stream", lambda: lambda index: STREAM)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda index: None)
    device = triton_gpu.GpuDevice("triton", "triton:0", "gpu", "a stand-in")
    device.torch_device = "cpu"
    real, made = device.compiled, {}

    def compiled(what, aligned=True):
        kernel = real(what, aligned)
        return made.setdefault(id(kernel), StandIn(kernel))

    monkeypatch.setattr(device, "compiled", compiled)
    device.made = made
    return device


def test_pointwise_and_reduce(gpu):
    x = RNG.standard_normal((40, 130)).astype(np.float32)
    check(OPS["add"], gpu, (x, x[:, :1]), {})
    check(OPS["multiply"], gpu, (x.reshape(-1)[1:], x.T.reshape(-1)[:-1]), {})
    check(OPS["sum"], gpu, (x.reshape(-1),), {})
    check(OPS["argmin"], gpu, (x,), {"axis": 0})
    assert sum(kernel.launches for kernel in gpu.made.values()) >= 5


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
        "allocate": (torch, "empty", lambda: gpu.allocate(5000)),
        "copy_in": (torch.Tensor, "copy_", lambda: gpu.copy_in(x.buffer, 0, np.zeros(4, np.uint8))),
        "copy_out": (torch.Tensor, "copy_", lambda: to_numpy(x)),
        "launch": (torch.cuda, "current_device", lambda: accel.add(x, x)),
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


def test_other_errors_of_torch_are_left_alone(gpu, monkeypatch, cache):
    def refuse(*arguments, **keywords):
        raise RuntimeError("CUDA error: invalid argument")

    monkeypatch.setattr(torch, "empty", refuse)
    with pytest.raises(RuntimeError, match="invalid argument") as caught:
        gpu.allocate(5000)
    assert not isinstance(caught.value, accel.AccelError)
    assert not cache


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
