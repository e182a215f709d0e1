"""accel.linalg's factorisations: backward errors, against NumPy's within what the matrix' condition allows, special
matrices and shapes, what is no matrix, and LinAlgError."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import linalg
from accel.numerics import FACTOR
from accel.testing.draw import Draw
from accel.testing.factor_family import definite, general, stacked

DTYPES = ("float32", "float64")
SIZES = (0, 1, 2, 3, FACTOR - 1, FACTOR, FACTOR + 1, 2 * FACTOR + 1, 4 * FACTOR + 9)


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def unit(x: np.ndarray) -> float:
    return float(np.finfo(x.dtype).eps) / 2


def wide(x) -> np.ndarray:
    return np.asarray(x).astype(np.longdouble)


def given_matrices(made, batches=((), (2,), (2, 3))):
    """Matrices of any size here, dtype, batch and memory layout."""

    @st.composite
    def draw(draw):
        its = Draw(lambda low, high: draw(st.integers(low, high)))
        shape = (*its.choice(batches), *(its.choice(SIZES),) * 2)
        rng = np.random.default_rng(its.integer(0, 1000))
        return stacked(its, made(rng, accel.float32 if its.once_in(2) else accel.float64, shape))

    return given(draw())


def backward_error(made: np.ndarray, x: np.ndarray, size: np.ndarray) -> float:
    """The largest |difference| relative to the sizes of the terms, in units of roundoff for each column."""
    n = max(1, x.shape[-1])
    off = np.abs(made - wide(x))
    return float(np.max(off / np.maximum(size, np.finfo(x.dtype).tiny), initial=0)) / (unit(x) * n)


# residuals


@given_matrices(definite)
def test_a_cholesky_factor_times_itself_is_the_matrix(x):
    factor = linalg.cholesky(x)
    assert isinstance(factor, np.ndarray) and factor.dtype == x.dtype
    factor = wide(factor)
    assert (np.triu(factor, 1) == 0).all() and (np.diagonal(factor, axis1=-2, axis2=-1) > 0).all()
    assert backward_error(factor @ factor.mT, x, np.abs(factor) @ np.abs(factor.mT)) < 2
    upper = linalg.cholesky(x, upper=True)
    assert (wide(upper) == factor.mT).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_wrong_factor_has_another_backward_error(dtype):
    """Control: a factor of which one element in each row is off by a few hundred units."""
    x = definite(np.random.default_rng(0), getattr(accel, dtype), (70, 70))
    factor = wide(linalg.cholesky(x))
    factor[np.arange(70), np.arange(70) // 2] *= 1 + 400 * unit(x)
    assert backward_error(factor @ factor.mT, x, np.abs(factor) @ np.abs(factor.mT)) > 2


@given_matrices(lambda rng, dtype, shape: rng.standard_normal(shape).astype(dtype.numpy))
def test_a_solution_solves_nearly_this_system(x):
    """Normwise, for random matrices whatever their condition: |b - A x| <= c n u |A| |x|."""
    n = x.shape[-1]
    b = np.random.default_rng(n).standard_normal((*x.shape[:-2], n, 3)).astype(x.dtype)
    y = wide(linalg.solve(x, b))
    residual = np.abs(wide(x) @ y - wide(b)).max(axis=(-2, -1), initial=0)
    size = np.abs(wide(x)).sum(-1).max(-1, initial=0) * np.abs(y).max(axis=(-2, -1), initial=0)
    assert (residual <= 8 * max(1, n) * unit(x) * size).all()


@given_matrices(general)
def test_inverse_and_determinants_are_numpys(x):
    inverse = linalg.inv(x)
    assert np.abs(wide(x) @ wide(inverse) - np.eye(x.shape[-1])).max(initial=0) < 400 * max(1, x.shape[-1]) * unit(x)
    sign, logarithm = linalg.slogdet(x)
    want = np.linalg.slogdet(x.astype(np.float64))
    assert (sign == want.sign).all() and sign.dtype == x.dtype
    assert np.allclose(logarithm, want.logabsdet, rtol=200 * unit(x), atol=400 * max(1, x.shape[-1]) * unit(x))
    if x.shape[-1] < 12:
        error = 400 * max(1, x.shape[-1]) * unit(x)
        assert np.allclose(linalg.det(x), np.linalg.det(x.astype(np.float64)), rtol=error, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [12, 70])
def test_an_ill_conditioned_system_is_solved_as_well_as_numpy_does(dtype, n):
    """Of a matrix of condition 1 / (10 u): the residual stays small, and so does the error relative to what the
    condition allows."""
    rng = np.random.default_rng(n)
    q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    p, _ = np.linalg.qr(rng.standard_normal((n, n)))
    condition = 0.1 / np.finfo(dtype).eps
    x = (q * np.geomspace(1, 1 / condition, n) @ p).astype(dtype)
    b = (wide(x) @ np.ones(n)).astype(dtype)
    ours, theirs = (np.abs(wide(x) @ wide(y) - b).max() for y in (linalg.solve(x, b), np.linalg.solve(x, b)))
    assert ours <= 4 * max(theirs, float(np.finfo(dtype).eps))


def test_pivoting_keeps_what_elimination_would_lose():
    x = np.array([[1e-20, 1.0], [1.0, 1.0]])
    assert linalg.solve(x, np.array([1.0, 2.0])).tolist() == [1.0, 1.0]


def rectangles():
    """Matrices of any two lengths here."""

    @st.composite
    def draw(draw):
        its = Draw(lambda low, high: draw(st.integers(low, high)))
        shape = (*its.choice(((), (2,), (2, 3))), its.choice(SIZES), its.choice(SIZES))
        x = np.random.default_rng(its.integer(0, 1000)).standard_normal(shape) * its.choice((1e-30, 1.0, 1e30))
        if its.once_in(3) and x.shape[-1] > 1:
            x[..., 1] = x[..., 0]  # no full rank
        return stacked(its, x.astype(its.choice(DTYPES)))

    return given(draw())


@rectangles()
def test_q_is_orthogonal_and_q_r_is_the_matrix(x):
    m, n = x.shape[-2:]
    for mode, k in (("reduced", min(m, n)), ("complete", m)):
        made = linalg.qr(x, mode=mode)
        q, r = map(wide, made)
        assert made.Q.dtype == made.R.dtype == x.dtype
        assert q.shape == (*x.shape[:-1], k) and r.shape == (*x.shape[:-2], k, n)
        assert (np.tril(r, -1) == 0).all()
        assert np.abs(q.mT @ q - np.eye(k)).max(initial=0) <= 8 * max(m, n) * unit(x)
        size = np.sqrt((wide(x) ** 2).sum(-2)).max(initial=0)
        assert np.abs(q @ r - wide(x)).max(initial=0) <= 8 * max(m, n) * unit(x) * size


def test_what_qr_makes_of_triangles_and_of_other_modes():
    upper = np.triu(np.arange(1.0, 26).reshape(5, 5))
    q, r = linalg.qr(upper)
    assert (q == np.eye(5)).all() and (r == upper).all()
    with pytest.raises(accel.ArgumentError, match="mode"):
        linalg.qr(upper, mode="r")
    with pytest.raises(accel.ShapeError, match="matrices"):
        linalg.qr(np.ones(3))
    with pytest.raises(accel.DtypeError, match="cast with astype"):
        linalg.qr(upper.astype(int))


# special matrices and shapes


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 5, FACTOR + 3])
def test_the_identity_and_permutations_are_exact(n, dtype):
    eye = np.eye(n, dtype=dtype)
    order = np.random.default_rng(3).permutation(n)
    assert (linalg.cholesky(eye) == eye).all() and (linalg.inv(eye) == eye).all()
    assert (linalg.inv(eye[order]) == eye[order].T).all()
    assert linalg.det(eye[order]) == round(float(np.linalg.det(eye[order].astype(np.float64))))
    b = np.arange(n * 2, dtype=dtype).reshape(n, 2)
    assert (linalg.solve(eye[order], b) == b[np.argsort(order)]).all()


def test_matrices_without_elements():
    for shape in ((0, 0), (2, 0, 0), (0, 3, 3)):
        x = np.ones(shape, np.float32)
        assert linalg.cholesky(x).shape == linalg.inv(x).shape == shape
        assert linalg.det(x).tolist() == np.linalg.det(x).tolist()
        assert [r.tolist() for r in linalg.slogdet(x)] == [r.tolist() for r in np.linalg.slogdet(x)]
        for columns in (0, 2):
            assert linalg.solve(x, np.ones((*shape[:-1], columns), np.float32)).shape == (*shape[:-1], columns)
    assert linalg.solve(np.ones((3, 3)), np.ones((3, 0))).shape == (3, 0)
    assert linalg.solve(np.ones((0, 0)), np.ones(0)).shape == (0,)


@pytest.mark.parametrize(
    ("a", "b"),
    [((3, 3), (3,)), ((2, 3, 3), (3,)), ((3, 3), (4, 2, 3, 5)), ((1, 3, 3), (4, 3, 1)), ((2, 1, 3, 3), (5, 3, 2))],
)
def test_batch_axes_broadcast(a, b):
    rng = np.random.default_rng(1)
    x, y = general(rng, accel.float64, a), rng.standard_normal(b)
    made = linalg.solve(x, y)
    want = np.linalg.solve(x, y[:, None])[..., 0] if y.ndim == 1 else np.linalg.solve(x, y)
    assert made.shape == want.shape
    assert np.allclose(made, want, rtol=1e-10)


def test_dtypes_promote():
    x, b = np.eye(3, dtype=np.float32) * 2, np.ones((3, 1))
    assert linalg.solve(x, b).dtype == np.float64
    assert linalg.solve(x.astype(np.float64), b.astype(np.float32)).dtype == np.float64


def test_the_other_triangle_is_not_read():
    x = definite(np.random.default_rng(0), accel.float64, (70, 70))
    spoiled = np.where(np.tri(70, dtype=bool), x, np.nan)
    assert (linalg.cholesky(spoiled) == linalg.cholesky(x)).all()
    assert (linalg.cholesky(spoiled.T, upper=True) == linalg.cholesky(x).T).all()
    with pytest.raises(accel.LinAlgError):
        linalg.cholesky(spoiled, upper=True)


# what cannot be served


@pytest.mark.parametrize("n", [1, 4, FACTOR + 8])
def test_singular_matrices_raise_what_numpy_raises(n):
    x = general(np.random.default_rng(0), accel.float64, (3, n, n))
    x[1, :, n // 2] = 0
    for function in (linalg.inv, lambda a: linalg.solve(a, np.ones((n, 1)))):
        with pytest.raises(np.linalg.LinAlgError, match="1 of its matrices is singular") as caught:
            function(x)
        assert isinstance(caught.value, accel.AccelError)
        function(x[::2])
    assert linalg.det(x)[1] == 0
    sign, logarithm = linalg.slogdet(x)
    assert sign[1] == 0 and logarithm[1] == -np.inf and (sign[::2] != 0).all()


@pytest.mark.parametrize("n", [1, 4, FACTOR + 8])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_what_is_not_positive_definite_raises(n, value):
    x = np.stack([definite(np.random.default_rng(0), accel.float32, (n, n))] * 3)
    linalg.cholesky(x)
    x[0, -1, -1] = x[2, -1, -1] = value
    with pytest.raises(accel.LinAlgError, match="x: 2 of its matrices are not positive definite"):
        linalg.cholesky(x)


def test_operands_that_are_no_matrices():
    square = np.eye(3)
    for function in (linalg.cholesky, linalg.inv, linalg.det, linalg.slogdet):
        with pytest.raises(accel.ShapeError, match=r"x: expected square matrices.*\(3, 2\)"):
            function(np.ones((3, 2)))
        with pytest.raises(accel.ShapeError):
            function(np.ones(3))
        for dtype in ("int32", "float16"):
            with pytest.raises(accel.DtypeError, match=f"{dtype}; cast with astype"):
                function(square.astype(dtype))
    for b in (np.ones(2), np.ones((2, 3)), np.float64(1.0) * np.ones(())):
        with pytest.raises(accel.ShapeError, match="x2"):
            linalg.solve(square, b)
    with pytest.raises(accel.ShapeError, match="batch"):
        linalg.solve(np.ones((2, 3, 3)), np.ones((4, 3, 1)))
    with pytest.raises(accel.ArgumentError, match="upper"):
        linalg.cholesky(square, upper="yes")


def test_in_a_fused_function_nothing_is_read():
    x = np.zeros((2, 2))
    made = accel.fuse(lambda a: linalg.solve(a, a) * 1.0)(x)
    assert np.isnan(made).all()
    half = definite(np.random.default_rng(0), accel.float64, (40, 40))
    fused = accel.fuse(lambda a: linalg.cholesky(a) * 2.0)(half)
    assert (fused == linalg.cholesky(half) * 2.0).all()


def test_how_many_launches_a_factorisation_has():
    """A block is one launch, and one tells whether it could be; 1024 columns are a few hundred, none of which depends
    on an element."""

    def nodes(op: str, *shapes: tuple[int, ...]) -> int:
        layouts = tuple(accel.empty(shape, dtype="float32").layout for shape in shapes)
        spec = accel.registry.OPS[op]
        bound = {"cholesky": {"upper": False}}.get(op, {})
        return len(accel.composition.graph_of(spec, layouts, _bound(spec, bound)).nodes)

    assert nodes("cholesky", (FACTOR, FACTOR)) < 10
    assert nodes("cholesky", (1024, 1024)) < 500
    assert nodes("solve", (1024, 1024), (1024, 1)) < 900


def _bound(spec, keywords):
    from accel.ops.compose import Bound

    return Bound((True,) * len(spec.arguments), tuple(keywords), tuple(keywords.values()))
