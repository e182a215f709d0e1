"""Every op where its device refuses it, its layout or its dtype, or where ACCEL_OVERRIDE sends it elsewhere: elements
move as bytes, which takes no op that may be refused as well."""

from __future__ import annotations

import copy
import pickle
import warnings
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest

import accel
from accel import dispatch, protocols, recording, registry
from accel.backends.base import Device
from accel.conversion import from_numpy, store, to_numpy
from accel.memory import HostBuffer, allocate
from accel.ops.spec import OpSpec
from accel.testing.compare import Answers, check
from accel.testing.draw import Draw
from accel.testing.families import Sample

pytestmark = pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")  # of NumPy's answers


class Remote(Device):
    """Memory that only copies reach, as far as accel knows. moved: bytes that were copied out and in."""

    def __post_init__(self) -> None:
        self.moved = [0, 0]

    def allocate(self, nbytes: int) -> HostBuffer:
        return allocate(nbytes)

    def copy_in(self, buffer: HostBuffer, offset: int, source: np.ndarray) -> None:
        assert source.dtype == np.uint8 and source.flags.c_contiguous
        self.moved[1] += source.size
        np.asarray(buffer)[offset : offset + source.size] = source

    def copy_out(self, buffer: HostBuffer, offset: int, nbytes: int) -> np.ndarray:
        assert offset >= 0 and offset + nbytes <= buffer.nbytes
        self.moved[0] += nbytes
        result = np.asarray(buffer)[offset : offset + nbytes].copy()
        result.flags.writeable = False
        return result


def _strided(call):
    return None if all(x.contiguous for x in (*call.inputs, *call.outputs)) else "only on contiguous operands"


def _both(first, second):
    return lambda call: first(call) or second(call)


def _dtype(name, call):
    return f"not in {name}" if any(x.dtype.name == name for x in (*call.inputs, *call.outputs)) else None


REFUSALS = {
    "everything": lambda call: "nothing runs here",
    "strided": _strided,
    "float32": partial(_dtype, "float32"),
    "bool": partial(_dtype, "bool"),
    "nothing": lambda call: None,
}
"""Why a kernel of the device does not serve a call, by what it refuses."""

kernels_of = registry.kernels


@pytest.fixture
def remote(monkeypatch):
    """Makes the device, whose kernels are the CPU's except where they refuse; "without kernels": it has none."""

    def make(refused: str) -> Remote:
        dispatch.forget()
        refuses = REFUSALS.get(refused)
        rows = tuple(
            replace(row, name=row.name.replace("cpu.", "remote."), supports=_both(row.supports, refuses))
            for row in (kernels_of("cpu") if refuses else ())
        )
        monkeypatch.setattr(registry, "kernels", lambda name: rows if name == "remote" else kernels_of(name))
        return Remote("remote", "remote:0", "null", "memory out of reach")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", accel.FallbackWarning)
        yield make
    dispatch.forget()


@cache
def example(op: str, number: int) -> tuple[Sample, Answers]:
    """A sample of an op in one dtype, and its answers, which all ways to compute it are held against."""
    spec = registry.OPS[op]
    dtype = next((d for d in spec.dtypes if d.name == "float32"), spec.dtypes[0])
    sample = spec.samples(dtype).draw(Draw.seeded(number))
    return sample, Answers(spec, sample.operands, sample.keywords, sample.period)


def agrees(spec: OpSpec, device: Device, examples: int = 1, **settings_in_force: str) -> set[str]:
    """Runs samples of an op in one dtype and holds them against the canonical answer. Returns what served them."""
    how: set[str] = set()
    for i in range(examples):
        sample, answers = example(spec.name, i)
        with accel.config(**settings_in_force), recording.recording(run=True) as recorder:
            check(spec, device, sample.operands, sample.keywords, sample.period, answers=answers)
        how.update(recorder.served_by())
    return how


REFUSED = ("without kernels", "everything", "strided", "float32", "bool")


@pytest.mark.parametrize("refused", REFUSED)
def test_every_op_where_kernels_refuse(remote, refused):
    device, how = remote(refused), set()
    for spec in registry.OPS.values():
        how |= agrees(spec, device)
    assert recording.FALLBACK in how
    native = any(what == "remote.pointwise" for what in how)
    assert native == (refused in ("strided", "float32", "bool")), "and the kernels run what they do not refuse"


@pytest.mark.parametrize("refused", ["nothing", "everything"])
def test_every_op_overridden(remote, refused):
    device = remote(refused)
    for name, spec in registry.OPS.items():
        before = list(device.moved)
        how = agrees(spec, device, override=f"{name}=cpu", fallback="allow")
        assert any(what.startswith(f"override: {name} ") for what in how), name
        assert all(now > then for now, then in zip(device.moved, before, strict=True))


def test_every_op_overridden_on_opencl():
    device = next((d for d in accel.devices() if d.backend == "opencl"), None)
    if device is None:
        pytest.skip("needs an OpenCL device, such as the CPU with pip's intel-opencl-rt")
    for name, spec in registry.OPS.items():
        agrees(spec, device, override=f"{name}=cpu")
    everything = ",".join(f"{name}=cpu" for name in registry.OPS)
    x = accel.asarray(np.arange(12.0, dtype=np.float32).reshape(3, 4), device=device)
    with accel.config(override=everything):
        x[::2, ::-1] = x[1]
        x.T[1:] += 1
        np.testing.assert_array_equal(np.asarray(x.T), np.array([[7, 4, 7], [7, 6, 7], [6, 7, 6], [5, 8, 5]]))


ALL_WAYS = [*((refused, "") for refused in REFUSED), ("nothing", "copy"), ("nothing", "pointwise"), ("nothing", "add")]


