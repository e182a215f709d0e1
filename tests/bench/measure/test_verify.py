"""Checks: they pass what is right, see one wrong element, and look at the same problem as the whole case is."""

from __future__ import annotations

import hashlib
import re
import tracemalloc
from dataclasses import replace
from math import inf, prod

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.bench.cases import arrangements, compositions, cost, inputs, subproblem
from accel.bench.cases.case import Operand, Workload, keywords
from accel.bench.cases.workload import arranged, call, contract_class, op_spec, select
from accel.bench.measure import verify
from accel.dtypes import TABLE
from accel.errors import UnsupportedError
from accel.ops.spec import OpSpec
from accel.registry import OPS
from accel.testing.compare import differing
from accel.testing.strategies import choices


def case(op: str, operands: list[Operand], **given) -> Workload:
    """A case that no suite has."""
    dtype = operands[-1].dtype if op == "where" else operands[0].dtype
    return Workload(f"test {op}", None, None, None, 1, None, op, dtype, tuple(operands), keywords(given), "warm")


def small(workload: Workload) -> Workload:
    """The same call in shapes of which every element can be judged in no time, not all of which are taken."""
    made = compositions.OPERANDS | arrangements.OPERANDS
    if workload.op in made:
        operands, given = made[workload.op]((80, 24), workload.dtype)
        return replace(workload, operands=tuple(operands), keywords=keywords(given))
    if op_spec(workload).primitive == "pointwise":
        shape = tuple(min(n, 300) for n in workload.operands[0].shape[-2:])
        fit = [replace(x, shape=shape[len(shape) - len(x.shape) :]) for x in workload.operands]
        return replace(workload, operands=tuple(fit))
    most = 8 if workload.op.startswith("conv") else 16  # the checker's convolutions are of NumPy
    shrunk = [replace(x, shape=_shrunk(x.shape, most)) for x in workload.operands]
    if workload.op == "scaled_dot_product_attention":  # whole groups of the heads of queries
        batch, heads, _, features = shrunk[1].shape
        shrunk[0] = replace(shrunk[0], shape=(batch, 4 * heads, shrunk[0].shape[2], features))
    return replace(workload, operands=tuple(shrunk))


