"""torch tensors in and out: memory is shared, what has no plain memory is refused, nothing can dangle."""

from __future__ import annotations

import gc
import subprocess
import sys
import warnings
import weakref

import numpy as np
import pytest
from equality import same
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.array import Array
from accel.backends.base import Device
from accel.conversion import to_numpy
from accel.dtypes import TABLE

torch = pytest.importorskip("torch", reason="torch is not installed")

from accel.interop import torch as torch_arrays  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:Sparse CSR tensor support"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning"),
]

DTYPES = tuple(row for row in TABLE.values() if hasattr(torch, row.name))
LAYOUTS = ("row-major", "transposed", "sliced", "stretched", "offset")


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def address(x: Array) -> int:
    return x.buffer.address + x.offset * x.dtype.itemsize


def elements(tensor: torch.Tensor) -> np.ndarray:
    if tensor.dtype == torch.bfloat16:
        return tensor.contiguous().view(torch.int16).numpy().view(TABLE["bfloat16"].numpy)
    return tensor.numpy()


@st.composite
def tensors(draw, dtypes=DTYPES):
    dtype = getattr(torch, draw(st.sampled_from(dtypes)).name)
    shape = tuple(draw(st.lists(st.sampled_from((0, 1, 2, 3, 5)), max_size=4)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1 << 30)))
    lay = draw(st.sampled_from(LAYOUTS))

    def made(*shape):
        return torch.randint(0, 2 if dtype == torch.bool else 100, shape, generator=generator).to(dtype)

    if lay == "transposed":
        return made(*reversed(shape)).permute(tuple(reversed(range(len(shape)))))
    if lay == "sliced":
        return made(*(2 * n + 1 for n in shape))[tuple(slice(1, None, 2) for _ in shape)]
    if lay == "stretched":
        return made(*(1 if draw(st.booleans()) else n for n in shape)).expand(shape)
    if lay == "offset":
        return made(3, *shape)[1]
    return made(*shape)


@given(tensors())
def test_a_tensor_comes_in_as_it_lies(tensor):
    (x,), _ = accel.interop.adopt("positive", x=tensor)
    assert x.dtype.name == str(tensor.dtype).removeprefix("torch.")
    assert x.shape == tuple(tensor.shape)
    if x.size:
        assert address(x) == tensor.data_ptr()
        assert all(a == b for a, b, n in zip(x.strides, tensor.stride(), x.shape, strict=True) if n > 1)
    assert same(to_numpy(x), elements(tensor))


@given(tensors())
def test_a_copy_comes_out_as_a_tensor(tensor):
    out = accel.copy(tensor)
    assert type(out) is torch.Tensor
    assert out.dtype == tensor.dtype
    assert out.shape == tensor.shape
    assert out.is_contiguous()
    assert torch.equal(out, tensor)
    if tensor.numel():
        assert out.data_ptr() != tensor.data_ptr()


@given(tensors())
def test_a_view_is_a_view_of_the_tensor(tensor):
    axes = tuple(reversed(range(tensor.ndim)))
    out, want = accel.permute_dims(tensor, axes), tensor.permute(axes)
    assert out.shape == want.shape
    assert torch.equal(out, want)
    if tensor.numel():
        assert out.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()
        assert all(a == b for a, b, n in zip(out.stride(), want.stride(), want.shape, strict=True) if n > 1)


@given(tensors(tuple(d for d in DTYPES if d.kind == "f")), st.data())
def test_arithmetic_is_that_of_numpy_arrays(tensor, data):
    other = torch.ones((), dtype=tensor.dtype) * data.draw(st.integers(-3, 3))
    out = accel.add(tensor, other)
    assert out.dtype == tensor.dtype
    assert same(elements(out), accel.add(elements(tensor), elements(other)))


def test_bytes_are_written_through_a_view():
    tensor = torch.zeros(2, 3, dtype=torch.bfloat16)
    x = accel.asarray(tensor)
    x[1] = 2.5
    assert tensor.tolist() == [[0, 0, 0], [2.5, 2.5, 2.5]]
    tensor[0, 0] = 7
    assert x[0, 0].item() == 7


def test_a_parameter_is_plain_memory_where_no_gradients_are_recorded():
    parameter = torch.nn.Parameter(torch.ones(3))
    with torch.no_grad():
        out = accel.add(parameter, 1.0)
        view = accel.reshape(parameter, (3, 1))
    assert type(out) is torch.Tensor
    assert not out.requires_grad
    assert not view.requires_grad
    assert out.tolist() == [2, 2, 2]
    with torch.inference_mode():
        assert accel.add(torch.ones(2), torch.ones(2)).tolist() == [2, 2]


def test_numbers_and_numpy_beside_a_tensor():
    tensor = torch.ones(2, 3)
    for out in (accel.add(tensor, 2), accel.add(2.0, tensor), accel.add(np.full((2, 3), 2, np.float32), tensor)):
        assert type(out) is torch.Tensor
        assert out.dtype == torch.float32
        assert out.tolist() == [[3, 3, 3]] * 2
    out = accel.add(tensor, np.float64(2))  # a NumPy scalar is not weak
    assert (type(out), out.dtype) == (torch.Tensor, torch.float64)


