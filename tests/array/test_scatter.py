"""Assignment by integer arrays, lists and masks, put_along_axis and index_add, against NumPy and the canonical sums;
and positions out of range."""

from __future__ import annotations

import numpy as np
import pytest
from array_keys import keys
from equality import same
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import registry
from accel.conversion import from_numpy, to_numpy
from accel.dtypes import TABLE
from accel.numerics import BLOCK, LANES
from accel.ops.parameters import Scatter
from accel.ops.primitive import scatter
from accel.testing.compare import Disagreement, check, differing, place
from accel.testing.strategies import arrays

CPU = accel.device("cpu")
RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


@st.composite
def assigned(draw):
    shape = tuple(draw(st.lists(st.sampled_from((0, 1, 2, 3, 4, 5)), max_size=4)))
    dtype = draw(st.sampled_from(tuple(TABLE.values())))
    x, key = draw(arrays(dtype, shape)), draw(keys(shape))
    try:
        full = x[key].shape
    except IndexError:
        full = ()
    kept = tuple(1 if draw(st.integers(0, 4)) == 0 else n for n in full)
    return x, key, draw(arrays(dtype, kept[draw(st.integers(0, len(kept))) if draw(st.booleans()) else 0 :]))


@given(assigned())
def test_keys_with_arrays_are_written_to_as_numpy_does(case):
    x, key, values = case
    ours, theirs = from_numpy(x, CPU, copy=True), x.copy()
    try:
        theirs[key] = values
    except (IndexError, ValueError):
        with pytest.raises((IndexError, accel.ShapeError)):
            ours[key] = values
        assert same(to_numpy(ours), x)
        return
    ours[key] = values
    assert same(to_numpy(ours), theirs)


def test_values_of_every_kind_and_dtype():
    x = np.zeros((3, 4))
    ours = from_numpy(x, CPU, copy=True)
    mask = x == 0
    mask[1] = False
    for key, value in (
        ([0, 2], 3), (mask, 4.5), (np.array([1]), [[1.0, 2.0, 3.0, 4.0]]), ((slice(None), [0, 0]), np.int8([[7, 8]])),
        (([1, -1], [0, 3]), accel.asarray([True, False])), ([0], np.float16(0.1)), ([], 9.0), (mask[::-1] & mask, 2.0),
    ):  # fmt: skip
        ours[key] = value
        x[key] = value.tolist() if isinstance(value, accel.Array) else value
        assert same(to_numpy(ours), x)
    whole = accel.asarray(np.zeros(3, np.int8))
    whole[[1, 1, 2]] = np.array([1.9, 2.9, 300.0])
    assert to_numpy(whole).tolist() == [0, 2, 127], "as astype casts"


def test_only_what_is_selected_is_written():
    """Of views with gaps, backwards, and where values or positions are the array's own memory."""
    base = np.arange(60).reshape(5, 12)
    for view in (np.s_[::2, ::-3], np.s_[1:4, 5], np.s_[:, ::4], np.s_[2:0:-1]):
        theirs, ours = base.copy(), from_numpy(base, CPU, copy=True)
        theirs[view][[2 - theirs[view].ndim, 1]] = -1
        ours[view][[2 - theirs[view].ndim, 1]] = -1
        assert same(to_numpy(ours), theirs)
    theirs, ours = np.arange(9), accel.asarray(np.arange(9))
    ours[[0, 1, 2, 3]] = ours[3::-1]
    theirs[[0, 1, 2, 3]] = theirs[3::-1].copy()
    ours[ours] = ours
    theirs[theirs.copy()] = theirs.copy()
    assert same(to_numpy(ours), theirs)


def test_of_several_values_the_last_stays(target):
    """More than a block of a sort has; rows and single elements; and where no order is needed."""
    with target.in_force() as device:
        for full, count in (((7,), 130),) if target.name.startswith("emulated") else (((7,), 1500), ((3, 5), 300)):
            x, i = np.zeros(full, np.float32), RNG.integers(-full[0], full[0], count)
            values = np.arange(count * x[0].size, dtype=np.float32).reshape(count, *full[1:])
            ours = place(x, device)
            ours[place(i, device)] = place(values, device)
            x[i] = values
            assert same(ours.to_device("cpu"), x)
            ours[place(x > 100, device)] = -1.0
            x[x > 100] = -1.0
            assert same(ours.to_device("cpu"), x)


