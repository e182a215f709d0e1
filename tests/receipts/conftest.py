"""A tiny decoder, a receipt of it, and ways to change a receipt as one who knows the format would."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import accel
from accel import receipts
from accel.receipts import document

CONFIG = {
    "vocab_size": 11,
    "hidden_size": 16,
    "intermediate_size": 12,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
PROMPTS = {"prompt.0": np.array([3, 1, 10]), "prompt.1": np.array([7])}


def record(**changes: Any) -> receipts.Receipt:
    given = {"config": CONFIG, "weights": 5, "inputs": PROMPTS, "parameters": {"max_new_tokens": 3}, "device": "cpu"}
    return receipts.record("llama", **{**given, **changes})


@pytest.fixture(name="record")
def _record() -> Callable[..., receipts.Receipt]:
    """Records the tiny decoder on the CPU."""
    return record


@pytest.fixture(scope="session")
def made() -> receipts.Receipt:
    """Its receipt, with all values."""
    return record(values=True)


@pytest.fixture
def changed(made: receipts.Receipt) -> Callable[[Callable[[dict[str, Any]], Any]], receipts.Receipt]:
    """The receipt with its document changed by a function, and the digests made anew, as a forger would."""

    def change(function: Callable[[dict[str, Any]], Any]) -> receipts.Receipt:
        its = copy.deepcopy(made.document)
        function(its)
        tensors = its["weights"]["tensors"]
        its["weights"]["sha256"] = receipts.digest.total({name: entry["sha256"] for name, entry in tensors.items()})
        its["digest"] = document.digest(its)
        return receipts.Receipt(its)

    return change


@pytest.fixture
def written(made: receipts.Receipt, tmp_path: Path) -> Callable[..., Path]:
    """A file of the receipt, with its text changed: pairs of what stands there and what is put in its place."""

    def write(*changes: tuple[str, str]) -> Path:
        text = document.text(made.document)
        for before, after in changes:
            assert before in text
            text = text.replace(before, after, 1)
        path = tmp_path / "receipt.json"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(params=["cpu", "opencl:intel", "opencl:pocl", "triton:interpreter"])
def device(request: pytest.FixtureRequest) -> accel.Device:
    """One device of each kind that is to be had."""
    try:
        return accel.device(request.param)
    except accel.AccelError as error:
        pytest.skip(f"{request.param}: {error}")


@pytest.fixture
def forged(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """A file of a document, with its digest made anew."""

    def write(its: dict[str, Any]) -> Path:
        its["digest"] = document.digest(its)
        path = tmp_path / "forged.json"
        path.write_text(json.dumps(its), encoding="utf-8")
        return path

    return write