def _shrunk(shape: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Lengths up to `most` stay; equal ones stay equal, so that products still fit, and others distinct."""
    return tuple(n if n <= most else most + 1 + n % (5 * most + 3) for n in shape)


def on_cpu(workload: Workload, operands: list[np.ndarray]) -> np.ndarray:
    return np.asarray(call(workload)(*(accel.asarray(x) for x in operands)))


QUICK = [workload for workload in select("quick") if op_spec(workload) is not None]
EVERY_OP = list({(w.op, w.dtype, len(w.operands[0].shape)): small(w) for w in (*select("core"), *QUICK)}.values())


@pytest.mark.parametrize("workload", EVERY_OP, ids=lambda w: w.id)
def test_right_results_pass_and_a_wrong_element_does_not(workload: Workload):
    operands = inputs.arrays(workload, 0)
    result = on_cpu(workload, operands)
    found = verify.check(workload, operands, result, "default")
    assert found.ok and found.detail is None, found
    assert 0 <= found.worst <= 1 and 0 < found.checked <= found.of == result.size

    few = subproblem.part(op_spec(workload), operands, dict(workload.keywords))
    place = int(few.take(np.arange(result.size).reshape(result.shape)).flat[-1])
    changed = result.copy()
    changed.reshape(-1)[place] = _other(changed.reshape(-1)[place])
    found = verify.check(workload, operands, changed, "default")
    assert not found.ok and "1 of" in found.detail, found
    assert verify.result_hash(changed) != verify.result_hash(result)


def _other(value: np.generic) -> np.generic:
    """A value that is wrong by far more than rounding."""
    if value.dtype.kind == "b":
        return ~value
    if value.dtype.kind in "iu":
        return value ^ value.dtype.type(1)
    return value.dtype.type(float(value) * 1.5 + 1)


def test_operands_stand_where_the_function_takes_them():
    """What is between operands goes there by position, what is behind them by name; an op of operands first is as it
    was."""
    x, weight, bias = object(), object(), object()
    given = {"normalized_shape": (4,), "eps": 0.5}
    assert arranged(OPS["layer_norm"], (x, weight, bias), given) == ((x, (4,), weight, bias), {"eps": 0.5})
    assert arranged(OPS["rms_norm"], (x,), {"normalized_shape": 4}) == ((x,), {"normalized_shape": 4})
    assert arranged(OPS["linear"], (x, weight), {"activation": "gelu"}) == ((x, weight), {"activation": "gelu"})
    assert arranged(OPS["astype"], (x,), {"dtype": "int8"}) == ((x, "int8"), {})


@pytest.mark.parametrize("workload", QUICK, ids=lambda w: w.id)
def test_quick_at_its_own_shapes(workload: Workload):
    """Its large cases are run by `accel bench run`."""
    if prod(workload.operands[0].shape) > 1 << 16:
        workload = small(workload)
    operands = inputs.arrays(workload, 1)
    found = verify.check(workload, operands, on_cpu(workload, operands), "default")
    assert found.ok, found


@pytest.mark.parametrize("wrong", ["shape", "dtype", "nan", "inf"])
@pytest.mark.parametrize("op", ["exp", "matmul", "sum", "softmax"])
def test_other_shapes_dtypes_and_nan_are_seen(op: str, wrong: str):
    shape = Operand((12, 12), "float32")
    workload = case(op, [shape, shape] if op == "matmul" else [shape], **({"axis": 0} if op == "sum" else {}))
    operands = inputs.arrays(workload, 0)
    result = on_cpu(workload, operands)
    assert verify.check(workload, operands, result, "default").ok
    if wrong == "shape":
        result, said = result[None], r"expected float32\["
    elif wrong == "dtype":
        result, said = result.astype(np.float64), r"the result is float64\["
    else:
        result = result.copy()
        result.flat[0], said = {"nan": np.nan, "inf": np.inf}[wrong], "1 of .* outside|1 of .* differ in bits"
    found = verify.check(workload, operands, result, "default")
    assert not found.ok and found.worst == inf
    assert re.search(said, found.detail)


def test_bits_are_compared_where_they_are_promised_and_errors_where_they_are_not():
    operand = Operand((8, 8), "float32")
    product = case("matmul", [operand, operand])
    operands = inputs.arrays(product, 0)
    result = on_cpu(product, operands)
    result = np.where(np.arange(64).reshape(8, 8) == 9, np.nextafter(result, np.float32(np.inf)), result)
    found = verify.check(product, operands, result, "default")
    assert not found.ok and "1 of 64 elements checked differ in bits" in found.detail and found.worst <= 1
    with_fast = verify.check(product, operands, result, "fast")
    assert with_fast.ok and contract_class(product, "fast") == "bound"


def test_classes():
    float16 = case("matmul", [Operand((2, 2), "float16")] * 2)
    assert [contract_class(float16, mode) for mode in ("reproducible", "default", "fast")] == [
        "bits", "bound", "bound",
    ]  # fmt: skip
    assert contract_class(case("where", [Operand((2,), "bool"), *[Operand((2,), "float32")] * 2]), "default") == (
        "bits"
    )
    assert contract_class(case("argmax", [Operand((2,), "float32")]), "default") == "exact"
    missing = replace(select("models")[0], op="attend")
    for function in (cost.flops, cost.moved_bytes, cost.output):
        with pytest.raises(UnsupportedError, match="accel has no op 'attend'"):
            function(missing)
    with pytest.raises(UnsupportedError):
        contract_class(missing, "default")
    with pytest.raises(UnsupportedError):
        verify.check(missing, [], np.zeros(3), "default")


# the part that is checked


SAMPLED = (
    "add", "where", "clip", "exp", "astype", "copy", "matmul", "linear", "sum", "prod", "mean", "argmax", "any",
    "logsumexp", "softmax", "log_softmax",
)  # fmt: skip


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts so small that little operands have elements outside them."""
    for name, most in (("MATRICES", 2), ("COLUMNS", 4), ("ELEMENTS", 20), ("ROWS", 3)):
        monkeypatch.setattr(subproblem, name, most)


@pytest.mark.parametrize("name", SAMPLED)
@given(data=st.data())
def test_the_part_is_the_same_problem(small_parts: None, name: str, data: st.DataObject):
    """Operands are those with which accel itself is tested."""
    spec = OPS[name]
    sample = spec.samples(data.draw(st.sampled_from(spec.dtypes))).draw(choices(data.draw))
    operands, named = sample.operands, sample.keywords
    if name == "astype":
        operands, named = operands[:1], {"dtype": operands[1]}
    last, rest = ((named["dtype"],), {}) if name == "astype" else ((), named)
    some = subproblem.part(spec, operands, named, 12)
    with np.errstate(all="ignore"):
        whole = np.asarray(spec.canonical(*operands, *last, **rest))
        assert_same(spec, some, whole)
        exact = np.asarray(spec.reference(*operands, *last, **rest))
        of_part = np.asarray(spec.reference(*some.operands, **some.keywords))
        assert_close(of_part, some.take(exact))
        bound = np.broadcast_to(np.asarray(spec.bound(exact, *operands, *last, **rest), np.float64), exact.shape)
        of_part_bound = np.asarray(spec.bound(of_part, *some.operands, **some.keywords), np.float64)
        assert_close(np.broadcast_to(of_part_bound, of_part.shape), some.take(bound), at_most=True)


@pytest.fixture
def small_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subproblem, "CONVOLVED", 1)


