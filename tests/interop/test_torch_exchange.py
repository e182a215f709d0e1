"""The door's short way for torch tensors, through DLPack's table of functions: as the way in Python, and where not."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import _core, interop
from accel.testing.compare import differing

torch = pytest.importorskip("torch", reason="torch is not installed")

from accel.interop import torch as torch_arrays  # noqa: E402

NAMES = tuple(row.name for row in torch_arrays._TORCH)
interop.load_libraries()
EXCHANGE = torch_arrays.EXCHANGE

pytestmark = pytest.mark.skipif(EXCHANGE is None, reason="this torch has no __dlpack_c_exchange_api__")


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


@pytest.fixture
def slow(monkeypatch):
    """A callable that calls a function with the way in Python alone."""

    def call(function, *args):
        with monkeypatch.context() as patch:
            for kind in (torch.Tensor, torch.nn.Parameter):
                patch.delitem(interop.EXCHANGES, kind)
            return function(*args)

    return call


@pytest.fixture
def seen(monkeypatch):
    """What the short way made tensors of by itself: results that it asked Python for are told as "restored"."""
    said = []

    def end(value):
        said.append("read")
        return torch_arrays._end_of_storage(value)

    def restore(array):
        said.append("restored")
        return torch_arrays._cpu_tensor(array)

    its = _core.Exchange(torch.Tensor.__dlpack_c_exchange_api__, end, torch_arrays._DLPACK, restore)
    monkeypatch.setitem(interop.EXCHANGES, torch.Tensor, its)
    monkeypatch.setitem(interop.EXCHANGES, torch.nn.Parameter, its)
    return said


def same(got, want) -> bool:
    if (got.shape, got.dtype) != (want.shape, want.dtype) or (got.numel() and got.stride() != want.stride()):
        return False
    if got.is_complex():
        got, want = torch.view_as_real(got), torch.view_as_real(want)
    if got.dtype == torch.bfloat16:
        got, want = got.view(torch.int16), want.view(torch.int16)
    return not differing(got.numpy(), want.numpy()).any()


def laid_out(name: str, shape: tuple[int, ...], lay: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)

    def made(*shape):
        return torch.randint(0, 2 if name == "bool" else 100, shape, generator=generator).to(getattr(torch, name))

    if lay == "transposed":
        return made(*reversed(shape)).permute(tuple(reversed(range(len(shape)))))
    if lay == "sliced":
        return made(*(2 * n + 1 for n in shape))[tuple(slice(1, None, 2) for _ in shape)]
    if lay == "stretched":
        return made(*(1 for _ in shape)).expand(shape)
    if lay == "channels last" and len(shape) == 4:
        return made(*shape).to(memory_format=torch.channels_last)
    return made(3, *shape)[1]


@given(
    st.sampled_from(NAMES),
    st.lists(st.sampled_from((0, 1, 2, 3, 5)), max_size=4).map(tuple),
    st.sampled_from(("transposed", "sliced", "stretched", "channels last", "offset")),
)
def test_results_are_those_of_the_way_in_python(name, shape, lay):
    x, all_of_it = laid_out(name, shape, lay), torch.tensor(True)
    short = accel.where(all_of_it, x, x), accel.equal(x, x)
    kept = {kind: interop.EXCHANGES.pop(kind) for kind in (torch.Tensor, torch.nn.Parameter)}
    try:
        long = accel.where(all_of_it, x, x), accel.equal(x, x)
    finally:
        interop.EXCHANGES.update(kept)
    assert all(map(same, short, long))
    assert short[0].is_contiguous() or not x.is_contiguous()


def test_another_result_is_seen():
    x = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    assert not same(x, x + 1)
    assert not same(x, x.T.contiguous().T)
    assert not same(x, x.double())


def test_the_short_way_is_taken(seen):
    x, p = torch.ones(2, 3), torch.nn.Parameter(torch.ones(3, 1))
    accel.exp(x), accel.add(x, 1.0)  # a layout, or a number, that is new
    del seen[:]
    accel.exp(x)
    accel.add(x, 1.0)
    assert seen == ["read"] * 2
    with torch.no_grad():
        accel.add(x, p.T)
        del seen[:]
        assert type(accel.add(x, p.T)) is type(accel.add(p.T, x)) is torch.Tensor
    assert seen == ["read"] * 4
    del seen[:]
    assert accel.broadcast_to(x, (2, 2, 3)).shape == (2, 2, 3)  # a view, which is no fresh memory
    assert set(seen) <= {"read", "restored"}


@pytest.mark.parametrize(
    "tensor",
    [
        pytest.param(lambda: torch.ones(3, dtype=torch.complex64).conj(), id="conjugated"),
        pytest.param(lambda: torch.ones(3, dtype=torch.complex64).conj().imag, id="negated"),
        pytest.param(lambda: torch._efficientzerotensor(3), id="zeros without memory"),
        pytest.param(
            lambda: torch.frombuffer(bytearray(17), dtype=torch.uint8, offset=1).view(torch.float32), id="off"
        ),
    ],
)
def test_what_is_no_plain_memory_takes_the_way_in_python(tensor, seen, slow):
    x = tensor()
    result = accel.negative(x)
    assert same(result, slow(accel.negative, x))
    assert same(result, torch.negative(x).resolve_conj().resolve_neg().clone())


def test_a_storage_that_is_too_small_is_refused():
    x = torch.ones(4)
    kept = x.untyped_storage()
    kept.resize_(8)
    with pytest.raises(accel.ArgumentError, match="reaches to byte 16 of a storage that has 8"):
        accel.exp(x)


def test_gradients_and_tangents_are_refused():
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(accel.ArgumentError, match="x: the tensor requires gradients"):
        accel.exp(x)
    with torch.no_grad():
        assert not accel.exp(x).requires_grad
    with torch.inference_mode():
        y = accel.exp(torch.ones(3))
    assert same(y, torch.from_numpy(np.exp(np.ones(3, np.float32)))) or y.shape == (3,)
    import torch.autograd.forward_ad as forward

    with forward.dual_level(), pytest.raises(accel.ArgumentError, match="tangent"):
        accel.exp(forward.make_dual(torch.ones(3), torch.ones(3)))


def test_a_result_outlives_all_and_is_dropped_in_any_thread():
    results = [accel.add(torch.full((1000,), float(k)), 1.0) for k in range(50)]
    gc.collect()
    junk = [accel.add(np.full(1000, -1.0, np.float32), 0.0) for _ in range(50)]
    assert all((x == k + 1).all() for k, x in enumerate(results))
    idle = _core.idle_bytes()
    thread = threading.Thread(target=results.clear)
    thread.start()
    thread.join()
    assert _core.idle_bytes() >= idle
    assert all((x == -1).all() for x in junk)


def test_writing_to_a_result_is_like_writing_to_any_tensor():
    x = torch.ones(4)
    y = accel.add(x, 1.0)
    y.mul_(2).requires_grad_()
    y.sum().backward()
    assert y.grad.tolist() == [1] * 4 and x.tolist() == [1] * 4


@pytest.mark.parametrize("args", [(), (1,), (object(), print, {}, print), (1, 2, 3, 4)])
def test_bad_arguments_of_an_exchange(args):
    with pytest.raises((TypeError, ValueError)):
        _core.Exchange(*args)
