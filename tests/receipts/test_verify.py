"""A receipt verifies on every device, and a changed bit of an output, a weight or a step is seen where it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import receipts
from accel.demo import decoder
from accel.receipts import digest, values

DRAWN = {"max_new_tokens": 3, "temperature": 0.9, "top_k": 7, "top_p": 0.95, "seeds": [4, 5]}


def test_the_cpus_receipt_on_every_device(made, device):
    verdict = receipts.verify(made, device=device)
    assert (verdict.same, verdict.equal, verdict.total, verdict.device) == (True, 12, 12, str(device))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["opencl:intel", "opencl:pocl", "triton:interpreter", "triton:emulated-sm_80"])
def test_drawn_tokens_on_every_device(name, record):
    try:
        device = accel.device(name)
    except accel.AccelError as error:
        pytest.skip(f"{name}: {error}")
    receipt = record(parameters=DRAWN, values=True)
    assert receipts.verify(receipt, device=device).same
    assert receipt["outputs"] != record(parameters={**DRAWN, "seeds": [4, 6]}, values=True)["outputs"]


def test_what_a_receipt_says(made):
    """Its outputs are those of the model, run without receipts."""
    config = decoder.Config(**made["model"]["config"])
    weights = accel.receipts.running.weights_on(accel.device("cpu"), receipts.models.find("llama"), config, 5)
    for sequence, prompt in enumerate(([3, 1, 10], [7])):
        with accel.config(numerics="reproducible"):
            tokens, scores = decoder.generate(config, weights, accel.asarray([prompt], device="cpu"), 3)
        for step in range(3):
            assert made.output("logits", sequence, step).tobytes() == np.asarray(scores)[0, step].tobytes()
            assert made.output("token", sequence, step) == np.asarray(tokens)[0, step]
    with pytest.raises(accel.ArgumentError, match="there is no 'logits' with sequence=2"):
        made.output("logits", 2, 0)


@given(st.integers(0, 11), st.integers(0, 10), st.integers(0, 31))
def test_a_bit_of_an_output_is_seen_where_it_is(made, number, element, bit):
    def flip(its):
        x = values.read(its["outputs"][number], "").copy()
        flat = x.reshape(-1)
        flat.view(f"u{x.itemsize}")[element % x.size] ^= np.array(1 << bit, f"u{x.itemsize}")
        its["outputs"][number] |= values.stored(x)

    its = {**made.document, "outputs": [dict(entry) for entry in made["outputs"]]}
    flip(its)
    its["digest"] = receipts.document.digest(its)
    verdict = receipts.verify(receipts.Receipt(its), device="cpu")
    found = verdict.difference
    name, sequence, step = (made["outputs"][number][field] for field in ("name", "sequence", "step"))
    assert (verdict.equal, found.output) == (number, f"{name} of sequence {sequence}, step {step}")
    assert found.index == ((element,) if name == "logits" else ())
    assert found.elements == 1
    if name == "logits" and bit < 20:
        assert found.ulp == 1 << bit
        assert f"{1 << bit} ULP apart" in str(found)


def test_without_values_the_output_is_named(record, changed):
    plain = record()
    assert "values" not in plain["outputs"][0]
    assert "values" in plain["outputs"][1], "tokens are for reading"
    assert plain.output("logits", 0, 0) is None
    other = {**plain.document, "outputs": [dict(entry) for entry in plain["outputs"]]}
    other["outputs"][2]["sha256"] = "0" * 64
    other["digest"] = receipts.document.digest(other)
    verdict = receipts.verify(receipts.Receipt(other), device="cpu")
    assert (verdict.equal, verdict.difference.index) == (2, None)
    assert "logits of sequence 1, step 0: SHA-256" in str(verdict.difference)
    assert "holds no values" in str(verdict.difference)


@pytest.mark.parametrize(
    ("change", "equal", "expected"),
    [
        (lambda its: its["outputs"].pop(), 11, "an output more than in the receipt"),
        (lambda its: its["outputs"].append(its["outputs"][0]), 12, "logits of sequence 0, step 0: the model gave no"),
        (lambda its: its["outputs"].pop(4), 4, "the receipt has token of sequence 0, step 1 in its place"),
        (lambda its: its["parameters"].update(max_new_tokens=2), 8, "logits of sequence 0, step 2: the model gave no"),
        (lambda its: its["parameters"].update(temperature=5.0), 1, "token of sequence 0, step 0"),
        (lambda its: its["model"]["config"].update(rms_norm_eps=1e-4), 0, "logits of sequence 0, step 0"),
        (lambda its: its["weights"]["source"].update(seed=6), 0, "weight model.embed_tokens.weight: drawn here"),
        (lambda its: its["inputs"].update({"prompt.1": values.stored(np.array([8]))}), 2, "of sequence 1, step 0"),
    ],
)
def test_a_change_is_a_difference_at_its_place(changed, change, equal, expected):
    verdict = receipts.verify(changed(change), device="cpu")
    assert not verdict.same
    assert verdict.equal == equal
    assert expected in str(verdict.difference)


def test_weights_from_arrays_and_files(made, record, tmp_path):
    from safetensors.numpy import save_file

    config = decoder.Config(**made["model"]["config"])
    weights = receipts.running.weights_on(accel.device("cpu"), receipts.models.find("llama"), config, 5)
    arrays = {name: np.asarray(w) for name, w in weights.items()}
    of_arrays = record(weights=arrays)
    assert of_arrays["weights"]["source"] is None
    assert of_arrays["weights"]["tensors"] == made["weights"]["tensors"]
    save_file(arrays, tmp_path / "w.safetensors")
    of_file = record(weights=tmp_path / "w.safetensors")
    assert of_file["weights"]["source"] == {"name": "w.safetensors"}
    assert [x["sha256"] for x in of_file["outputs"]] == [x["sha256"] for x in made["outputs"]]
    for receipt in (of_arrays, of_file):
        with pytest.raises(accel.FileError, match=r"weights\.source: it names .*; say where the weights are"):
            receipts.verify(receipt, device="cpu")
    assert receipts.verify(of_arrays, device="cpu", weights=tmp_path / "w.safetensors").same
    arrays["model.norm.weight"] = arrays["model.norm.weight"].copy()
    arrays["model.norm.weight"].view(np.uint32)[3] ^= 1
    with pytest.raises(accel.FileError, match=r"weights\.tensors\.model\.norm\.weight: the tensor given has sha256"):
        receipts.verify(of_file, device="cpu", weights=arrays)
    arrays["model.norm.weight"] = arrays["model.norm.weight"].astype(np.float64)
    with pytest.raises(accel.FileError, match=r"model\.norm\.weight: the tensor given has dtype float64, and float32"):
        receipts.verify(of_file, device="cpu", weights=arrays)
    with pytest.raises(accel.FileError, match=r"weights: missing tensors: model\.norm\.weight"):
        receipts.verify(of_file, device="cpu", weights={n: w for n, w in arrays.items() if n != "model.norm.weight"})
    with pytest.raises(accel.ArgumentError, match=r"weights: .*nothing cannot be read"):
        receipts.verify(of_file, device="cpu", weights=tmp_path / "nothing")


def test_a_large_input_lies_beside_the_receipt(tmp_path, record):
    prompts = {"prompt.0": np.arange(10_000) % 11}
    path = tmp_path / "long.json"
    receipts.record("sum", config={}, weights={}, inputs=prompts, device="cpu", path=path)
    assert (tmp_path / "long.prompt.0.bin").stat().st_size == 80_000
    assert receipts.load(path)["inputs"]["prompt.0"]["path"] == "long.prompt.0.bin"
    assert receipts.verify(path, device="cpu").same
    content = bytearray((tmp_path / "long.prompt.0.bin").read_bytes())
    content[8] ^= 1
    (tmp_path / "long.prompt.0.bin").write_bytes(content)
    with pytest.raises(accel.FileError, match=r"inputs\.prompt\.0\.path: their SHA-256 is"):
        receipts.verify(path, device="cpu")
    (tmp_path / "long.prompt.0.bin").write_bytes(content[:-1])
    with pytest.raises(accel.FileError, match=r"inputs\.prompt\.0\.path: 79999 bytes for int64 of shape \(10000,\)"):
        receipts.verify(path, device="cpu")
    (tmp_path / "long.prompt.0.bin").unlink()
    with pytest.raises(accel.FileError, match=r"inputs\.prompt\.0\.path: 'long\.prompt\.0\.bin' cannot be read"):
        receipts.verify(path, device="cpu")
    within = receipts.record("sum", config={}, weights={}, inputs=prompts, device="cpu")
    assert "values" in within["inputs"]["prompt.0"]


@receipts.model("sum", config=receipts.Nothing, shapes=lambda config: {})
def total(config, weights, inputs, parameters):
    """A kind of the tests' own: the sum of each input."""
    for name, x in inputs.items():
        yield receipts.Output(name, accel.sum(x))


