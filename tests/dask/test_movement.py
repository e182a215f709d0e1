"""What moves and cuts chunks, and functions of each element, against accel on one array."""

import dask
import numpy as np
import pytest
from chunked import assert_same, cut, equal_bits, few, numbers, some
from hypothesis import given
from hypothesis import strategies as st

import accel
import accel.dask as ad
from accel.dask.chunks import aligned, merged, pieces, unified

DTYPES = st.sampled_from(("float32", "float64", "bfloat16", "int32", "bool"))
SHAPES = st.lists(st.integers(0, 9), max_size=4).map(tuple)


@some
@given(st.data(), SHAPES, DTYPES)
def test_any_chunks_give_the_elements_back(data, shape, dtype):
    x = numbers(1, shape, dtype)
    made = ad.from_array(x, cut(data.draw, shape))
    assert_same(made, x)
    assert_same(made.rechunk(cut(data.draw, shape)), x)
    assert equal_bits(made.to_numpy(), x) and equal_bits(np.asarray(made), x)


@given(st.data(), SHAPES.filter(len))
def test_basic_indexing(data, shape):
    def item(n):
        places = st.integers(-n, n - 1) if n else st.just(slice(None))
        steps = st.integers(-4, 4).filter(bool)
        ends = st.none() | st.integers(-n - 2, n + 2)
        return places | st.builds(slice, ends, ends, steps)

    key = [data.draw(item(n)) for n in shape]
    if data.draw(st.booleans()):
        key = [*key[: data.draw(st.integers(0, len(key)))], Ellipsis]
    if data.draw(st.booleans()):
        key.insert(data.draw(st.integers(0, len(key))), None)
    x = numbers(2, shape, "float32")
    assert_same(ad.from_array(x, cut(data.draw, shape))[tuple(key)], x[tuple(key)])


@few
@given(st.data(), st.lists(st.sampled_from((1, 2, 3, 4, 6)), min_size=1, max_size=4).map(tuple))
def test_axes_in_other_orders_and_shapes(data, shape):
    x = numbers(3, shape, "int32")
    d = ad.from_array(x, cut(data.draw, shape))
    order = data.draw(st.permutations(range(len(shape))))
    assert_same(ad.permute_dims(d, tuple(order)), accel.permute_dims(x, tuple(order)))
    left, target = x.size, []
    while left > 1:
        target.append(data.draw(st.sampled_from([n for n in range(1, left + 1) if left % n == 0])))
        left //= target[-1]
    for v, w in ((d, x), (d.transpose(), x.transpose())):
        assert_same(ad.reshape(v, tuple(target)), accel.reshape(w, tuple(target)))
    assert_same(ad.flip(d), accel.flip(x))
    assert_same(ad.roll(d, 2), accel.roll(x, 2))


@few
@given(st.data(), st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple), DTYPES)
def test_one_behind_the_other(data, shape, dtype):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    several = [numbers(seed, shape, dtype) for seed in range(3)]
    chunked = [ad.from_array(x, cut(data.draw, shape)) for x in several]
    assert_same(ad.concat(chunked, axis=axis), accel.concat(several, axis=axis))
    assert_same(ad.stack(chunked, axis=axis), accel.stack(several, axis=axis))
    assert_same(ad.concat([*chunked, several[0]], axis=axis), accel.concat([*several, several[0]], axis=axis))


@few
@given(st.data(), st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple))
def test_operands_of_other_chunks_and_shapes_meet(data, shape):
    other = tuple(1 if data.draw(st.booleans()) else n for n in shape)[data.draw(st.integers(0, len(shape))) :]
    x, y = numbers(4, shape, "float32"), numbers(5, other, "bfloat16")
    a, b = ad.from_array(x, cut(data.draw, shape)), ad.from_array(y, cut(data.draw, other))
    assert_same(a * b + 1, x * y + 1)
    assert_same(2.0 - a / y, 2.0 - x / y)
    assert_same(x - b, x - y)
    assert_same(np.asarray(x) * b, np.asarray(x) * y)
    assert_same(ad.where(a > b, a, -0.0), accel.where(x > y, x, -0.0))
    assert_same(ad.astype(a, accel.int8), accel.astype(x, accel.int8))
    assert_same(abs(-a) >= b, abs(-x) >= y)
    assert_same(ad.broadcast_to(b, shape), accel.broadcast_to(y, shape))


@given(st.data(), st.integers(0, 40))
def test_pieces_make_up_new_chunks(data, n):
    old, new = cut(data.draw, (n, n))
    elements, begin = np.arange(n), np.cumsum((0, *old))
    found = [
        np.concatenate([elements[begin[c] + start : begin[c] + stop] for c, start, stop in made])
        for made in pieces(old, new)
    ]
    assert [len(part) for part in found] == list(new)
    assert np.concatenate([*found, np.arange(0)]).tolist() == elements.tolist()