@given(
    axes=st.integers(1, 3),
    n=st.integers(1, 4),
    groups=st.integers(1, 5),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 6)),
    kernel=st.integers(1, 3),
    how=st.tuples(st.integers(1, 2), st.integers(0, 1), st.integers(1, 2)),
    biased=st.booleans(),
)
def test_a_part_of_a_convolution_is_one(small_convolutions, axes, n, groups, channels, kernel, how, biased):
    spec, rng = OPS[f"conv{axes}d"], np.random.default_rng(n * groups)
    x = rng.standard_normal((n, groups * channels[0], *range(5, 5 + axes))).astype(np.float32)
    weight = rng.standard_normal((groups * channels[1], channels[0], *(kernel,) * axes)).astype(np.float32)
    bias = [weight[(slice(None), *(0,) * (axes + 1))]] if biased else []
    keywords = dict(zip(("stride", "padding", "dilation"), how, strict=True)) | {"groups": groups}
    some = subproblem.part(spec, [x, weight, *bias], keywords, 12)
    whole = np.asarray(spec.canonical(*arranged(spec, [x, weight, *bias], keywords)[0], **keywords))
    assert_same(spec, some, whole)
    assert some.operands[0].shape[0] == min(n, 2)
    assert some.operands[1].shape[0] <= weight.shape[0]


def test_of_a_large_convolution_few_channels_are_computed():
    """And with several groups, few of these."""
    x, spec = np.ones((4, 64, 56, 56), np.float32), OPS["conv2d"]
    some = subproblem.part(spec, [x, np.ones((256, 64, 3, 3), np.float32)], {"padding": 1})
    assert [y.shape for y in some.operands[:2]] == [(2, 64, 56, 56), (9, 64, 3, 3)]
    some = subproblem.part(spec, [x, np.ones((64, 1, 3, 3), np.float32)], {"padding": 1, "groups": 64})
    assert some.operands[0].shape == (2, 64, 56, 56), "there are few products"
    x = np.ones((4, 960, 100, 100), np.float32)
    some = subproblem.part(spec, [x, np.ones((960, 1, 9, 9), np.float32)], {"padding": 4, "groups": 960})
    assert [y.shape for y in some.operands[:2]] == [(2, 20, 100, 100), (20, 1, 9, 9)]


def assert_same(spec: OpSpec, some: subproblem.Part, whole: np.ndarray) -> None:
    """The canonical answer of a part has the shape, dtype and bits of the part of the whole's."""
    part, taken = np.asarray(spec.canonical(*some.operands, **some.keywords)), np.asarray(some.take(whole))
    assert (part.shape, part.dtype) == (taken.shape, taken.dtype)
    assert part.size <= whole.size
    assert not differing(part, taken).any()


def assert_close(part: np.ndarray, taken: np.ndarray, at_most: bool = False) -> None:
    """float64 sums of a library may differ in their last bits. at_most: a part of whole numbers may have a smaller
    bound than what it is a part of."""
    part, taken = (np.asarray(x).astype(np.float64) for x in (part, taken))
    near = (
        (np.abs(part - taken) <= 1e-9 * np.abs(taken) + 1e-300) | (part == taken) | (np.isnan(part) & np.isnan(taken))
    )
    assert (near | (at_most & (part <= taken))).all()


