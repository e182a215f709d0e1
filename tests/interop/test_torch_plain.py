"""What torch computes in a way of its own, or records, is told from plain memory by asking for what plain memory is."""

from __future__ import annotations

import contextlib
import unittest.mock

import numpy as np
import pytest

import accel

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402

from accel.interop import torch as torch_arrays  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.*` is deprecated", "ignore:.*is not supported in Python")

DOORS = {
    "asarray": accel.asarray,
    "from_dlpack": accel.from_dlpack,
    "a list": lambda t: accel.asarray([t, t]),
    "a list beside numbers": lambda t: accel.asarray([[1.0, 1.0], (t[0], t[0])] if t.ndim else [1.0, t]),
    "one operand": accel.exp,
    "beside NumPy": lambda t: accel.add(np.ones(t.shape, np.float32), t),
    "a view": lambda t: accel.reshape(t, (-1,)),
    "written": lambda t: accel.ones(t.shape).__setitem__(..., t),
    "a like": accel.ones_like,
}


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


@pytest.mark.parametrize("door", DOORS)
def test_a_functional_tensor_is_refused_at_every_door(door):
    DOORS[door](torch.ones(3))
    wrapper = torch._to_functional_tensor(torch.ones(3))
    with pytest.raises(accel.ArgumentError, match=r"no memory of its own .*Functionalize.*torch\.func"):
        DOORS[door](wrapper)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "transform",
    [
        torch.func.functionalize,
        torch.vmap,
        lambda f: torch.func.grad(lambda t: (f(t), t.sum())[1]),
        lambda f: lambda t: torch.func.jvp(f, (t,), (t,)),
    ],
    ids=["functionalize", "vmap", "grad", "jvp"],
)
def test_a_transform_is_refused(door, transform):
    seen = []

    def called(t):
        refusals = (accel.ArgumentError, BufferError)  # torch's own word to from_dlpack, of gradients
        with pytest.raises(refusals, match=r"no memory of its own|require.* grad|forward-mode"):
            DOORS[door](t)
        seen.append(door)
        return t

    transform(called)(torch.ones(2, 3))
    assert seen, "the transform has called the function"


def test_a_tensor_from_outside_is_plain_inside_a_transform():
    y = torch.arange(3.0)
    want = accel.exp(y)
    assert torch.equal(torch.vmap(lambda x: x * accel.exp(y))(torch.ones(2, 3)), want.expand(2, 3))
    assert torch.equal(torch.func.grad(lambda x: (x * accel.exp(y)).sum())(torch.ones(3)), want)
    with pytest.raises(accel.ArgumentError, match="no memory of its own"):  # the copy would be the transform's
        torch.func.grad(lambda x: (accel.exp(torch._neg_view(y)), x.sum())[1])(torch.ones(3))


def test_every_further_dispatch_key_of_torch_makes_a_tensor_not_plain(monkeypatch):
    tensor = torch.ones(3)
    plain = torch._C._dispatch_keys(tensor)
    known = {"CPU", "AutogradCPU", "AutocastCPU", "ADInplaceOrView", "Undefined", "BackendSelect"}
    known |= {"FuncTorchDynamicLayerFrontMode", "FuncTorchDynamicLayerBackMode"}
    others = {n: k for n, k in torch._C.DispatchKey.__members__.items() if n not in known and not plain.has(k)}
    assert {"Functionalize", "Python", "Negative", "SparseCPU", "CUDA"} <= set(others)
    assert torch_arrays._is_plain(tensor)
    for name, key in others.items():
        monkeypatch.setattr(torch_arrays, "_keys", lambda _, key=key: plain.add(key))
        assert not torch_arrays._is_plain(tensor) or plain.add(key).raw_repr() == plain.raw_repr(), name
    with torch.inference_mode():
        monkeypatch.undo()
        assert torch_arrays._is_plain(torch.ones(3))


def recorders():
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils._python_dispatch import TorchDispatchMode

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {}))

    def under(mode, f):
        with mode:
            return f(torch.ones(3))

    class Module(torch.nn.Module):
        def __init__(self, f):
            super().__init__()
            self.f = f

        def forward(self, x):
            return self.f(x)

    return {
        "jit.trace": lambda f: torch.jit.trace(f, (torch.ones(3),)),
        "make_fx": lambda f: make_fx(f)(torch.ones(3)),
        "make_fx, fake": lambda f: make_fx(f, tracing_mode="fake")(torch.ones(3)),
        "make_fx, before autograd": lambda f: make_fx(f, pre_dispatch=True)(torch.ones(3)),
        "make_fx of functionalize": lambda f: make_fx(torch.func.functionalize(f))(torch.ones(3)),
        "export": lambda f: torch.export.export(Module(f), (torch.ones(3),), strict=False),
        "fake mode": lambda f: under(FakeTensorMode(allow_non_fake_inputs=True), f),
        "a user's mode": lambda f: under(Mode(), f),
    }


@pytest.mark.parametrize("door", ["asarray", "from_dlpack", "a list", "one operand", "a view"])
@pytest.mark.parametrize("name", recorders())
def test_what_torch_records_is_refused_and_nothing_becomes_a_constant(name, door):
    outside = torch.ones(3)
    caught = []

    def recorded(t):
        for operand in (t, outside):
            with pytest.raises(accel.ArgumentError, match="torch records or replaces what is computed here") as error:
                DOORS[door](operand)
            caught.append(error)
        return t + 1

    with contextlib.suppress(pytest.fail.Exception):  # torch.jit.trace runs it again, unrecorded, to compare
        recorders()[name](recorded)
    assert len(caught) >= 2


def test_a_graph_of_numbers_is_refused():
    with pytest.raises(accel.ArgumentError, match=r"x: expected .* got torch.fx.proxy.Proxy"):
        torch.fx.symbolic_trace(lambda x: accel.exp(x))


@torch.library.custom_op("accel_tests::exp", mutates_args=())
def custom_exp(x: torch.Tensor) -> torch.Tensor:
    return accel.exp(x)


@custom_exp.register_fake
def _(x):
    return torch.empty_like(x)


def test_in_a_custom_op_accel_is_called_at_every_run():
    x, later = torch.ones(3), torch.arange(3.0)
    for made in (
        torch.jit.trace(lambda x: custom_exp(x), (x,)),
        make_fx(lambda x: custom_exp(x))(x),
        make_fx(lambda x: custom_exp(x), tracing_mode="symbolic")(x),
    ):
        assert torch.equal(made(later), accel.exp(later))


@pytest.mark.slow
def test_compiled_functions_call_accel_between_their_graphs():
    compiled = torch.compile(lambda x: accel.exp(x * 2) + 1, backend="eager")
    for x in (torch.ones(3), torch.arange(3.0), torch.arange(4.0)):
        assert torch.equal(compiled(x), accel.exp(x * 2) + 1)


class Lying(torch.Tensor):
    """A subclass without functions of its own, whose attributes say what is not so."""

    shape = property(lambda self: (1 << 40,))
    dtype = property(lambda self: torch.float64)

    def data_ptr(self):
        return 64

    def is_contiguous(self):
        return True


class Counting(torch.Tensor):
    """A subclass with functions of its own."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return super().__torch_function__(func, types, args, kwargs or {})


def test_subclasses():
    out = accel.add(torch.arange(3.0).as_subclass(Lying), 1.0)
    assert type(out) is torch.Tensor
    assert out.tolist() == [1, 2, 3]
    assert accel.add(torch.nn.Buffer(torch.ones(2)), 1.0).tolist() == [2, 2]
    with pytest.raises(accel.ArgumentError, match="got Counting, which computes for itself"):
        accel.exp(torch.ones(3).as_subclass(Counting))
    with pytest.raises(accel.ArgumentError, match="got UninitializedParameter, which computes for itself"):
        accel.exp(torch.nn.UninitializedParameter(requires_grad=False))
    with pytest.raises(accel.ArgumentError, match=r"got unittest\.mock\.Mock"):
        accel.exp(unittest.mock.Mock(spec=torch.Tensor))


def test_bits_that_torch_puts_off_are_resolved_by_dlpack_too():
    negated = torch._neg_view(torch.arange(3.0))
    assert accel.from_dlpack(negated).__array__().tolist() == [0, -1, -2]
    assert accel.from_dlpack(torch._efficientzerotensor((3,))).__array__().tolist() == [0, 0, 0]
    with pytest.raises(BufferError, match="copy=False"):
        accel.from_dlpack(negated, copy=False)
    with pytest.raises(accel.ArgumentError, match=r"layout torch._mkldnn; use to_dense"):
        accel.from_dlpack(torch.ones(3).to_mkldnn())


def test_memory_that_is_copied_on_writing_is_the_arrays_own():
    tensor = torch.ones(3)
    lazy = tensor._lazy_clone()
    accel.asarray(lazy)[0] = 9
    assert (lazy.tolist(), tensor.tolist()) == ([9, 1, 1], [1, 1, 1])