@given(st.data(), st.integers(1, 60), st.integers(1, 9))
def test_borders_of_chunks(data, n, unit):
    one, other = cut(data.draw, (n, n))
    ends = [set(np.cumsum(c).tolist()) for c in (one, other, unified([one, other]), aligned(one, unit))]
    assert ends[0] - {0} <= ends[2] and ends[1] - {0} <= ends[2]
    assert all(end % unit == 0 or end == n for end in ends[3])


@given(st.data())
def test_axes_that_become_one_are_cut_into_runs(data):
    old = tuple(data.draw(st.lists(st.sampled_from((1, 2, 3, 4)), min_size=1, max_size=3)))
    chunks = cut(data.draw, old)
    before, after = merged(chunks, (int(np.prod(old)),), 4)
    assert tuple(map(sum, before)) == old and sum(after[0]) == np.prod(old)
    assert len(after[0]) == np.prod([len(c) for c in before])


def test_of_a_cut_chunk_only_the_part_travels():
    """What a task takes of another chunk is the result of a task of its own."""
    d = ad.from_array(accel.ones((10, 10)), 10).rechunk(((4, 6), (10,)))
    graph = dict(d.grid.graph)
    for key in d.__dask_keys__():
        (source,) = graph[key].dependencies
        assert "cut" in source[0]


def test_schedulers_and_dasks_own_functions_serve():
    x = numbers(6, (50, 60), "float32")
    d = ad.from_array(x, 13)
    wanted = accel.exp(x) * 2
    for scheduler in ("sync", "threads"):
        assert equal_bits((ad.exp(d) * 2).compute(scheduler=scheduler), wanted), scheduler
    kept = (ad.exp(d) * 2).persist()
    assert isinstance(kept, ad.Array) and len(dict(kept.grid.graph)) == d.npartitions
    assert_same(kept + 1, wanted + 1)
    first, second = dask.compute(d + 1, d.T)
    assert equal_bits(first, x + 1) and equal_bits(second, x.T)
    assert (d + 1).grid.name == (d + 1).grid.name != (d + 2).grid.name
    assert float(ad.from_array([2.0])) == 2.0 and int(ad.from_array([3])) == 3 and bool(ad.from_array([True]))


@pytest.mark.parametrize("names", [("exp", "sin", "round", "logical_not"), ("hypot", "atan2", "maximum")])
def test_every_function_of_elements_is_there(names):
    x, y = numbers(7, (9, 9), "float32"), numbers(8, (9, 9), "float32")
    operands = (x, y)[: 1 if "exp" in names else 2]
    for name in names:
        given = [accel.astype(v, accel.bool) for v in operands] if name == "logical_not" else operands
        chunked = [ad.from_array(v, (4, 5)) for v in given]
        assert_same(getattr(ad, name)(*chunked), getattr(accel, name)(*given))


def test_calls_that_differ_in_their_operands_order_are_two():
    """Tasks go by names that follow from calls."""
    x, y = numbers(9, (6,), "float32"), numbers(10, (6,), "float32")
    a, b = ad.from_array(x, 4), ad.from_array(y, 4)
    assert_same((1 - a) * (a - 1), (1 - x) * (x - 1))
    assert_same((a - b) / (b - a + 0.5), (x - y) / (y - x + 0.5))
    chosen = [ad.where(a > 0, a, 2.0), ad.where(a > 0, 2.0, a), ad.where(a > 0, a, b), ad.where(a > 0, b, a)]
    wanted = [
        accel.where(x > 0, x, 2.0),
        accel.where(x > 0, 2.0, x),
        accel.where(x > 0, x, y),
        accel.where(x > 0, y, x),
    ]
    assert_same(ad.stack(chosen), accel.stack(wanted))
    assert_same(ad.concat([a, b, a]) + ad.concat([a, b, b]), accel.concat([x, y, x]) + accel.concat([x, y, y]))
    lerps = [ad.lerp(a, b, a), ad.lerp(a, b, b), ad.lerp(b, a, a), ad.lerp(a, a, b)]
    assert_same(ad.stack(lerps), accel.stack([accel.lerp(*v) for v in ((x, y, x), (x, y, y), (y, x, x), (x, x, y))]))
    assert_same(ad.sum(a - 0.0) + ad.sum(a - -0.0), accel.sum(x - 0.0) + accel.sum(x - -0.0))


def test_numpys_functions_compute_nothing_silently():
    with pytest.raises(TypeError):
        np.exp(ad.from_array(accel.ones(3), 2))
