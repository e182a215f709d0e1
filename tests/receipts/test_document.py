"""The document: its published form, and what is said of one that is cut off, changed, of another version or hostile."""

from __future__ import annotations

import copy
import json
import re
import sys

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import receipts
from accel.receipts import document, values


def test_what_is_recorded_has_the_published_form(made, record, tmp_path):
    jsonschema.Draft202012Validator.check_schema(document.schema())
    jsonschema.validate(made.document, document.schema())
    record(path=tmp_path / "r.json")
    loaded = receipts.load(tmp_path / "r.json")
    jsonschema.validate(loaded.document, document.schema())
    assert loaded.folder == tmp_path
    assert (loaded["contract"], loaded["numerics"]) == (accel.BIT_CONTRACT, "reproducible")
    assert loaded.document == record().document, "the same run, the same receipt"


def test_every_field_is_described(made):
    page = (receipts.document.Path(__file__).parents[2] / "docs" / "receipts.md").read_text(encoding="utf-8")
    for name in {*made.document, *made["weights"], *made["model"], *made["outputs"][0], *made["made_on"], "path"}:
        assert f"`{name}`" in page or f".{name}`" in page, name


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("accel_receipt", "receipt"), "accel_receipt: the field is missing: this is no receipt"),
        (('"accel_receipt": 1', '"accel_receipt": 2'), "accel_receipt: version 2, and this accel reads 1"),
        (('"contract": 1', '"contract": 2'), "contract: 2 is newer than the bit contract of this accel, 1"),
        (('"contract": 1', '"contract": "1"'), "contract: '1' is not of type 'integer'"),
        (('"numerics": "reproducible"', '"numerics": "fast"'), "numerics: 'reproducible' was expected"),
        (('"rms_norm_eps": 1e-05', '"rms_norm_eps": 1e-04'), r"digest: \w+, and the document's is \w+: it was changed"),
        (('"kind"', '"kinds"'), "model: "),
        (('"numerics"', '"contract"'), "not a whole JSON document: 'contract' is there twice"),
        (('"max_new_tokens": 3', '"max_new_tokens": NaN'), "not a whole JSON document: NaN is no number of JSON"),
        (('"name": "logits"', '"name": "\\u001b[2J"'), r"outputs\[0\]\.name: "),
        (('"step": 0', '"step": -1'), r"outputs\[0\]\.step: -1 is less than the minimum"),
    ],
)
def test_a_wrong_field_is_named(written, change, expected):
    path = written(change)
    with pytest.raises(accel.FileError, match=f"^{re.escape(str(path))}: {expected}"):
        receipts.load(path)


def test_cut_off_anywhere(written, tmp_path):
    text = written().read_bytes()
    for end in {*range(0, len(text), 97), len(text) - 1} - {len(text)}:
        (tmp_path / "cut.json").write_bytes(text[:end])
        with pytest.raises(accel.FileError, match=r"cut\.json: not a whole JSON document"):
            receipts.load(tmp_path / "cut.json")
    (tmp_path / "cut.json").write_bytes(b"\xff" + text)
    with pytest.raises(accel.FileError, match="not a whole JSON document: 'utf-8' codec"):
        receipts.load(tmp_path / "cut.json")
    (tmp_path / "cut.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(accel.FileError, match="not a whole JSON document"):
        receipts.load(tmp_path / "cut.json")
    with pytest.raises(accel.ArgumentError, match="cannot be read"):
        receipts.load(tmp_path)


@given(st.data())
def test_a_changed_byte_is_never_a_receipt_that_verifies(made, data):
    """Of the text: it is no document, has another digest, or says the same in other words."""
    text = bytearray(document.text(made.document).encode())
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] ^= 1 << data.draw(st.integers(0, 6))
    try:
        found = json.loads(text.decode(), parse_constant=document._refuse, object_pairs_hook=document._once)
        document.checked(found)
    except (ValueError, accel.FileError):
        return
    assert found == made.document


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda its: its["model"].update(kind="os"), r"model\.kind: 'os' is not registered; registered: .*llama"),
        (lambda its: its["model"]["config"].pop("vocab_size"), r"model\.config\.vocab_size: the field is missing"),
        (lambda its: its["model"]["config"].update(more=1), r"model\.config\.more: there is no such field"),
        (lambda its: its["model"]["config"].update(hidden_size="16"), r"model\.config\.hidden_size: expected int, got"),
        (lambda its: its["model"]["config"].update(num_attention_heads=0), r"model\.config: num_attention_heads: "),
        (lambda its: its["model"]["config"].update(hidden_size=1 << 40), r"weights\.tensors\.\S+\.shape: "),
        (
            lambda its: its["model"]["config"].update(num_hidden_layers=2),
            r"weights\.tensors\.model\.layers\.1\S+ it is",
        ),
        (lambda its: its["parameters"].update(temperature=-1.0), "parameters: temperature: expected 0 or above"),
        (lambda its: its["parameters"].update(seeds=[1, 2, 3]), "seeds: expected 1 or 2, one for each prompt, got 3"),
        (lambda its: its["parameters"].update(seeds=[0.5]), r"parameters\.seeds\[0\]: expected int, got 0\.5"),
        (lambda its: its["inputs"].pop("prompt.0"), r"inputs: expected prompt\.0"),
        (lambda its: its["inputs"].update({"prompt.0": values.stored(np.array([11]))}), r"inputs\.prompt\.0: expected"),
        (lambda its: its["inputs"]["prompt.0"]["values"].append(1), r"inputs\.prompt\.0\.values: 4 elements for the"),
        (
            lambda its: its["inputs"]["prompt.0"].update(values=[3, 1, 9]),
            r"inputs\.prompt\.0\.values: their SHA-256 is",
        ),
        (lambda its: its["inputs"]["prompt.0"].update(values=[3, 1, 1 << 70]), r"inputs\.prompt\.0\.values: "),
        (lambda its: its["inputs"]["prompt.0"].update(values=[3, 1, True]), r"prompt\.0\.values: expected int64, got"),
        (lambda its: its["inputs"]["prompt.0"].update(values="AAAA"), r"prompt\.0\.values: int64 is written as a list"),
        (lambda its: its["outputs"][0].update(values="?"), r"outputs\[0\]\.values: not base64"),
        (lambda its: its["outputs"][0].update(values="AAAA"), r"outputs\[0\]\.values: 3 bytes for float32"),
    ],
)
def test_a_wrong_value_is_named(changed, change, expected):
    with pytest.raises(accel.AccelError, match=expected):
        receipts.verify(changed(change), device="cpu")


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "folder/file", "..", "."])
def test_a_path_leads_nowhere_else(made, forged, name):
    its = copy.deepcopy(made.document)
    del its["inputs"]["prompt.0"]["values"]
    its["inputs"]["prompt.0"]["path"] = name
    with pytest.raises(accel.FileError, match=r"inputs\.prompt\.0\.path: "):
        receipts.verify(forged(its), device="cpu")


