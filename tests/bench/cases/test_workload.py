"""The cases: unique, stable, complete; models that add up to the published numbers of parameters; filters."""

from __future__ import annotations

import json
from dataclasses import replace
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.bench.cases import models, sweeps
from accel.bench.cases import workload as workloads
from accel.bench.cases.case import Workload
from accel.bench.cases.workload import SUITES, call, known_models, known_ops, op_spec, select
from accel.dtypes import TABLE
from accel.errors import ArgumentError, ConfigError, UnsupportedError
from accel.registry import OPS

EVERY = {name: select(name) for name in SUITES}

MODELS = {
    "bert-large", "fourcastnet", "graphcast", "llama-3-8b", "mixtral-8x7b", "resnet-50", "sdxl", "whisper",
}  # fmt: skip


def test_suites_and_models_are_those_promised():
    assert set(SUITES) == {"quick", "core", "models", "science"}
    assert set(known_models()) == MODELS == {case.model for case in EVERY["models"]}
    assert {case.model for case in EVERY["science"]} == {None, "fourcastnet", "graphcast"}
    assert {case.model for case in EVERY["core"]} == {None}
    assert all(suite.version >= 1 and suite.summary for suite in SUITES.values())


@pytest.mark.parametrize("name", SUITES)
def test_ids_are_unique_and_mean_the_same_in_every_suite(name: str):
    cases = EVERY[name]
    ids = [case.id for case in cases]
    assert len(set(ids)) == len(ids) > 0
    elsewhere = {case.id: case for other in EVERY.values() for case in other}
    assert all(elsewhere[case.id] == case for case in cases)
    assert [case.id for case in select(name)] == ids, "the order is stable"


def test_ids_say_what_the_case_is():
    for case in (*EVERY["models"], *EVERY["core"]):
        place = f"{case.model}/{case.layer}/{case.phase}" if case.model else case.id.partition(" ")[0]
        assert case.id == f"{place} {case.op} {case.dtype} {case.cache}"
        assert case.count >= 1 and (case.source if case.model else case.source is None)
    assert "llama-3-8b/mlp.down/prefill-512 linear float32 cold" in {case.id for case in EVERY["models"]}


def test_quick_has_every_family_kind_of_dtype_and_model():
    cases = EVERY["quick"]
    assert 60 <= len(cases) <= 95
    have = [spec for case in cases if (spec := op_spec(case))]
    assert {sweeps.family(spec) for spec in have} >= set(sweeps.FAMILIES) - {"others"}
    kinds = {TABLE[case.dtype] for case in cases}
    assert {dtype.kind for dtype in kinds} == {"b", "i", "u", "f"}
    assert {dtype.name for dtype in kinds if dtype.kind == "f"} == {"float16", "bfloat16", "float32", "float64"}
    assert {case.model for case in cases} == {None, *MODELS}
    of_models = {"scaled_dot_product_attention", "conv2d", "layer_norm", "rms_norm", "rfft2", "take", "segment_sum"}
    assert of_models <= {case.op for case in cases}
    assert {case.cache for case in cases} == {"cold", "warm"}


def test_every_case_survives_json():
    for case in {case for cases in EVERY.values() for case in cases}:
        record = json.loads(json.dumps(case.to_json(), allow_nan=False))
        assert Workload.from_json(record | {"status": "PASS"}) == case
        assert isinstance(hash(case), int)


@pytest.mark.parametrize("change", [{"operands": 3}, {"operands": [{"shape": [1]}]}, {"keywords": []}])
def test_malformed_records_are_refused(change):
    record = EVERY["quick"][0].to_json()
    with pytest.raises(ArgumentError, match="case: expected an object with id"):
        Workload.from_json(record | change)
    del record["op"]
    with pytest.raises(ArgumentError, match="KeyError: 'op'"):
        Workload.from_json(record)


# filters


