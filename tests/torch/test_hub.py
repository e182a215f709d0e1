"""`accel hub`: a package for Hugging Face's `kernels` that has accel's bits without accel."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("triton", reason="triton is not installed: it is in the extra triton")

import accel  # noqa: E402
import accel.torch  # noqa: E402
from accel import cli, hub, nn  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
from hub_child import CALLS, bits, package  # noqa: E402

CHILD = Path(__file__).with_name("hub_child.py")


@pytest.fixture(scope="module")
def built(tmp_path_factory: Any) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    assert cli.run(["hub", str(folder)]) == 0
    return folder / hub.NAME / "build"


def child(*arguments: Any, interpreted: bool = True) -> Any:
    environment = {**os.environ, "TRITON_INTERPRET": "1" if interpreted else "0"}
    given = [sys.executable, "-P", "-W", "ignore", str(CHILD), *map(str, arguments)]
    ran = subprocess.run(given, env=environment, capture_output=True, encoding="utf-8", timeout=600)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


OURS = SimpleNamespace(
    softmax=nn.softmax,
    rms_norm=lambda x, w, eps: nn.rms_norm(x, x.shape[1:], w, eps),
    layer_norm=lambda x, w=None, b=None, eps=1e-5: nn.layer_norm(x, x.shape[1:], w, b, eps),
    silu=nn.silu,
    gelu=lambda x, approximate="none": nn.gelu(x, approximate=approximate),
    silu_and_mul=lambda x: nn.swiglu(x[:, x.shape[1] // 2 :], x[:, : x.shape[1] // 2]),
)
"""The package's functions by accel's."""


def both(folder: Path, names: list[str], *lengths: int) -> tuple[dict[str, str], dict[str, str]]:
    """What the package in a folder gives, and what accel gives on the CPU."""
    with accel.config(device="cpu"):
        right = bits(OURS, names, list(lengths))
    return child("bits", folder, ",".join(names), *lengths), right


def test_it_has_accels_bits_without_accel(built):
    found, right = both(built / "torch-cuda", list(CALLS), 1, 97)
    assert found == right and len(right) == 3 * 2 * len(CALLS)


@pytest.mark.slow
def test_long_rows_have_accels_bits(built):
    """Of no maximum, for which Triton's interpreter takes minutes; the last are longer than a block."""
    found, right = both(built / "torch-rocm", ["rms_norm", "layer_norm shifted", "silu_and_mul"], 64, 1000, 5000)
    assert found == right


def test_another_number_in_a_kernel_has_other_bits(built, tmp_path):
    """The control: of the results only those of the changed file differ."""
    made = tmp_path / "made"
    for name, text in hub.contents().items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        if name == "programs/silu_float32_elements.py":
            assert text.count("0.1666666567325592") == 1
            text = text.replace("0.1666666567325592", "0.1666666865348816")  # two units in the last place more
        (made / name).write_text(text, encoding="utf-8")
    found, right = both(made, ["silu", "gelu"], 97)
    assert {name for name in right if found[name] != right[name]} == {"silu torch.float32 97"}


def imported(text: str) -> Iterator[str]:
    """The packages that a file imports; "." for what lies beside it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." if node.level else str(node.module).partition(".")[0]


def foreign(text: str) -> set[str]:
    return set(imported(text)) - {".", "torch", "triton"} - sys.stdlib_module_names


def test_files_import_torch_triton_and_each_other_alone(built):
    found = sorted(built.rglob("*.py"))
    assert len(found) > 60
    assert not {str(file): why for file in found if (why := foreign(file.read_text(encoding="utf-8")))}
    assert foreign("import os, accel.nn") == foreign("def f():\n    from accel import nn") == {"accel"}


def test_the_library_takes_the_layers(built):
    """By its rules: no constructor, and no members but forward and these two."""
    of_modules = set(dir(torch.nn.Module))
    its = vars(package(str(built / "torch-cuda")).layers).values()
    layers = [x for x in its if isinstance(x, type) and issubclass(x, torch.nn.Module)]
    assert {x.__name__ for x in layers} == {"RMSNorm", "LayerNorm", "SiLU", "GELU", "GELUTanh", "SiluAndMul"}
    for layer in layers:
        assert set(dir(layer)) - of_modules <= {"can_torch_compile", "has_backward"}
        assert layer.__init__ is torch.nn.Module.__init__ and "forward" in vars(layer)
        assert layer.has_backward is False and layer.can_torch_compile is False


def test_metadata_says_contract_and_backend(built):
    assert f"accel-bits-{accel.BIT_CONTRACT}" == hub.NAME
    for backend in ("cuda", "rocm"):
        its = json.loads((built / f"torch-{backend}" / "metadata.json").read_text(encoding="utf-8"))
        assert its["version"] == accel.BIT_CONTRACT and its["backend"] == {"type": backend}
        assert its["python-depends"] == [] and its["id"].isidentifier()


@pytest.mark.parametrize(
    "target", [("cuda", "90"), pytest.param(("hip", "gfx942"), marks=pytest.mark.slow)], ids=lambda target: target[1]
)
def test_launches_compile_for_gpus(built, target):
    found = child("compile", built / "torch-cuda", *target, interpreted=False)
    assert found == [["row", False, True], ["row", False, True], ["pointwise", False, True]]


def test_nothing_is_overwritten(built, capsys):
    before = {file: file.stat().st_mtime_ns for file in built.rglob("*")}
    assert cli.run(["hub", str(built.parents[1])]) == 2
    assert hub.NAME in capsys.readouterr().err
    assert before == {file: file.stat().st_mtime_ns for file in built.rglob("*")}


def test_bad_input_is_refused_before_a_launch(built):
    its = package(str(built / "torch-cuda"))
    x, w = torch.ones(2, 4), torch.ones(4)
    for call, error, words in (
        (lambda: its.softmax(x.double()), TypeError, "softmax: x: expected float32, float16 or bfloat16, got"),
        (lambda: its.softmax(torch.tensor(1.0)), ValueError, r"softmax: x: expected rows .* got shape \(\)"),
        (lambda: its.softmax(x[:, :0]), ValueError, r"got shape \(2, 0\)"),
        (lambda: its.rms_norm(x, w[:3], 1e-6), ValueError, r"rms_norm: expected vectors of 4 .* shape \(3,\)"),
        (lambda: its.rms_norm(x, w.half(), 1e-6), ValueError, "got torch.float16"),
        (lambda: its.layer_norm(x, None, w), ValueError, "layer_norm: bias: expected none without a weight"),
        (lambda: its.gelu(x, "erf"), ValueError, "gelu: approximate: expected 'none' or 'tanh', got 'erf'"),
        (lambda: its.silu_and_mul(x[:, :3]), ValueError, "silu_and_mul: x: expected a last axis of even length"),
        (lambda: its.rms_norm(x, torch.nn.Parameter(w), 1e-6), RuntimeError, r"use torch.no_grad\(\)"),
    ):
        with pytest.raises(error, match=words):
            call()
    assert its.softmax(x[:0]).shape == (0, 4) and its.silu_and_mul(x[:0]).shape == (0, 2)
