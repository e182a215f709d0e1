"""Factors of matrices in several chunks, complex numbers and Fourier transforms, against accel on one array."""

import dask
import numpy as np
import pytest
from chunked import assert_same, cut, equal_bits, few, numbers
from hypothesis import given
from hypothesis import strategies as st

import accel
import accel.dask as ad

SMALL = {"array.chunk-size": "1 kB"}
"""Dask's setting under which a matrix of some thousand elements is too large for one task."""


def positive(n: int, dtype: str) -> accel.Array:
    x = np.asarray(numbers(1, (n, n), dtype))
    return accel.asarray((x @ x.conj().T + 1000 * np.eye(n)).astype(x.dtype))


def tasks(x: ad.Array) -> str:
    return " ".join(str(key) for key in dict(x.grid.graph))


@pytest.mark.parametrize(
    ("shape", "chunks", "dtype"),
    [((300, 20), (90, 20), "float64"), ((190, 70), (64, 33), "float32"), ((100, 40), (40, 40), "complex64")],
)
def test_tall_qr(shape, chunks, dtype):
    """In one task where it fits, else panel by panel, with the rows in the operand's chunks."""
    x = numbers(1, shape, dtype)
    wanted = accel.linalg.qr(x)
    d = ad.from_array(x, chunks)
    made = ad.linalg.qr(d)
    assert "qr_block" not in tasks(made.Q)
    assert_same(made, wanted)
    with dask.config.set(SMALL):
        made = ad.linalg.qr(d)
        assert "qr_block" in tasks(made.Q) or dtype == "complex64"
        assert made.Q.chunks == d.chunks
        assert_same(made, wanted)


@pytest.mark.parametrize(("n", "chunk", "dtype"), [(100, 30, "float32"), (70, 64, "float64"), (40, 15, "complex128")])
def test_cholesky_and_what_is_solved(n, chunk, dtype):
    x = positive(n, dtype)
    d = ad.from_array(x, chunk)
    assert_same(ad.linalg.cholesky(d), accel.linalg.cholesky(x))
    with dask.config.set(SMALL):
        for upper in (False, True):
            made = ad.linalg.cholesky(d, upper=upper)
            assert made.chunks == d.chunks
            assert_same(made, accel.linalg.cholesky(x, upper=upper))
    if dtype == "float32":
        b = numbers(2, (n, 9), dtype)
        for setting in ({}, SMALL):
            with dask.config.set(setting):
                assert_same(ad.linalg.solve(d, ad.from_array(b, (40, 4))), accel.linalg.solve(x, b))


def test_another_factorisation_is_seen():
    """The control: NumPy's factors, those of another order of rows, and TSQR's have other bits."""
    x = numbers(1, (300, 20), "float64")
    q, r = accel.linalg.qr(x)
    theirs = np.linalg.qr(np.asarray(x))
    assert not equal_bits(theirs.R, r) and not equal_bits(theirs.Q, q)
    parts = accel.concat([accel.linalg.qr(x[at : at + 100]).R for at in (0, 100, 200)], axis=0)
    assert not equal_bits(accel.linalg.qr(parts).R, r)


def test_functions_of_matrices_are_shared_out_by_batch():
    x = positive(12, "float64")[None] * accel.astype(accel.reshape(accel.arange(1, 6), (5, 1, 1)), "float64")
    d = ad.from_array(x, (2, 7, -1))
    names = ("cholesky", "inv", "det", "slogdet", "qr", "svd", "svdvals", "eigh", "eigvalsh", "pinv", "matrix_rank")
    for name in names:
        found, wanted = getattr(ad.linalg, name)(d), getattr(accel.linalg, name)(x)
        assert_same(tuple(found) if isinstance(found, tuple) else found, wanted)
        first = found[0] if isinstance(found, tuple) else found
        assert first.numblocks[0] == 3, name
    for b in (d[:, :, :3], d[0, :, :3]):
        assert_same(ad.linalg.solve(d, b), accel.linalg.solve(x, b.compute()))


@few
@given(st.data(), st.sampled_from(("complex64", "complex128")))
def test_complex_numbers(data, dtype):
    x, y = numbers(1, (7, 6), dtype), numbers(2, (6,), dtype)
    a, b = (ad.from_array(v, cut(data.draw, v.shape, 3)) for v in (x, y))
    assert_same(a, x)
    for f in (lambda m, u, v: u * v + u, lambda m, u, v: m.exp(u) / v, lambda m, u, v: m.conj(u).T):
        assert_same(f(ad, a, b), f(accel, x, y))
    for f in (lambda m, u: m.sum(u, axis=1), lambda m, u: m.mean(u), lambda m, u: m.abs(u), lambda m, u: u @ u.T):
        assert_same(f(ad, a), f(accel, x))
    assert_same(a[::-2, 1:3] * (2 - 1j), x[::-2, 1:3] * (2 - 1j))
    assert_same(ad.concat([a, a[:1]], axis=0), accel.concat([x, x[:1]], axis=0))
    assert_same(ad.from_array(ad.full((3, 5), 1 - 2j, chunks=2).to_numpy(), 2), accel.full((3, 5), 1 - 2j))


@few
@given(st.data())
def test_fourier_transforms(data):
    x = numbers(1, (5, 12, 6), "float32")
    d = ad.from_array(x, cut(data.draw, x.shape, 3))
    axis, n = data.draw(st.integers(-3, 2)), data.draw(st.none() | st.integers(1, 14))
    norm = data.draw(st.sampled_from(("backward", "ortho", "forward")))
    for name in ("fft", "ifft", "rfft", "ihfft", "irfft", "hfft"):
        found = getattr(ad.fft, name)(d, axis=axis, n=n, norm=norm)
        assert_same(found, getattr(accel.fft, name)(x, axis=axis, n=n, norm=norm))
    c, dc = accel.fft.rfft(x, axis=1), ad.fft.rfft(d, axis=1)
    axes = data.draw(st.sampled_from(((0, 2), (-1,), None)))
    for name in ("fftn", "ifftn", "irfftn", "fftshift", "ifftshift"):
        assert_same(getattr(ad.fft, name)(dc, axes=axes), getattr(accel.fft, name)(c, axes=axes))


def test_transforms_keep_the_chunks_of_other_axes():
    x = numbers(1, (40, 64), "float32")
    made = ad.fft.rfft(ad.from_array(x, (16, 20)), axis=1)
    assert made.chunks == ((16, 16, 8), (33,))
    assert_same(made, accel.fft.rfft(x, axis=1))
    with pytest.raises(accel.AxisError, match="rfft: axis: 2 is out of range"):
        ad.fft.rfft(ad.from_array(x, 16), axis=2)
    assert not equal_bits(np.fft.rfft(np.asarray(x), axis=1).astype(np.complex64), made.compute())
