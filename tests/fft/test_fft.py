"""accel.fft against NumPy in more digits: values within the bound, arguments, layouts, devices, launches, bad input."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import dispatch, fft, recording
from accel.dtypes import as_dtype
from accel.ops.composed import exact_fourier, real_transform, transform
from accel.ops.composed.roots_of_unity import roots

NORMS = ("backward", "ortho", "forward")
COMPLEX = {np.float32: np.complex64, np.float64: np.complex128}


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def reals(shape, dtype=np.float32, seed=0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).standard_normal(shape).astype(dtype)


def numbers(shape, dtype=np.float32, seed=0) -> np.ndarray:
    return (reals(shape, dtype, seed) + 1j * reals(shape, dtype, seed + 1)).astype(COMPLEX[dtype])


def wide(x: np.ndarray) -> np.ndarray:
    target = {"f4": "f8", "c8": "c16", "f8": np.longdouble, "c16": np.clongdouble}[x.dtype.str[1:]]
    return x.astype(target)


def units(got: np.ndarray, want: np.ndarray) -> float:
    """The 2-norm of the error by that of the result, in units of rounding."""
    size = np.sqrt(np.square(np.abs(want)).sum())
    u = np.finfo(got.dtype).eps / 2
    return float(np.sqrt(np.square(np.abs(got - want)).sum()) / (size + np.finfo(got.dtype).tiny) / u)


def compare(name: str, x: np.ndarray, most: float, **keywords: object) -> None:
    """most: units of rounding."""
    got = getattr(fft, name)(x, **keywords)
    want = getattr(np.fft, name)(wide(x), **keywords)
    assert isinstance(got, np.ndarray)
    assert got.shape == want.shape
    assert got.dtype == np.result_type(x.dtype, np.complex64 if want.dtype.kind == "c" else np.float32) or (
        got.dtype.kind == want.dtype.kind
    )
    assert units(got, want) <= most, (name, x.shape, keywords)


# values


@given(st.integers(1, 3000), st.sampled_from([np.float32, np.float64]), st.booleans())
def test_of_any_length(n, dtype, inverse):
    z, x = numbers((n,), dtype), reals((n,), dtype)
    most = exact_fourier.eta(n)
    compare("ifft" if inverse else "fft", z, most)
    compare("ihfft" if inverse else "rfft", x, most)
    compare("hfft" if inverse else "irfft", numbers((n // 2 + 1,), dtype), 2 * most, n=n)


def test_errors_grow_with_the_logarithm():
    """In norm, of powers of 2: far below the bound, which no operand reaches."""
    for a in range(0, 19, 3):
        z = numbers((1 << a,))
        assert units(fft.fft(z), np.fft.fft(wide(z))) <= 0.6 + 0.4 * a
        assert units(fft.ifft(fft.fft(z)), z) <= 1.2 + 0.8 * a


@pytest.mark.parametrize(
    ("table", "n"), [("twiddles", 64), ("circle", 64), ("_matrices", 11), ("_chirp", 101), ("_spectrum", 101)]
)
def test_a_wrong_table_is_seen(table, n, monkeypatch):
    """Control: an entry that is off by 2^-8 gives a larger error than is allowed."""
    right = getattr(transform, table)

    def wrong(*arguments):
        made = np.array(right(*arguments))
        made[0, ..., -1] += 2.0**-8
        return accel.asarray(made)

    z = numbers((n,))
    before, wanted = worst_of_parts(z), exact_fourier.eta(n)
    for where in (transform, real_transform):
        if hasattr(where, table):
            monkeypatch.setattr(where, table, wrong)
    assert before <= wanted < worst_of_parts(z)


def worst_of_parts(z: np.ndarray) -> float:
    """Units of rounding of the transform of numbers, and of that of their real parts, computed step by step."""
    parts = [accel.asarray(np.ascontiguousarray(x)) for x in (z.real, z.imag)]
    found = transform.transform(*parts, 0), real_transform.transform_of_reals(parts[0], 0)
    wanted = np.fft.fft(wide(z)), np.fft.rfft(wide(z.real))
    joined = ((np.asarray(re) + 1j * np.asarray(im)).astype(z.dtype) for re, im in found)
    return max(map(units, joined, wanted))


def test_known_transforms():
    """Exactly: of an impulse, a constant and alternating signs."""
    for n in (1, 2, 4, 8, 16, 64, 1024):
        impulse, constant = np.zeros(n, np.complex64), np.ones(n, np.complex64)
        impulse[0] = 1
        assert np.array_equal(fft.fft(impulse), constant)
        assert np.array_equal(fft.fft(constant), n * impulse)
        assert np.array_equal(fft.ifft(n * impulse), constant)
        assert np.array_equal(fft.rfft(constant.real), n * impulse[: n // 2 + 1])


@given(st.integers(1, 200))
def test_roots_of_unity_are_rounded_once(n):
    mpmath = pytest.importorskip("mpmath", reason="mpmath is not installed: it is in the extra all")
    cos, sin = roots(n)
    with mpmath.workprec(160):
        for j in {0, 1, n // 8, n // 4, n // 3, n - 1} & set(range(n)):
            angle = 2 * mpmath.mpf(j) / n
            assert (cos[j], sin[j]) == (float(mpmath.cospi(angle)), float(mpmath.sinpi(angle)))


# arguments


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", [None, 1, 4, 5, 12])
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_length_axis_and_norm(norm, n, axis):
    x, z = reals((5, 8, 6)), numbers((5, 8, 6))
    for name in ("fft", "ifft", "irfft", "hfft"):
        compare(name, z, 100, n=n, axis=axis, norm=norm)
    for name in ("fft", "ifft", "rfft", "ihfft"):
        compare(name, x, 100, n=n, axis=axis, norm=norm)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    ("s", "axes"), [(None, None), (None, (0, 2)), ((3, 9), (2, 0)), ((4,), (1,)), ((2, 7), None), (None, (-1,))]
)
def test_several_axes(norm, s, axes):
    axes = tuple(range(-len(s), 0)) if s is not None and axes is None else axes
    x, z = reals((5, 8, 6)), numbers((5, 8, 6))
    for name in ("fftn", "ifftn", "irfftn"):
        compare(name, z, 100, s=s, axes=axes, norm=norm)
    compare("rfftn", x, 100, s=s, axes=axes, norm=norm)


def test_lengths_of_minus_one_are_those_of_the_operand():
    z = numbers((4, 6))
    assert np.array_equal(fft.fftn(z, s=(-1, 3)), fft.fftn(z, s=(4, 3), axes=(0, 1)))
    assert np.array_equal(fft.irfftn(z, s=(3, -1)), fft.irfftn(z, s=(3, 10), axes=(0, 1)))


def test_imaginary_parts_that_do_not_count():
    z = numbers((5,))
    other = z.copy()
    other.imag[[0, 4]] = 7
    assert np.array_equal(fft.irfft(z), fft.irfft(other))
    assert np.array_equal(fft.irfft(z, n=7), fft.irfft(np.where(np.arange(5) == 0, other, z), n=7))
    assert not np.array_equal(fft.irfft(z, n=9), fft.irfft(other, n=9)), "control"


def test_operands_as_they_lie():
    base = numbers((40, 30))
    for x in (base.T, base[::2, ::-1], base[3:, 7:20], np.broadcast_to(base[:1], (9, 30)), np.asfortranarray(base)):
        for axis in (0, 1):
            assert np.array_equal(fft.fft(x, axis=axis), fft.fft(np.ascontiguousarray(x), axis=axis))


def test_kinds_of_arrays():
    z = numbers((12,))
    own = fft.fft(accel.asarray(z))
    assert isinstance(own, accel.Array)
    assert own.dtype is accel.complex64
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    found = fft.rfft(torch.ones(8, dtype=torch.float64))
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.complex128
    assert fft.rfft(np.ones(8, np.float16)).dtype == np.complex64


def test_nothing_is_transformed_to_nothing():
    for name in ("fft", "ifft", "rfft", "ihfft", "irfft"):
        x = np.zeros((0, 6), np.float32)
        assert getattr(fft, name)(x).shape == getattr(np.fft, name)(x).shape
    assert not fft.fft(np.zeros((2, 0), np.complex64), n=4).any()


def test_fused_and_unfused_are_equal():
    for n in (1, 8, 60, 121, 202, 1024):
        z, x = numbers((3, n)), reals((3, n))
        fused = fft.fft(z), fft.ifft(z, norm="ortho"), fft.rfft(x), fft.irfft(z, n=n)
        with accel.config(fusion="off"):
            apart = fft.fft(z), fft.ifft(z, norm="ortho"), fft.rfft(x), fft.irfft(z, n=n)
        assert all(map(np.array_equal, fused, apart))


@pytest.mark.parametrize("device", ["opencl:intel", "opencl:pocl", "triton:interpreter"])
def test_devices_agree(device):
    try:
        there = accel.device(device)
    except accel.AccelError as error:
        pytest.skip(str(error))
    z, x = numbers((3, 8)), reals((3, 14))
    some = (("ifftn", z),) if "pocl" in device else (("ifftn", z), ("rfft", x), ("hfft", z))
    for name, operand in some:
        with accel.config(fallback="error"):
            got = np.asarray(getattr(fft, name)(accel.asarray(operand, device=there)))
        assert got.tobytes() == getattr(fft, name)(operand).tobytes(), name


# launches


def launches(name: str, x: np.ndarray, **keywords: object) -> int:
    function = getattr(fft, name)
    with recording.recording(run=False) as recorder:
        function(accel.asarray(x), **keywords)
    return len(next(c for c in recorder.calls[0][1] if c.what == recording.COMPILED).kernels)


@pytest.mark.parametrize(
    ("n", "count"), [(1, 0), (2, 1), (8, 1), (64, 2), (1024, 4), (1 << 20, 7), (1000, 4), (30, 3), (11, 4), (101, 11)]
)
def test_a_stage_is_a_launch(n, count):
    assert launches("fft", np.zeros(n, np.complex64)) == count


def test_launches_of_real_ones():
    assert launches("rfft", np.zeros(2048, np.float32)) == 4 + 3
    assert launches("irfft", np.zeros(1025, np.complex64)) == 3 + 4


# bad input


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_bad_arguments(name):
    function = getattr(fft, name)
    x = np.ones((4, 6), np.float32)
    for n in (0, -1, -(2**70)):
        with pytest.raises(accel.ShapeError, match=f"^{name}: n: expected at least one point"):
            function(x, n=n)
    for axis in (2, -3, 2**70):
        with pytest.raises(accel.AxisError, match=f"^{name}: axis: "):
            function(x, axis=axis)
    with pytest.raises(accel.ArgumentError, match=f"^{name}: norm: .*'sideways'"):
        function(x, norm="sideways")
    with pytest.raises(accel.ArgumentError, match=f"^{name}: n: expected an integer"):
        function(x, n=2.0)
    with pytest.raises(accel.DtypeError, match=f"^{name}: x: takes"):
        function(np.ones(4, np.int32))
    with pytest.raises(accel.AxisError, match=f"^{name}: axis: "):
        function(np.float32(1.0) * np.ones(()))
    with pytest.raises(accel.ShapeError, match=f"^{name}: n: expected at least one point"):
        function(np.ones((3, 0 if name not in ("irfft", "hfft") else 1), np.float32))


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_bad_axes(name):
    function = getattr(fft, name)
    x = np.ones((4, 6), np.float32)
    with pytest.raises(accel.AxisError, match=f"^{name}: axes: .* twice"):
        function(x, axes=(0, -2))
    with pytest.raises(accel.AxisError, match=f"^{name}: axes: 2 is out of range"):
        function(x, axes=(0, 2))
    with pytest.raises(accel.ShapeError, match=f"^{name}: s: 2 lengths for 1 axes"):
        function(x, s=(3, 3), axes=(0,))
    with pytest.raises(accel.ShapeError, match=f"^{name}: s: 3 lengths"):
        function(x, s=(3, 3, 3))
    with pytest.raises(accel.ShapeError, match=f"^{name}: s: expected at least one point"):
        function(x, s=(3, 0))


def test_reals_alone():
    for name in ("rfft", "ihfft", "rfftn"):
        with pytest.raises(accel.DtypeError, match=f"^{name}: x: takes floating dtypes, got complex64"):
            getattr(fft, name)(np.ones((4, 6), np.complex64))
    with pytest.raises(accel.ArgumentError, match="at least one axis"):
        fft.rfftn(np.ones(3, np.float32), axes=())


# frequencies


@pytest.mark.parametrize("n", [1, 2, 5, 8, 100_003])
@pytest.mark.parametrize("d", [1.0, 0.1, -3])
@pytest.mark.parametrize("name", ["fftfreq", "rfftfreq"])
def test_frequencies(name, n, d):
    count = n // 2 + 1 if name == "rfftfreq" else n
    k = np.arange(count)
    k = k if name == "rfftfreq" else np.where(k < (n + 1) // 2, k, k - n)
    for dtype in ("float32", "float64", "float16"):
        got = getattr(fft, name)(n, d=d, dtype=dtype)
        assert got.dtype is as_dtype(dtype)
        assert np.array_equal(np.asarray(got), (k / (d * n)).astype(dtype))
    assert getattr(fft, name)(n).dtype is accel.float32


def test_bad_frequencies():
    for name in ("fftfreq", "rfftfreq"):
        function = getattr(fft, name)
        with pytest.raises(accel.ArgumentError, match=f"^{name}: n: expected at least one sample"):
            function(0)
        for d in (0, float("nan"), float("inf")):
            with pytest.raises(accel.ArgumentError, match=f"^{name}: d: expected a finite number"):
                function(4, d=d)
        with pytest.raises(accel.DtypeError, match=f"^{name}: dtype: expected a floating dtype"):
            function(4, dtype="int32")


@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
def test_shifts(name):
    function, numpys = getattr(fft, name), getattr(np.fft, name)
    for shape in ((), (1,), (5,), (6,), (4, 5), (3, 0)):
        for axes in (None, *(axes for k in (1, 2) for axes in itertools.combinations(range(len(shape)), k))):
            x = np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
            for each in (x, x.astype(np.int64), (x * 1j).astype(np.complex64)):
                assert np.array_equal(function(each, axes=axes), numpys(each, axes=axes) if shape else each)
    with pytest.raises(accel.AxisError, match=f"^{name}: "):
        function(np.ones(3), axes=1)


def test_the_dispatcher_is_not_left_recording():
    """A table that is computed while a function is traced is not a part of the trace."""
    f = accel.fuse(lambda x: fft.fft(x) * 2.0)
    z = numbers((211,))
    assert np.array_equal(f(z), 2 * fft.fft(z))
    assert dispatch.RECORDER.get() is None


def test_stages_on_the_cpu_are_butterflies(monkeypatch):
    """Each stage is the kernel of its radix; another program is none."""
    from accel.kernels.cpu import pointwise

    found, right = [], pointwise._of_complex_numbers

    def seen(call):
        made = right(call)
        found.append(made is not None)
        return made

    monkeypatch.setattr(pointwise, "_of_complex_numbers", seen)
    dispatch.forget()
    fft.fft(numbers((1024,)))
    assert found == [True] * 4  # 8 8 4 4
    found.clear()
    accel.exp(numbers((5,)))
    assert found == [False]
    dispatch.forget()