def operands(dtype, cells: int, count: int, columns: int = 1):
    x, source = (RNG.standard_normal((n, columns)).astype(dtype) * 8 for n in (cells, count))
    return x, RNG.integers(0, cells, count), source


@pytest.mark.parametrize("cells", [1, 5, 2])
def test_sums_have_the_canonical_bits(request, target, cells):
    """Of several lanes, of many cells, and of more than a block."""
    if target.name.startswith("emulated") and cells == 2 and not request.config.getoption("--deep"):
        pytest.skip("two blocks of additions are slow in the emulator: runs with --deep (make deep)")
    with target.in_force() as device:
        x, i, source = {
            1: operands("float32", 1, 2 * LANES + 5, 4),
            5: operands("float32", 5, 200, 3),
            2: operands("float32", 2, 2 * BLOCK + 200, 3),
        }[cells]
        want = registry.OPS["index_add"].canonical(x, 0, i, source)
        got = accel.index_add(place(x, device), 0, place(i, device), place(source, device))
        assert same(got.to_device("cpu"), want)
        order = RNG.permutation(len(i))
        other = registry.OPS["index_add"].canonical(x, 0, i[order], source[order])
        assert differing(want, other).any(), "another order of the additions is seen"
        np.testing.assert_allclose(other, want, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int8", "uint64"])
def test_index_add_of_dtypes(dtype):
    its = accel.dtypes.as_dtype(dtype).numpy
    x, source = (RNG.integers(-90, 90, shape).astype(its) for shape in ((2, 3, 4), (2, 200, 4)))
    i = RNG.integers(-3, 3, 200).astype(np.int8)
    got = accel.index_add(x, 1, i, source)
    want = x.astype("float32") if x.dtype.itemsize == 2 else x.copy()
    np.add.at(want, (slice(None), i), source.astype(want.dtype))
    assert same(got, want.astype(its))
    assert same(accel.index_add(x, -2, i[:0], source[:, :0]), x)


def test_many_rows_of_one_cell():
    """As many as a sum of blocks' sums of blocks has would not fit; as many as there are blocks in a lane, twice."""
    count = 2 * LANES * BLOCK + 3
    x, source = np.ones(1, np.float32), RNG.standard_normal(count).astype(np.float32)
    want = accel.sum(source) + x
    assert same(accel.index_add(x, 0, np.zeros(count, np.int64), source), want)


def test_put_along_axis():
    x = RNG.integers(-9, 9, (3, 4, 5))
    for axis in (0, 1, -1):
        i = np.argsort(x, axis=axis).take([1, 0, 1], axis=axis)
        for values in (7, np.int64(7), np.arange(i.size).reshape(i.shape), np.arange(i.shape[-1])):
            want = x.copy()
            np.put_along_axis(want, i, values, axis)
            assert same(accel.put_along_axis(x, i, values, axis=axis), want)
    assert same(accel.put_along_axis(np.zeros((1, 3)), np.array([[0], [2]]), 1.0), np.array([[1.0, 0.0, 1.0]]))
    assert same(accel.put_along_axis(x[:0], x[:0, :1], 1), x[:0])


def test_torch_tensors():
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    x, i, source = torch.zeros(3, 4, dtype=torch.float64), torch.tensor([0, 2, 0]), torch.ones(3, 4).double()
    got = accel.index_add(x, 0, i, source)
    assert isinstance(got, torch.Tensor) and torch.equal(got, torch.index_add(x, 0, i, source))
    assert torch.equal(accel.put_along_axis(x, i[:, None], 2.5), x.scatter(1, i[:, None], 2.5))
    ours = accel.asarray(np.zeros(3))
    ours[i] = torch.tensor([1.0, 2.0, 3.0])
    ours[torch.tensor([False, True, False])] = 9.0
    assert to_numpy(ours).tolist() == [3.0, 9.0, 2.0]


FAR = {"high": [0, 3], "low": [-4, 0], "very high": [2**62, 0], "very low": [-(2**63), 0]}


@pytest.mark.parametrize("name", FAR)
def test_a_position_out_of_range_is_an_error_before_anything_is_written(target, name):
    with target.in_force() as device:
        x, bad = (place(np.asarray(v), device) for v in (np.arange(3.0), FAR[name]))
        ones = place(np.ones(2), device)
        with pytest.raises(IndexError, match=r"index: array 0: .*out of range for an axis of length 3"):
            x[bad] = 5.0
        with pytest.raises(IndexError, match="put_along_axis: indices"):
            accel.put_along_axis(x, bad, 5.0)
        with pytest.raises(IndexError, match="index_add: index"):
            accel.index_add(x, 0, bad, ones)
        with pytest.raises(IndexError):
            x[:0][place(np.array([0]), device)] = 1.0
        assert x.to_device("cpu").tolist() == [0.0, 1.0, 2.0]


def test_kernels_drop_what_is_out_of_range(target):
    bad = np.array([0, 3, -1, -4, 2**62, -(2**63), 2**40, 1])
    with target.in_force() as device, accel.config(check="off"):
        x, source = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((2, 8), np.float32)
        x_, source_, i, rows = (place(v, device) for v in (x, source, bad, np.stack([bad, bad])))
        got = accel.fuse(lambda x, i, s: accel.index_add(x * 2.0, 1, i, s))(x_, i, source_)
        assert got.to_device("cpu").tolist() == [[1, 3, 5], [7, 9, 11]]
        got = accel.fuse(lambda x, i, s: accel.put_along_axis(x, i, s * 9.0, axis=1))(x_, rows, source_)
        assert got.to_device("cpu").tolist() == [[9] * 3] * 2


def test_rows_that_are_taken_for_a_sum_are_read_where_they_are(target):
    """One launch of a take and of what adds its rows up, with the bits of both; also where positions are out of
    range, and of a column's rows, which lie apart."""
    x, columns = RNG.standard_normal((30, 5)).astype(np.float32), RNG.standard_normal((5, 30)).astype(np.float32)
    i, segment = RNG.integers(-30, 30, 90), RNG.integers(0, 7, 90)
    far = np.where(np.arange(90) % 9 == 0, 30, i)
    params, nothing = Scatter((8, 5), (-1, 1), "add"), np.zeros((8, 5), np.float32)
    with target.in_force() as device, accel.config(check="off"):
        for rows, which in ((x, i), (x, far), (columns.T, i), (x[::-2], i // 2)):
            operands = [place(v, device) for v in (rows, which, segment)]

            def summed(rows, which, segment):
                return accel.nn.segment_sum(accel.take(rows, which, axis=0), segment, 8)

            got = accel.fuse(summed)(*operands).to_device("cpu")
            good = (which >= -len(rows)) & (which < len(rows))
            taken = np.where(good[:, None], rows[np.where(good, which, 0)], np.float32(0))
            want = scatter.evaluate(params, nothing, taken, segment)
            assert same(got, want)
            other = scatter.evaluate(params, nothing, rows[i % 9], segment)
            assert not same(got, other), "other rows are seen"


def test_sources_that_do_not_fit():
    x, values, numbers = np.zeros((4, 3), np.float32), np.ones((2, 3), np.float32), np.array([0, 1, 1])
    internal = registry.OPS["scatter"].function
    assert internal(x, values, numbers, numbers, walks=(-1, 1)).sum() == 6
    with pytest.raises(accel.DtypeError, match="scatter: operands of dtypes"):
        internal(x, values, numbers, numbers[:2], walks=(-1, 1))
    with pytest.raises(accel.DtypeError, match="scatter: operands of dtypes"):
        internal(x, values, numbers, numbers.astype(np.int32), walks=(-1, 1))
    with pytest.raises(accel.ShapeError, match="scatter: operands of shapes"):
        internal(x, values[0], numbers, numbers, walks=(-1, 1))
    with pytest.raises(accel.ArgumentError, match="sources: expected an array"):
        internal(x, values, numbers, 1, walks=(-1, 1))


def test_fused_as_apart():
    x, i, s = accel.asarray(np.arange(12.0).reshape(3, 4)), accel.asarray([2, 0, 2]), accel.asarray(np.ones((3, 4)))

    def f(x, i, s):
        return accel.exp(accel.index_add(x / 7.0, 0, i, s)) + accel.put_along_axis(x, i[:, None], s[:, :1], axis=1)

    assert same(accel.fuse(f)(x, i, s), f(x, i, s))
    with pytest.raises(accel.ArgumentError, match="writing into an array cannot be traced"):
        accel.fuse(lambda x, i: x.__setitem__(i, 1.0))(x, i)


def test_on_another_device_by_override():
    """The rest of the array comes back as it was."""
    x = accel.asarray(np.arange(6.0), device="triton:interpreter")
    with accel.config(override="scatter=cpu"):
        x[[1, 1, 4]] = [7.0, 8.0, 9.0]
    assert x.tolist() == [0.0, 8.0, 2.0, 3.0, 9.0, 5.0]


def test_refused():
    x = accel.asarray(np.ones((2, 3)))
    with pytest.raises(accel.ShapeError, match=r"x\[...\] = value: shapes \(3,\), \(2, 2\) do not broadcast"):
        x[:, [0, 1]] = [1.0, 2.0, 3.0]
    with pytest.raises(accel.ArgumentError, match="read-only"):
        accel.asarray(np.broadcast_to(1.0, (3,)))[[0]] = 1.0
    with pytest.raises(accel.RangeError):
        accel.asarray([1, 2])[[0]] = 2**70
    with pytest.raises(accel.DtypeError, match="put_along_axis: indices: expected an integer dtype"):
        accel.put_along_axis(x, x, 0.0)
    with pytest.raises(accel.ShapeError, match="put_along_axis: indices: expected 2 axes"):
        accel.put_along_axis(x, accel.asarray([0]), 0.0)
    with pytest.raises(accel.ShapeError, match="put_along_axis: values"):
        accel.put_along_axis(x, accel.asarray([[0]]), np.ones(2))
    with pytest.raises(accel.AxisError, match="index_add: axis: 2 is out of range"):
        accel.index_add(x, 2, accel.asarray([0]), x)
    with pytest.raises(accel.ShapeError, match="index_add: index: expected one axis"):
        accel.index_add(x, 0, accel.asarray([[0]]), x)
    with pytest.raises(accel.ShapeError, match=r"index_add: source: expected shape \(1, 3\), got \(2, 3\)"):
        accel.index_add(x, 0, accel.asarray([0]), x)
    with pytest.raises(accel.DtypeError, match="index_add: expected x and source of one dtype"):
        accel.index_add(x, 0, accel.asarray([0, 1]), accel.ones((2, 3)))
    assert to_numpy(x).tolist() == np.ones((2, 3)).tolist()


def test_the_comparison_sees_the_first_value_and_another_place(monkeypatch):
    """The control: a kernel that is given rows, or cells, the other way round."""
    spec, right = registry.OPS["put_along_axis"], scatter.scattered
    case = np.arange(3.0), np.array([2, 2, 0]), np.array([5.0, 6.0, 7.0])
    check(spec, CPU, case)
    for wrong in (
        lambda op, x, values, cells, params: right(op, x, values[::-1], cells[::-1], params),
        lambda op, x, values, cells, params: right(op, x, values, cells[::-1], params),
    ):
        monkeypatch.setattr(scatter, "scattered", wrong)
        with pytest.raises(Disagreement):
            check(spec, CPU, case)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int16", "int64"])
@pytest.mark.parametrize("kind", ["add", "multiply"])
def test_cells_of_every_number_of_rows_have_the_canonical_bits(dtype: str, kind: str) -> None:
    """Up to 8 rows, up to the 64 lanes, and beyond; rows of whole vectors and others. Rows in another order give
    other sums of floats."""
    rng = np.random.default_rng(5)
    for columns in (1, 17, 70):
        counts = np.r_[1:70, 130]
        cells = rng.permutation(np.repeat(np.arange(len(counts)), counts))
        values = (rng.standard_normal((len(cells), columns)) * 50).astype(dtype)
        x = rng.standard_normal((len(counts), columns)).astype(dtype)
        params = Scatter(x.shape, (-1, 1), kind)
        got = np.asarray(scatter.scatter(*map(accel.asarray, (x, values, cells)), walks=(-1, 1), kind=kind))
        assert got.tobytes() == scatter.evaluate(params, x, values, cells).tobytes()
        if dtype.startswith("float"):
            other = rng.permutation(len(cells))
            assert got.tobytes() != scatter.evaluate(params, x, values[other], cells[other]).tobytes()
