"""examples/weights.py: every dtype loads to the bit, and what is wrong with a file is named."""

from __future__ import annotations

import dataclasses
import json
import re

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

import accel
from examples.bert import Config
from examples.weights import configuration, load, seeded

SHAPES = {"a.weight": (3, 4), "a.bias": (3,), "b.running_var": (5,)}


def tensors(dtype: type = np.float32) -> dict[str, np.ndarray]:
    return {name: np.asarray(w).astype(dtype) for name, w in seeded(SHAPES, 3, "cpu").items()}


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
@pytest.mark.parametrize("device", ["cpu", "opencl:pocl"])
def test_every_dtype_to_the_bit(tmp_path, dtype, device):
    try:
        accel.device(device)
    except accel.AccelError as error:
        pytest.skip(str(error))
    save_file(tensors(dtype), tmp_path / "w.safetensors")
    found = load(tmp_path / "w.safetensors", SHAPES, device)
    assert list(found) == list(SHAPES)
    for name, want in tensors(dtype).items():
        assert found[name].device == accel.device(device)
        assert np.asarray(found[name]).dtype == want.dtype
        assert np.asarray(found[name]).tobytes() == want.tobytes()


def test_a_prefix_and_names_that_are_read_over(tmp_path):
    theirs = {f"bert.{name}": w for name, w in tensors().items()}
    theirs |= {"cls.head": np.zeros(2, np.float32), "bert.ids": np.arange(3)}
    save_file(theirs, tmp_path / "w.safetensors")
    assert list(load(tmp_path / "w.safetensors", SHAPES, "cpu", "bert.", ("ids",))) == list(SHAPES)
    with pytest.raises(accel.FileError, match=r"unexpected tensors: ids$"):
        load(tmp_path / "w.safetensors", SHAPES, "cpu", "bert.")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a.bias": None}, "missing tensors: a.bias"),
        ({"a.bias": None, "a.weight": None}, "missing tensors: a.bias, a.weight"),
        ({"c": np.zeros(1, np.float32)}, "unexpected tensors: c"),
        ({f"c{i}": np.zeros(1, np.float32) for i in range(7)}, "unexpected tensors: c0, c1, c2, c3, c4 and 2 more"),
        ({"a.weight": np.zeros((4, 3), np.float32)}, "tensor a.weight: expected shape (3, 4), got (4, 3)"),
        ({"a.bias": np.zeros(3, np.int32)}, "tensor a.bias: expected floating elements, got int32"),
    ],
)
def test_a_checkpoint_of_another_model(tmp_path, change, message):
    theirs = {name: w for name, w in (tensors() | change).items() if w is not None}
    save_file(theirs, tmp_path / "w.safetensors")
    with pytest.raises(accel.FileError, match=re.escape(f"w.safetensors: {message}") + "$"):
        load(tmp_path / "w.safetensors", SHAPES, "cpu")


def test_one_tensor_in_two_files(tmp_path):
    for name in ("1", "2"):
        save_file(tensors(), tmp_path / f"{name}.safetensors")
    with pytest.raises(accel.FileError, match=r"2\.safetensors: tensor a\.\w+ is in another file too"):
        load(tmp_path, SHAPES, "cpu")


def test_files_that_are_not_whole(tmp_path):
    file = tmp_path / "w.safetensors"
    save_file(tensors(), file)
    whole = file.read_bytes()
    broken = [whole[:n] for n in (0, 7, 8, 40, len(whole) // 2, len(whole) - 1)]
    broken += [b"\xff" * 100, whole[:9] + b"\xff" + whole[10:], whole + b"\0"]
    for data in broken:
        file.write_bytes(data)
        with pytest.raises(accel.FileError, match=r"w\.safetensors: not a whole safetensors file: "):
            load(file, SHAPES, "cpu")
    file.write_bytes(whole)
    load(file, SHAPES, "cpu")
    with pytest.raises(OSError):
        load(tmp_path / "none.safetensors", SHAPES, "cpu")


def test_a_configuration_that_is_none(tmp_path):
    path = tmp_path / "config.json"
    whole = {**dataclasses.asdict(Config()), "hidden_act": "gelu", "other": 1}
    partial = {name: value for name, value in whole.items() if name != "layer_norm_eps"}
    for text, message in (
        ("{", ""),
        ("[1]", "expected an object"),
        (json.dumps(partial), "missing fields: layer_norm_eps"),
        (json.dumps(whole | {"hidden_act": "relu"}), "hidden_act: this model is for 'gelu' alone, got 'relu'"),
        (json.dumps(whole | {"hidden_size": "8"}), ""),
        (json.dumps(whole | {"num_attention_heads": 3}), "num_attention_heads: expected a divisor of 64, got 3"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(accel.FileError, match=rf"config\.json: not a configuration of this model: .*{message}"):
            configuration(Config, str(path), hidden_act="gelu")
    path.write_text(json.dumps(whole | {"hidden_size": 8}), encoding="utf-8")
    assert configuration(Config, str(path), hidden_act="gelu") == Config(hidden_size=8)


def test_seeded_weights_are_these_everywhere():
    weights = seeded(SHAPES, 3, "cpu")
    assert abs(np.asarray(weights["b.running_var"]) - 1).max() < 0.6
    assert np.asarray(seeded(SHAPES, 4, "cpu")["a.bias"]).tobytes() != np.asarray(weights["a.bias"]).tobytes()