def test_kinds_of_ones_own():
    x = {"x": np.array([1.5, np.nan, -0.0], np.float32)}
    receipt = receipts.record("sum", config={}, weights={}, inputs=x, device="cpu")
    assert receipts.verify(receipt, device="cpu").same
    with pytest.raises(accel.ArgumentError, match="kind: 'sum' is registered already"):
        receipts.model("sum", config=receipts.Nothing, shapes=dict)(lambda *operands: [])
    with pytest.raises(accel.ArgumentError, match="kind: 'llama' is registered already"):
        receipts.model("llama", config=receipts.Nothing, shapes=dict)(lambda *operands: [])
    with pytest.raises(accel.ArgumentError, match="config: expected a dataclass"):
        receipts.model("other", config=dict, shapes=dict)(lambda *operands: [])
    with pytest.raises(accel.ArgumentError, match=r"model\.kind: 'nope' is not registered; registered: .*llama"):
        receipts.record("nope", config={}, weights={}, inputs={})


def test_the_digest_covers_dtype_shape_and_elements_and_knows_one_nan():
    x = np.arange(6, dtype=np.float32)
    flipped = x.copy()
    flipped.view(np.uint32)[2] ^= 1
    others = [x.astype(np.float64), x.view(np.int32), x.reshape(2, 3), flipped, -x, x[::-1]]
    assert len({digest.sha256(y) for y in (x, *others)}) == 7
    assert digest.sha256(np.repeat(x, 2)[::2]) == digest.sha256(x)
    missing = [np.array([bits], np.uint32).view(np.float32) for bits in (0x7FC00000, 0xFFC00000, 0x7F800001)]
    assert len({digest.sha256(y) for y in missing}) == 1
    assert digest.sha256(missing[0]) != digest.sha256(np.array([np.inf], np.float32))
    assert digest.sha256(np.zeros(1)) != digest.sha256(-np.zeros(1))
    pair = np.array([complex(1, np.nan)], np.complex64)
    assert digest.sha256(pair) != digest.sha256(np.array([complex(2, np.nan)], np.complex64))