@given(st.data())
def test_filters_keep_what_they_say(data: st.DataObject):
    name = data.draw(st.sampled_from(sorted(SUITES)))
    cases = EVERY[name]
    ops = data.draw(st.lists(st.sampled_from(sorted({c.op for c in cases})), max_size=3))
    dtypes = data.draw(st.lists(st.sampled_from(sorted({c.dtype for c in cases})), max_size=2))
    chosen = data.draw(st.lists(st.sampled_from(sorted(MODELS)), max_size=2))
    pattern = data.draw(st.sampled_from([None, "matmul", r"^sweep/", "warm$"]))
    kept = select(name, ops, chosen, dtypes, pattern)
    assert kept == [
        c
        for c in cases
        if (not ops or c.op in ops)
        and (not dtypes or c.dtype in dtypes)
        and (not chosen or c.model in chosen)
        and {None: True, "matmul": " matmul " in c.id, r"^sweep/": not c.model, "warm$": c.cache == "warm"}[pattern]
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"suite": "quik"}, r"suite: unknown 'quik'; there are quick, core, models, science"),
        ({"suite": "quick", "ops": ["matmull"]}, r"op: unknown 'matmull'; there are .*linear.*matmul"),
        ({"suite": "quick", "models": ["llama"]}, r"model: unknown 'llama'; there are .*llama-3-8b"),
        ({"suite": "quick", "dtypes": ["fp32"]}, r"dtype: unknown 'fp32'; there are bool, .*float32"),
        ({"suite": "quick", "pattern": "("}, r"case: '\(' is no regular expression"),
    ],
)
def test_unknown_names_raise_and_list_the_known(arguments, said):
    with pytest.raises(ArgumentError, match=said):
        select(**arguments)


def test_a_known_name_that_a_suite_has_not_gives_nothing():
    assert select("core", ops=["concat"]) == []
    assert select("quick", pattern="no such case") == []
    assert "concat" in known_ops() and "pointwise" not in known_ops()


def test_sweeps_refuse_what_there_is_not():
    with pytest.raises(ConfigError, match="sweep of pointwise: there is no sum, tangent"):
        list(sweeps.pointwise("warm", [4], names=["add", "tangent", "sum"]))
    with pytest.raises(ConfigError, match="sweep of add: unknown dtype fp8"):
        list(sweeps.pointwise("warm", [4], ["fp8"], names=["add"]))
    assert not list(sweeps.pointwise("warm", [4], ["bool"], names=["exp"])), "exp takes no bool"


# the op table


def test_core_has_every_op_of_accel():
    public = {name for name, spec in OPS.items() if spec.namespace != "internal"}
    unswept = {name for name in public if sweeps.family(OPS[name]) == "unswept"}
    assert unswept == set(sweeps.UNSWEPT)
    assert public - unswept == {case.op for case in EVERY["core"]}