def test_another_problem_would_be_seen():
    operands = inputs.arrays(case("softmax", [Operand((200, 5), "float32")]), 0)
    spec, whole = OPS["softmax"], OPS["softmax"].canonical(*operands)
    some = subproblem.part(spec, operands, {})
    assert_same(spec, some, whole)
    other = replace(some, operands=(some.operands[0][::-1],))
    with pytest.raises(AssertionError):
        assert_same(spec, other, whole)
    with pytest.raises(AssertionError):
        assert_close(spec.reference(*other.operands, axis=1), some.take(spec.reference(*operands)))


@given(st.integers(0, 10**9), st.integers(2, 500))
def test_indices_are_spread_with_both_ends(n: int, most: int):
    for choose in (subproblem.spread, subproblem.scattered):
        if choose is subproblem.scattered and n <= most:
            assert choose(n, most).tolist() == list(range(n))
            continue
        found = choose(n, most)
        assert found.size == min(n, most) and (np.diff(found) > 0).all()
        if n:
            assert (found[0], found[-1]) == (0, n - 1)
            assert n <= most or np.diff(found).max() <= 2 * n / (most - 1) + 1


def test_scattered_places_meet_every_lane():
    for lanes in (3, 16, 64, 1000):
        assert len(set((subproblem.scattered(1 << 24, 1 << 16) % lanes).tolist())) == lanes


def test_large_products_take_few_operands():
    workload = next(c for c in select("models") if c.id.startswith("llama-3-8b/lm_head/decode-64 linear bfloat16"))
    operands = [np.broadcast_to(np.zeros((), TABLE[x.dtype].numpy), x.shape) for x in workload.operands]
    some = subproblem.part(op_spec(workload), operands, dict(workload.keywords))
    assert [x.shape for x in some.operands] == [(32, 4096), (64, 4096)]
    assert some.take(np.broadcast_to(np.zeros(()), (64, 128256))).shape == (32, 64)


# hash


def test_hash_is_of_dtype_shape_and_elements():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    expected = "sha256:" + hashlib.sha256(b"float32 [2, 3]\n" + x.astype("<f4").tobytes()).hexdigest()
    assert verify.result_hash(x) == expected == verify.result_hash(np.asfortranarray(x))
    different = [x.reshape(3, 2), x.astype(np.float64), x.view(np.int32), x[:, ::-1], -x]
    assert len({verify.result_hash(y) for y in (x, *different)}) == 6
    assert verify.result_hash(np.float32(0.0)[()] * np.ones(())) != verify.result_hash(-np.zeros(()))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_hash_takes_all_nans_for_one_and_nothing_else(dtype: type):
    width = 8 * np.dtype(dtype).itemsize
    infinity = int(np.array(np.inf, dtype).view(f"u{width // 8}"))
    sign = 1 << (width - 1)
    nans = [infinity + 1, infinity | 1 << 3, sign | infinity | 2, sign - 1, 2 * sign - 1]
    others = [infinity, sign | infinity, 0, sign, 1, infinity - 1]
    hashes = [verify.result_hash(np.array([0, b], f"u{width // 8}").view(dtype)) for b in (*nans, *others)]
    assert len(set(hashes[: len(nans)])) == 1
    assert len(set(hashes)) == 1 + len(others)


def test_hash_of_more_than_a_chunk(monkeypatch: pytest.MonkeyPatch):
    x = np.arange(1000, dtype=np.int16)
    whole = verify.result_hash(x)
    monkeypatch.setattr(verify, "CHUNK", 7)
    assert verify.result_hash(x) == whole


# costs


def test_operations_bytes_and_outputs():
    product = case("matmul", [Operand((3, 5), "float32"), Operand((5, 7), "float32", "transposed")])
    assert cost.flops(product) == 2 * 3 * 5 * 7 and cost.moved_bytes(product) == 4 * (15 + 35 + 21)
    assert cost.output(product) == ((3, 7), TABLE["float32"])
    linear = case("linear", [Operand((3, 5), "bfloat16"), Operand((7, 5), "bfloat16")], activation="gelu")
    assert cost.flops(linear) == 2 * 3 * 5 * 7 and cost.moved_bytes(linear) == 2 * (15 + 35 + 21)
    add = case("add", [Operand((4, 6), "float16"), Operand((6,), "float16")])
    assert cost.flops(add) == 24 and cost.moved_bytes(add) == 2 * (24 + 6 + 24)
    cast = case("astype", [Operand((100,), "float32")], dtype="int8")
    assert cost.moved_bytes(cast) == 500 and cost.output(cast)[1].name == "int8"
    rows = case("take", [Operand((32000, 16), "float32"), Operand((8,), "int64", values="below-32000")], axis=0)
    assert cost.moved_bytes(rows) == 4 * 2 * 8 * 16 + 8 * 8
    heads = [Operand((1, 4, 3, 8), "float32"), Operand((1, 2, 5, 8), "float32"), Operand((1, 2, 5, 8), "float32")]
    attention = case("scaled_dot_product_attention", heads, enable_gqa=True)
    assert cost.flops(attention) == 4 * 2 * 3 * 5 * 8 * 2
    causal = case("scaled_dot_product_attention", heads, enable_gqa=True, is_causal=True)
    assert cost.flops(causal) == 4 * 2 * (1 + 2 + 3) * 8 * 2