@pytest.mark.parametrize(("refused", "overridden"), ALL_WAYS)
def test_what_writes_into_memory_that_is_there(remote, refused, overridden):
    """Results go to their places through any strides, and nothing else changes."""
    device = remote(refused)
    values = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    x, want = from_numpy(values, device), values.copy()
    with accel.config(override=f"{overridden}=cpu" if overridden else ""):
        x[1, ::2, ::-1] = x[0, :2]
        want[1, ::2, ::-1] = want[0, :2].copy()
        x.permute((2, 0, 1))[1:4] += x.permute((2, 0, 1))[0:3]
        want.transpose(2, 0, 1)[1:4] += want.transpose(2, 0, 1)[0:3].copy()
        x[:, 3] = 7
        want[:, 3] = 7
        x[2] *= x[2]
        want[2] *= want[2]
        accel.copy(x[0], out=x[2, :, :])
        want[2] = want[0]
        np.testing.assert_array_equal(to_numpy(x), want)
        square = from_numpy(values[0, :, :4].copy(), device)
        square.T[...] = square[0]
        square @= square.T
        grid = np.tile(values[0, :1, :4].T, 4)
        np.testing.assert_array_equal(to_numpy(square), grid @ grid.T)


@pytest.mark.parametrize("refused", REFUSED)
def test_what_leaves_the_device(remote, refused, monkeypatch):
    device = remote(refused)
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    x = from_numpy(values, device)
    monkeypatch.setattr(protocols, "device_of", lambda which: which if isinstance(which, Device) else device)
    views = {"permuted": (2, 0, 1)}
    for view, want in (
        (x[:, ::-2, 1:], values[:, ::-2, 1:]),
        (x.permute(views["permuted"]), values.transpose(views["permuted"])),
        (accel.broadcast_to(x[0, 0], (5, 4)), np.broadcast_to(values[0, 0], (5, 4))),
        (x[0, 1, 2], values[0, 1, 2]),
        (x[:, :0], values[:, :0]),
    ):
        moved = view.to_device(accel.device("cpu")), pickle.loads(pickle.dumps(view))
        for got in (view, np.asarray(view), view.contiguous(), copy.deepcopy(view), *moved):
            got = to_numpy(got) if isinstance(got, accel.Array) else got
            np.testing.assert_array_equal(got, want, strict=True)
        repr(view)


def test_only_what_a_view_spans_is_copied(remote):
    device = remote("without kernels")
    x = from_numpy(np.arange(1000, dtype=np.float32), device)
    device.moved[:] = 0, 0
    np.testing.assert_array_equal(to_numpy(x[100:120:10]), [100, 110])
    assert device.moved == [11 * 4, 0]
    np.testing.assert_array_equal(np.asarray(accel.add(accel.broadcast_to(x[5], (1000,)), 1.0)), np.full(1000, 6))
    assert device.moved[0] < 3 * 4000, "a stretched operand moves as the one element that it is"


def test_store_keeps_what_is_between(remote):
    device = remote("without kernels")
    x = from_numpy(np.arange(8, dtype=np.float64), device)
    store(np.array([[-1.0, -2.0], [-3.0, -4.0]]), x.view((2, 2), (-1, 4), 1))
    np.testing.assert_array_equal(to_numpy(x), [-3, -1, 2, 3, -4, -2, 6, 7])
    device.moved[:] = 0, 0
    store(np.array([[-1.0, -2.0], [-3.0, -4.0]]), x.view((2, 2), (1, 2), 2))
    np.testing.assert_array_equal(to_numpy(x), [-3, -1, -1, -3, -2, -4, 6, 7])
    assert device.moved == [64, 32], "nothing is fetched where there is nothing between"


def test_no_op_is_sent_to_and_fro(remote, monkeypatch):
    """An override to a backend that refuses the op, which then falls back to the device that it came from."""
    device = remote("everything")
    names = (*registry.backend_names(), "remote")
    monkeypatch.setattr(registry, "backend_names", lambda: names)
    monkeypatch.setattr(
        dispatch.devices, "backend_device", lambda name: device if name == "remote" else accel.device("cpu")
    )
    x = accel.asarray([1.0, 2.0], dtype=accel.float32, device="cpu")
    with accel.config(override="add=remote"), pytest.warns(accel.FallbackWarning, match="add on remote:0"):
        result = x + x
    assert (np.asarray(result).tolist(), result.device) == ([2, 4], x.device)
    with accel.config(override="mean=remote,sum=remote,pointwise=remote"):
        assert float(accel.mean(x)) == 1.5
    with accel.config(override="add=remote", fallback="error"), pytest.raises(accel.UnsupportedError, match="remote:0"):
        x + x
    with pytest.raises(accel.ConfigError, match="'add' is named twice"), accel.config(override="add=remote,add=cpu"):
        pass


def test_fallback_error_says_so_where_a_copy_is_due(remote):
    x = from_numpy(np.arange(6.0), remote("strided"))
    with accel.config(fallback="error"):
        with pytest.raises(accel.UnsupportedError, match="only on contiguous operands"):
            x[::2] = x[:3]
        with pytest.raises(accel.UnsupportedError, match="only on contiguous operands"):
            x[::2].contiguous()
        np.testing.assert_array_equal(to_numpy(x[::2]), [0, 2, 4])


def test_the_check_sees_a_wrong_move(remote, monkeypatch):
    """The control of the tests above: strides walked the wrong way are noticed."""
    device = remote("everything")
    original = dispatch.on_host
    monkeypatch.setattr(dispatch, "on_host", lambda x: original(x)[..., ::-1] if x.ndim else original(x))
    with pytest.raises(AssertionError):
        agrees(registry.OPS["subtract"], device, examples=10)