def test_a_receipt_imports_nothing(made, forged, tmp_path, monkeypatch):
    """A module that would register the kind is on the path; only who trusts it imports it."""
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    for kind in ("trap", "trap:run", "trap.run", "accel.receipts.llama"):
        its = copy.deepcopy(made.document)
        its["model"]["kind"] = kind
        with pytest.raises(accel.ArgumentError, match="is not registered"):
            receipts.verify(forged(its), device="cpu")
    assert "trap" not in sys.modules


def test_it_is_written_whole_or_not_at_all(made, tmp_path):
    path = tmp_path / "r.json"
    path.write_text("before", encoding="utf-8")
    broken = receipts.Receipt({**made.document, "made_on": {"device": float("nan")}})
    with pytest.raises(ValueError, match="JSON compliant"):
        broken.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]
    assert path.read_text(encoding="utf-8") == "before"
    with pytest.raises(accel.ArgumentError, match="cannot be written"):
        made.save(tmp_path / "no" / "r.json")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"config": 3}, "config: expected a Config, or its fields, got 3"),
        ({"config": {"vocab": 3}}, r"config\.vocab: there is no such field"),
        ({"weights": None}, "weights: expected arrays by name, a file, or a seed, got None"),
        ({"weights": {"a": 1}}, "weights: a: expected an array, got 1"),
        ({"weights": {}}, "weights: missing tensors: lm_head.weight, "),
        ({"inputs": [1, 2]}, "inputs: expected arrays by name, got"),
        ({"inputs": {"a/b": np.array([1])}}, "inputs: expected names of letters, digits and"),
        ({"inputs": {"prompt.0": np.array([1.0])}}, r"inputs\.prompt\.0: expected integers of shape"),
        ({"inputs": {"prompt.0": np.array([-1])}}, r"inputs\.prompt\.0: expected tokens from 0 to 10, got -1"),
        ({"parameters": {"top_p": 0.0}}, "parameters: top_p: expected above 0, to 1, got 0"),
        ({"parameters": {"max_new_tokens": 0}}, "parameters: max_new_tokens: expected 1 or more, got 0"),
        ({"device": "nope"}, "'nope' names no backend"),
    ],
)
def test_wrong_arguments_of_record(record, changes, expected):
    with pytest.raises(accel.AccelError, match=expected):
        record(**changes)


def test_wrong_arguments_of_verify(made):
    with pytest.raises(accel.ArgumentError, match="receipt: expected a Receipt or a file, got 3"):
        receipts.verify(3)
    with pytest.raises(accel.DeviceError, match="'nope' names no backend"):
        receipts.verify(made, device="nope")
    with pytest.raises(accel.ArgumentError, match="weights: expected arrays by name"):
        receipts.verify(made, device="cpu", weights=3.5)
