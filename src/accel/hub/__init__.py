"""A package for Hugging Face's `kernels`: accel's Triton kernels of some layers, printed, with what launches them.

It needs torch and Triton, and no accel. What is written by hand lies in `package/`, and works beside what `contents`
adds. Source of its layout and rules: the library `kernels`, version 0.17.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from .. import nn
from ..array import Array
from ..composition import recorded_by
from ..conversion import from_numpy, given_number, is_constant
from ..devices import device
from ..dtypes import DType, as_dtype
from ..errors import ArgumentError
from ..graph.arrange import arranged
from ..graph.group import groups
from ..graph.program import Work, work
from ..graph.trace import Tracer
from ..numerics import BIT_CONTRACT, BLOCK, LANES

NAME = f"accel-bits-{BIT_CONTRACT}"
"""Of the repository: who loads it has these bits, whatever version of accel printed it."""

VARIANTS = ("cuda", "rocm")
"""torch's names of the backends that Triton's kernels of accel run on."""

DTYPES = ("float32", "float16", "bfloat16")

LENGTH, EPS = 96, 0.0078125
"""Of the rows that are traced, and of what is added: numbers that a program has as operands are known by them."""


@dataclass(frozen=True)
class Printed:
    """A function of so many operands, the first of which are of each element; the others are vectors beside a row.
    numbers: what a row program is given behind the operands."""

    function: Callable[..., Any]
    each: int = 1
    vectors: int = 0
    numbers: tuple[float, ...] = ()


PROGRAMS = {
    "softmax": Printed(nn.softmax),
    "rms_norm": Printed(lambda x, w: nn.rms_norm(x, (LENGTH,), w, EPS), 1, 1, (LENGTH, EPS)),
    "layer_norm": Printed(lambda x: nn.layer_norm(x, (LENGTH,), eps=EPS), 1, 0, (LENGTH, EPS)),
    "layer_norm_scaled": Printed(lambda x, w: nn.layer_norm(x, (LENGTH,), w, eps=EPS), 1, 1, (LENGTH, EPS)),
    "layer_norm_shifted": Printed(lambda x, w, b: nn.layer_norm(x, (LENGTH,), w, b, EPS), 1, 2, (LENGTH, EPS)),
    "silu": Printed(nn.silu),
    "gelu": Printed(nn.gelu),
    "gelu_tanh": Printed(lambda x: nn.gelu(x, approximate="tanh")),
    "silu_and_mul": Printed(lambda gate, x: nn.swiglu(x, gate), 2),
}


def build(folder: Path) -> Path:
    """Writes the repository into a folder, and returns where it is.

    Raises ArgumentError where something of its name is there already, and what an unwritable folder raises.
    """
    repository = folder / NAME
    if repository.exists():
        raise ArgumentError(f"hub: {repository} is there already: expected a folder without {NAME}")
    made = contents()
    for variant in VARIANTS:
        root = repository / "build" / f"torch-{variant}"
        its = {
            "name": NAME, "id": f"{NAME.replace('-', '_')}_{variant}", "version": BIT_CONTRACT,
            "license": "Apache-2.0", "python-depends": [], "backend": {"type": variant},
        }  # fmt: skip
        for name, text in {**made, "metadata.json": json.dumps(its, indent=2) + "\n"}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
    (repository / "README.md").write_text(_CARD, encoding="utf-8")
    return repository


def contents() -> dict[str, str]:
    """The package's files by their paths."""
    source = files("accel.hub") / "package"
    made = {
        name: (source / name).read_text(encoding="utf-8")
        for name in ("__init__.py", "functions.py", "launch.py", "layers.py")
    }
    made["contract.py"] = f'"""Numbers of the bit contract {BIT_CONTRACT}."""\n\nBLOCK = {BLOCK}\nLANES = {LANES}\n'
    device_code = files("accel.kernels.triton") / "device"
    for name in ("index", "pointwise", "row"):
        text = (device_code / f"{name}.py").read_text(encoding="utf-8")
        made[f"programs/device/{name}.py"] = text.replace("accel.kernels.triton.device.", ".")
    made["programs/__init__.py"] = '"""Kernels that accel printed."""\n'
    made["programs/device/__init__.py"] = '"""What the kernels share."""\n'
    for name, its in PROGRAMS.items():
        for dtype in DTYPES:
            for form, text in _texts(name, its, as_dtype(dtype)).items():
                made[f"programs/{name}_{dtype}_{form}.py"] = text
    return made


def _texts(name: str, its: Printed, dtype: DType) -> dict[str, str]:
    from ..kernels.triton import row_source
    from ..scalar.triton import print_program

    found = _work(name, its, dtype)
    order = f"\n\nORDER = {tuple(read.value for read in found.inputs)}\n"
    if found.primitive == "pointwise":
        head = '"""A scalar program of accel, printed for Triton."""\n\nimport triton\nimport triton.language as tl\n\n'
        shared = "from .device.pointwise import pointwise  # noqa: F401\n\n\n"
        return {"elements": head + shared + print_program(found.params, "program") + order}
    texts = {form: row_source.source(found.params.program, form, 1) for form in ("kept", "looped")}
    unused = "from accel.kernels.triton.device.arrive import last, put, taken\n"
    return {
        form: text.replace(unused, "").replace("accel.kernels.triton.device.", ".device.").rstrip() + "\n" + order
        for form, text in texts.items()
    }


def _work(name: str, its: Printed, dtype: DType) -> Work:
    """What a kernel of the function is asked for, which is one launch that reads what `package/launch.py` gives it."""
    cpu = device("cpu")
    shapes = [(2, LENGTH)] * its.each + [(LENGTH,)] * its.vectors
    arrays: list[Array] = [from_numpy(np.zeros(shape, dtype.numpy), cpu, copy=True) for shape in shapes]
    tracer = Tracer([x.layout for x in arrays], is_constant)
    with recorded_by(tracer):
        result = its.function(*tracer.arguments())
    graph = arranged(tracer.graph((result,)))
    (group,) = groups(graph)
    found = work(graph, group)
    numbers = [given_number(x) for x in graph.constants]
    read = [its.value for its in found.inputs]
    if sorted(read) != list(range(len(arrays) + len(its.numbers))) or numbers != list(its.numbers):
        raise AssertionError(f"hub: {name} reads {read}, {numbers}, which the package does not give it")
    return found


_CARD = f"""---
license: apache-2.0
tags:
- kernels
---

# {NAME}

Functions and layers whose results have the same bits on every GPU and CPU: those of accel's bit contract
{BIT_CONTRACT}. Triton kernels, printed by `accel hub`; they need torch and Triton. The name says the contract: load a
revision of it by its hash where bits are to last.
"""