def test_a_model_attends_to_more_than_the_first_keys():
    """torch's is_causal begins at the first key: of fewer queries than keys, as with a cache, the rest are not read."""
    causal = [w for w in select("models") if dict(w.keywords).get("is_causal")]
    assert causal and all(w.operands[0].shape[-2] == w.operands[1].shape[-2] for w in causal)
    assert cost.flops(case("exp", [Operand((10,), "float32")])) > 100
    bad = case("bitwise_and", [Operand((3,), "float32")] * 2)
    with pytest.raises(accel.DtypeError):
        cost.flops(bad)


def test_memory_counts_operands_results_and_the_check():
    shown = ("graphcast/decode.edges.1/", "llama-3-8b/mlp")
    of_ops = {case.op: case for case in select("models")}
    cases = [*of_ops.values(), *(case for case in select("models") if case.id.startswith(shown))]
    large = {case.id: cost.needs_bytes(case) for case in cases}
    assert all(needed > 0 for needed in large.values())
    skipped = [i for i, needed in large.items() if needed > 8 << 30]
    assert any(i.startswith(shown[0]) for i in skipped), "19 GB of operands"
    assert not any(i.startswith(shown[1]) for i in skipped)
    small = case("add", [Operand((1 << 20,), "float32")] * 2)
    assert 7 * (4 << 20) < cost.needs_bytes(small) < 10 * (4 << 20)
    everything = case("sum", [Operand((1 << 20,), "float32")])
    one_axis = case("sum", [Operand((1 << 10, 1 << 10), "float32")], axis=0)
    assert cost.needs_bytes(everything) > 4 * cost.needs_bytes(one_axis) > 4 * (8 << 20)


@pytest.mark.parametrize(
    "workload",
    [
        case("sum", [Operand((1 << 22,), "float32")], axis=None),
        case("sum", [Operand((1 << 22,), "float64")], axis=None),
        case("prod", [Operand((1 << 21,), "bfloat16", values="near-one")], axis=None),
        case("logsumexp", [Operand((1 << 21,), "float32")], axis=None),
        case("mean", [Operand((100, 1 << 15), "float32")], axis=-1),
        case("softmax", [Operand((1000, 4096), "float64")]),
        case("exp", [Operand((1 << 21,), "float32")]),
        case("linear", [Operand((256, 1024), "float32"), Operand((2048, 1024), "float32")], activation="gelu"),
        case("matmul", [Operand((700, 700), "float64"), Operand((700, 700), "float64", "transposed")]),
    ],
    ids=lambda w: f"{w.op} {w.dtype}",
)
def test_memory_is_not_underestimated(workload: Workload):
    """accel's own arrays are not traced: the operands on the device and the result."""
    tracemalloc.start()
    try:
        operands = inputs.arrays(workload, 0)
        result = on_cpu(workload, operands)
        assert verify.check(workload, operands, result, "default").ok
        verify.result_hash(result)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    untraced = sum(x.nbytes for x in operands) + result.nbytes
    assert peak + untraced <= cost.needs_bytes(workload) + (8 << 20), "8 MiB: what every check takes"


def test_the_null_device_keeps_no_record():
    cost._layouts.cache_clear()
    cost.output(case("add", [Operand((3,), "float32")] * 2))
    assert accel.device("null").launches == []


def test_costs_do_not_depend_on_settings():
    workload = case("exp", [Operand((5,), "float32")])
    cost._layouts.cache_clear()
    with accel.config(override="exp=cpu", verbose="dispatch"):
        assert cost.output(workload) == ((5,), TABLE["float32"])
