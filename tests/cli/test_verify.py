"""`accel verify`: a verdict, the first difference, a table of devices, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import accel
from accel import receipts
from accel.cli import verify
from accel.receipts import document, values

CONFIG = {"vocab_size": 11, "hidden_size": 16, "intermediate_size": 12, "num_hidden_layers": 1}


@pytest.fixture
def receipt(tmp_path) -> Path:
    path = tmp_path / "r.json"
    prompt = {"prompt.0": np.array([3, 1, 10])}
    given = {"config": CONFIG, "weights": 5, "inputs": prompt, "parameters": {"max_new_tokens": 2}}
    receipts.record("llama", **given, device="cpu", values=True, path=path)
    return path


@pytest.fixture
def altered(receipt) -> Path:
    its = receipts.load(receipt).document
    scores = values.read(its["outputs"][2], "").copy()
    scores.view(np.uint32)[7] ^= 2
    its["outputs"][2] |= values.stored(scores)
    its["digest"] = document.digest(its)
    receipts.Receipt(its).save(receipt)
    return receipt


def test_the_same_bits(receipt, here):
    code, out, err = here("verify", str(receipt), "--device", "cpu")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("'llama', bit contract 1, 4 outputs; made on 'cpu' (")
    assert out.splitlines()[1:] == ["cpu gives the same bits: 4 of 4 outputs."]


def test_the_first_difference(altered, here):
    code, out, _ = here("verify", str(altered), "--device", "cpu")
    assert code == 1
    assert "cpu DIFFERS, after 2 of 4 equal outputs:" in out
    assert "  logits of sequence 0, step 1: element [7]: " in out
    assert "2 ULP apart; 1 of 11 elements differ" in out
    code, out, _ = here("verify", str(altered), "--device", "cpu", "--json")
    found = json.loads(out)["devices"]["cpu"]
    assert (code, found["same"], found["equal"], found["difference"]["index"]) == (1, False, 2, [7])


def devices(monkeypatch, *names: str) -> None:
    found = [accel.device(name) for name in names]
    monkeypatch.setattr(verify, "choose", lambda backends, given: (found, {"other": "it is not there"}))


def test_a_table_of_devices(receipt, here, monkeypatch):
    devices(monkeypatch, "cpu", "triton:interpreter")
    code, out, _ = here("verify", str(receipt), "--all-devices")
    assert code == 0
    assert out.splitlines()[1].split() == ["device", "verdict", "outputs", "seconds"]
    assert out.splitlines()[2].startswith("cpu                 same bits  4 of 4  ")
    assert out.splitlines()[3].startswith("triton:interpreter  same bits  4 of 4  ")
    assert out.splitlines()[4:] == [
        "not run: other: it is not there",
        "The same bits on 2 devices: cpu, triton:interpreter.",
    ]


def test_a_device_that_fails_and_one_that_differs(altered, here, monkeypatch):
    devices(monkeypatch, "cpu", "null")
    verify_on = receipts.verify

    def lost(its, *, device, **rest):
        if str(device) == "null:0":
            raise accel.AccelError("the device is lost")
        return verify_on(its, device=device, **rest)

    monkeypatch.setattr(receipts, "verify", lost)
    code, out, _ = here("verify", str(altered), "--all-devices")
    assert code == 1
    assert "cpu     DIFFERS  2 of 4   " in out
    assert "same bits" not in out
    assert "null:0  failed   -" in out
    assert "\nnull:0 failed: AccelError: the device is lost" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--device", "nope"), "'nope' names no backend"),
        (("--device", "cpu", "--all-devices"), "--device, or ask for --all-devices, not both"),
        (("--device", "cpu", "--module", "no_such_module"), "--module: no_such_module cannot be imported: No module"),
        (("--device", "cpu", "--weights", "nothing"), "weights: nothing cannot be read"),
    ],
)
def test_bad_arguments(receipt, here, arguments, expected):
    code, out, err = here("verify", str(receipt), *arguments)
    assert (code, out) == (2, "")
    assert expected in err
    assert err.count("\n") == 1


def test_bad_receipts(receipt, here, tmp_path):
    code, _, err = here("verify", str(tmp_path / "none.json"))
    assert code == 2
    assert "none.json" in err
    receipt.write_text(receipt.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    code, _, err = here("verify", str(receipt))
    assert code == 2
    assert "r.json: not a whole JSON document" in err


def test_missing_packages_are_named(receipt, child, bare_python):
    done = child("verify", str(receipt), "--device", "cpu", python=bare_python)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("accel: error: receipts are checked by jsonschema: pip install ")
    assert done.stderr.count("\n") == 1


def test_a_module_registers_a_kind(tmp_path, here, monkeypatch):
    (tmp_path / "kinds_of_mine.py").write_text(
        "import accel\nfrom accel import receipts\n\n"
        "@receipts.model('doubled', config=receipts.Nothing, shapes=lambda config: {}, inputs=('x',))\n"
        "def run(config, weights, inputs, parameters):\n    yield receipts.Output('y', inputs['x'] * 2)\n",
        encoding="utf-8",
    )
    x = np.ones(3, np.float32)
    monkeypatch.syspath_prepend(str(tmp_path))
    made = receipts.record("sum_of_cli", config={}, weights={}, inputs={"x": x}, device="cpu").document
    made["model"]["kind"] = "doubled"
    made["digest"] = document.digest(made)
    receipts.Receipt(made).save(tmp_path / "r.json")
    code, _, err = here("verify", str(tmp_path / "r.json"), "--device", "cpu")
    assert code == 2
    assert "model.kind: 'doubled' is not registered" in err
    code, out, _ = here("verify", str(tmp_path / "r.json"), "--device", "cpu", "--module", "kinds_of_mine")
    assert (code, out.splitlines()[-1]) == (0, "cpu gives the same bits: 1 of 1 outputs.")


@receipts.model("sum_of_cli", config=receipts.Nothing, shapes=lambda config: {})
def doubled(config, weights, inputs, parameters):
    yield receipts.Output("y", inputs["x"] + inputs["x"])