def test_an_array_beside_a_tensor_gives_an_array():
    out = accel.add(torch.ones(2), accel.ones(2))
    assert type(out) is Array
    assert to_numpy(out).tolist() == [2, 2]


def _nested(layout):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=layout)


def _quantized():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)


def _fake():
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        return torch.ones(3)


def _shrunk():
    tensor = torch.ones(10)[5:]
    tensor.untyped_storage().resize_(0)
    return tensor


class Wrapped(torch.Tensor):
    """A tensor that computes for itself."""

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


REFUSED = {
    "requires gradients": (lambda: torch.ones(3, requires_grad=True), accel.ArgumentError, "x.detach.*no_grad"),
    "parameter": (lambda: torch.nn.Parameter(torch.ones(3)), accel.ArgumentError, "accel records no gradients"),
    "sparse": (lambda: torch.ones(3).to_sparse(), accel.ArgumentError, "layout torch.sparse_coo; use to_dense"),
    "sparse rows": (lambda: torch.ones(3, 3).to_sparse_csr(), accel.ArgumentError, "layout torch.sparse_csr"),
    "nested": (lambda: _nested(torch.strided), accel.ArgumentError, "nested"),
    "jagged": (lambda: _nested(torch.jagged), accel.ArgumentError, "expected a dense tensor"),
    "quantized": (_quantized, accel.DtypeError, "torch.qint8 is not a dtype of accel.*dequantize"),
    "complex": (lambda: torch.ones(3, dtype=torch.complex32), accel.DtypeError, "torch.complex32 is not a dtype"),
    "float8": (lambda: torch.ones(3).to(torch.float8_e4m3fn), accel.DtypeError, "torch.float8_e4m3fn is not a dtype"),
    "meta": (lambda: torch.ones(3, device="meta"), accel.ArgumentError, "meta device"),
    "fake": (_fake, accel.ArgumentError, "FakeTensor, which computes for itself"),
    "wrapped": (lambda: torch.ones(3).as_subclass(Wrapped), accel.ArgumentError, "Wrapped, which computes for itself"),
    "axes": (lambda: torch.ones((1,) * 65), accel.ShapeError, "at most 64 axes, not 65"),
    "shrunk": (_shrunk, accel.ArgumentError, "reaches to byte 40 of a storage that has 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("call", [lambda t: accel.positive(t), lambda t: accel.asarray(t), lambda t: accel.add(1.0, t)])
def test_refused(name, call):
    make, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        call(make())


def test_refused_inside_a_functional_transform():
    for transform in (lambda f: torch.vmap(f)(torch.ones(3, 2)), lambda f: torch.func.grad(f)(torch.ones(()))):
        with pytest.raises(accel.ArgumentError, match=r"memory of its own|requires gradients"):
            transform(lambda x: accel.positive(x))


def test_refused_with_a_forward_tangent():
    from torch.autograd import forward_ad

    with forward_ad.dual_level():
        dual = forward_ad.make_dual(torch.ones(2), torch.ones(2))
        with pytest.raises(accel.ArgumentError, match="forward-mode tangent"):
            accel.positive(dual)
        assert accel.positive(torch.ones(2)).tolist() == [1, 1]


def test_bits_that_torch_puts_off_are_resolved():
    negated = torch._neg_view(torch.tensor([1.0, -2.0]))
    assert negated.is_neg()
    assert accel.positive(negated).tolist() == [-1, 2]
    zeros = torch._efficientzerotensor((3,))
    assert accel.add(zeros, 1.0).tolist() == [1, 1, 1]


def test_misaligned_tensors():
    raw = bytearray(np.arange(5, dtype=np.float32).tobytes().rjust(21, b"\0"))
    tensor = torch.frombuffer(raw, dtype=torch.float32, offset=1)
    assert tensor.data_ptr() % 4
    assert accel.positive(tensor).tolist() == [0, 1, 2, 3, 4]


def test_memory_of_an_array_cannot_be_resized_away():
    tensor = torch.arange(4.0)
    x, y = accel.asarray(tensor), accel.from_dlpack(torch.from_dlpack(tensor))
    with pytest.raises(RuntimeError, match="not resizable"):
        tensor.resize_(1 << 20)
    for door in (accel.asarray, accel.from_dlpack, accel.positive):  # torch changed the shape before it failed
        with pytest.raises(accel.ArgumentError, match="reaches to byte 4194304 of a storage that has 16"):
            door(tensor)
    tensor.set_(torch.zeros(1 << 20))
    assert to_numpy(x).tolist() == to_numpy(y).tolist() == [0, 1, 2, 3]


def test_memory_that_came_by_dlpack_cannot_be_resized_away():
    tensor = torch.arange(4.0).bfloat16()
    x = accel.from_dlpack(tensor)
    with pytest.raises(RuntimeError, match="not resizable"):
        tensor.resize_(1 << 20)
    tensor.set_(torch.zeros(1 << 20).bfloat16())
    gc.collect()
    assert to_numpy(x).tolist() == [0, 1, 2, 3]


def test_a_view_outlives_the_tensor():
    tensor = torch.arange(6.0)
    view = accel.reshape(tensor, (2, 3))
    del tensor
    gc.collect()
    torch.zeros(6)
    assert view.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_nothing_is_kept_after_a_call():
    tensor = torch.ones(1000)
    gone = weakref.ref(tensor)
    accel.add(tensor, tensor)
    accel.asarray(tensor)
    del tensor
    gc.collect()
    assert gone() is None


def test_a_result_owns_its_memory():
    out = accel.add(torch.ones(5), 1.0)
    gc.collect()
    junk = [np.zeros(5, np.float32) for _ in range(100)]
    out += 1
    assert out.tolist() == [3] * 5
    assert all(not x.any() for x in junk)
    assert out.requires_grad_().sum().backward() is None


def test_asarray_of_a_tensor():
    tensor = torch.ones(3)
    assert address(accel.asarray(tensor, copy=False)) == tensor.data_ptr()
    assert address(accel.asarray(tensor, copy=True)) != tensor.data_ptr()
    with pytest.raises(ValueError, match="copy=False"):
        accel.asarray(tensor, copy=False, dtype=accel.float64)
    with pytest.raises(ValueError, match="copy=False"):
        accel.asarray(torch._neg_view(tensor), copy=False)
    assert accel.asarray(tensor, dtype=torch.bfloat16).dtype is accel.bfloat16


def test_dtypes_are_known_by_torchs_names():
    for dtype in DTYPES:
        assert accel.zeros(1, dtype=getattr(torch, dtype.name)).dtype is dtype
        assert accel.result_type(torch.zeros(1, dtype=getattr(torch, dtype.name))) is dtype


def test_torch_is_left_alone_where_nobody_imported_it():
    script = "import sys, numpy as np, accel; accel.add(np.ones(3), 1.0); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", timeout=120)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


# a GPU's memory


class Elsewhere(Device):
    """A device whose buffers are torch's, as a GPU's are, on memory that this machine has."""

    def allocate(self, nbytes):
        from accel.backends.triton_gpu import TorchBuffer

        return TorchBuffer(torch.empty(nbytes, dtype=torch.uint8).untyped_storage())

    def copy_in(self, buffer, offset, source):
        buffer.tensor[offset : offset + source.size] = torch.from_numpy(source.copy())

    def copy_out(self, buffer, offset, nbytes):
        return buffer.tensor[offset : offset + nbytes].numpy().copy()


ELSEWHERE = Elsewhere("triton", "triton:elsewhere", "gpu", "torch's memory")


@given(tensors())
def test_gpu_memory_is_shared_both_ways(tensor):
    x = torch_arrays._gpu_array(tensor, TABLE[str(tensor.dtype).removeprefix("torch.")], ELSEWHERE)
    back = torch_arrays.from_array(x, torch.ones(3, device="meta"))
    assert (back.shape, back.dtype, back.storage_offset()) == (tensor.shape, tensor.dtype, tensor.storage_offset())
    assert torch.equal(back, tensor)
    if tensor.numel():
        assert back.data_ptr() == tensor.data_ptr()
    through = torch.from_dlpack(x)
    assert torch.equal(through, tensor)
    if tensor.numel():
        assert through.data_ptr() == tensor.data_ptr()


def test_gpu_memory_on_the_host():
    x = torch_arrays._gpu_array(torch.arange(6.0).reshape(2, 3).T, accel.float32, ELSEWHERE)
    assert np.asarray(x.mT).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert np.from_dlpack(torch.from_dlpack(x)).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert x[1:].__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError, match=r"not \(2, 0\)"):
        x.__dlpack__(dl_device=(2, 0))


@pytest.mark.gpu
def test_a_gpu_tensor_stays_where_it_is():
    tensor = torch.arange(6.0, device="cuda").reshape(2, 3).T
    out = accel.add(tensor, 1.0)
    assert out.device == tensor.device
    assert torch.equal(out, tensor + 1)
    x = accel.asarray(tensor)
    assert str(x.device).startswith("triton:")
    assert x.buffer.address + x.offset * 4 == tensor.data_ptr()
    assert torch.from_dlpack(x).data_ptr() == tensor.data_ptr()
    assert torch.equal(accel.permute_dims(tensor, (1, 0)), tensor.T)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        late = torch.ones(1 << 22, device="cuda").cumsum(0)
        assert accel.sum(late[-1:]).item() == 1 << 22
    with pytest.raises(accel.DeviceError, match=r"x2 is in the host's memory .*numpy.ndarray"):
        accel.add(tensor, np.ones((3, 2), np.float32))
    with pytest.raises(accel.DeviceError, match="nothing moves silently"):
        accel.add(tensor, torch.ones(3, 2))