def test_a_new_op_and_a_new_function_appear_by_themselves(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(OPS, "squared", replace(OPS["square"], name="squared"))
    monkeypatch.setitem(OPS, "variance", replace(OPS["mean"], name="variance", primitive="variance"))
    monkeypatch.setitem(OPS, "middle", replace(OPS["max"], name="middle"))
    found = {case.op: case for case in reversed(select("core"))}
    assert found["squared"].operands == found["square"].operands
    assert found["middle"].operands == found["max"].operands
    assert [x.shape for x in found["variance"].operands] == [(512, 512)]
    assert {"squared", "variance", "middle"} <= set(known_ops())


def test_calls_bind_keywords_also_where_parameters_have_no_name():
    import accel

    by_id = {case.id: case for case in EVERY["quick"]}
    x = accel.asarray([[1.5, -2.5]], dtype="float32")
    cast = call(by_id["sweep/64K/to-int8 astype float32 warm"])(x)
    assert cast.dtype is TABLE["int8"]
    assert call(by_id["sweep/1000x1000/last sum float32 warm"])(x).shape == (1,)
    with pytest.raises(UnsupportedError, match="accel has no op 'attend'"):
        call(replace(EVERY["models"][0], op="attend"))


# models


def parameters(model: str, phase: str, without: tuple[str, ...] = ()) -> int:
    """Weights that one pass of a model reads, from its float32 cases."""
    cases = [c for c in EVERY["models"] if (c.model, c.phase, c.dtype) == (model, phase, "float32")]
    weighted = ("linear", "conv1d", "conv2d", "rms_norm", "layer_norm", "group_norm")
    total = sum(c.count * sum(prod(x.shape) for x in c.operands[1:]) for c in cases
                if c.op in weighted and c.layer not in without)  # fmt: skip
    return total + sum(prod(c.operands[0].shape) for c in cases if c.layer == "embed")


def test_layers_add_up_to_the_published_parameters():
    assert parameters("llama-3-8b", "prefill-512") == 8_030_261_248
    assert parameters("mixtral-8x7b", "prefill-512") == 46_702_792_704
    assert parameters("sdxl", "step-1024") == 2_567_463_684
    # without the answer's 2 x 1024 + 2; position and type embeddings and the pooler are not computed here
    bert = parameters("bert-large", "batch-56", without=("answer",))
    assert bert + 514 * 1024 + 1024 * 1025 == 335_141_888
    # batch normalisation: folded into the biases here, twice as many parameters by itself
    assert parameters("resnet-50", "batch-1") == 25_557_032 - 53_120 // 2
    # the encoder's, the decoder's without its MLP that is a row of both, and positions of audio and text
    whisper = parameters("whisper", "encode-30s") + parameters("whisper", "decode-1", without=("lm_head",))
    assert whisper + (1500 + 448) * 1280 == 1_543_490_560
    filters = 2 * 2 * 12 * (8 * 96 * 96 + 8 * 96)
    assert round((parameters("fourcastnet", "step") + filters + 16200 * 768) / 1e6, 1) == 74.7
    assert parameters("graphcast", "step") == pytest.approx(36.7e6, rel=0.05)


def test_resnet_has_its_layers_and_operations():
    cases = [c for c in EVERY["models"] if (c.model, c.phase) == ("resnet-50", "batch-1")]
    assert sum(c.count for c in cases if c.op == "conv2d") == 53
    assert sum(c.count for c in cases if c.op == "relu") == 49
    products = sum(
        c.count * prod(c.operands[1].shape) * (c.operands[0].shape[2] // dict(c.keywords)["stride"]) ** 2
        for c in cases
        if c.op == "conv2d"
    )
    assert products / 1e9 == pytest.approx(4.09, abs=0.01)


def test_names_of_lengths_are_resolved():
    dispatch = next(c for c in EVERY["models"] if c.id.startswith("mixtral-8x7b/moe.dispatch/decode-8 "))
    assert [x.shape for x in dispatch.operands] == [(8, 4096), (16,)]
    assert (dispatch.operands[1].dtype, dispatch.operands[1].values) == ("int64", "below-8")
    combine = next(c for c in EVERY["models"] if c.id.startswith("mixtral-8x7b/moe.combine/decode-8 "))
    assert dict(combine.keywords) == {"num_segments": 8}
    down = [c for c in EVERY["models"] if c.id.startswith("mixtral-8x7b/moe.down/decode-1 ")]
    assert [c.count for c in down] == [64, 64], "two experts in each of 32 layers, for each dtype"


GOOD = """
name = "toy"
title = "Toy"
dtypes = ["float32"]
source = "a paper"
phases.all = { n = 4 }
layers = [{ name = "a", op = "add", operands = [["n"], ["n"]], count = 2 }]
"""


def test_a_small_model():
    (case,) = models.parse(GOOD, "toy.toml")
    assert case.id == "toy/a/all add float32 cold"
    assert (case.count, case.source, [x.shape for x in case.operands]) == (2, "a paper", [(4,), (4,)])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "toy"', 'name = "other"', "toy.toml: the model's name is 'other'"),
        ("count = 2", "count = 0", "layer 'a', phase all: count: expected a positive integer or one of n; got 0"),
        ("count = 2", "cuont = 2", "layer 'a': missing count"),
        ("count = 2", "count = 2, colour = 1", "layer 'a': unknown colour"),
        ('[["n"], ["n"]]', '[["m"]]', "operand 0: shape: expected a positive integer or one of n; got 'm'"),
        (
            '[["n"], ["n"]]',
            '[{ shape = ["n"], dtype = "fp8" }]',
            "operand 0: dtype: expected one of bool, .* got 'fp8'",
        ),
        ('[["n"], ["n"]]', '[{ shape = ["n"], values = "below-m" }]', "operand 0: values: .* got 'm'"),
        ("count = 2", 'count = 2, phases = ["none"]', "unknown phase 'none'; there are all"),
        ("count = 2", 'count = 2, cache = "hot"', "cache: expected one of cold, warm; got 'hot'"),
        ("layers = [", 'layers = [{ name = "a", op = "abs", operands = [["n"]], count = 1 }, ', ""),
        ('title = "Toy"', "title = ", "toy.toml: "),
    ],
)
def test_malformed_models_are_refused(old: str, new: str, said: str):
    text = GOOD.replace(old, new)
    assert text != GOOD
    if not said:  # another op under the same name is another case
        assert len(models.parse(text, "toy.toml")) == 2
        text = text.replace("abs", "add")
        said = "more than one layer is called toy/a/all add float32 cold"
    with pytest.raises(ConfigError, match=said):
        models.parse(text, "toy.toml")


def test_a_suite_that_names_what_there_is_not_is_refused():
    with pytest.raises(ConfigError, match="unknown sweep 'none'"):
        workloads.cases(replace(SUITES["quick"], sweeps=("none",)))
    with pytest.raises(ConfigError, match="resnet-50 has no layer conv9"):
        workloads.cases(replace(SUITES["quick"], sweeps=(), parts=({"model": "resnet-50", "layers": ["conv9"]},)))
