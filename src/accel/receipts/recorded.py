"""Making a receipt: a model runs on a device, and what came out is written down."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..backends.base import Device
from ..creation import device_of
from ..errors import ArgumentError, shown
from ..interop import is_array
from ..numerics import BIT_CONTRACT
from ..packages import DISTRIBUTION
from . import digest, running
from . import values as arrays
from .document import VERSION, Document, Receipt
from .document import digest as its_digest
from .models import Output, as_json, check_inputs, find

NAME = r"[A-Za-z0-9_.-]{1,200}"
"""What an input or an output may be called: it is part of a file's name, and printed."""

INLINE = 1 << 16
"""Bytes of an input that are written into the receipt itself; a larger one gets a file beside it."""

SMALL = 1 << 12
"""Bytes of an output of integers, such as tokens, that are stored unasked: people read them."""


def record(
    kind: str,
    *,
    config: Any,
    weights: running.Weights,
    inputs: Mapping[str, Any],
    parameters: Any = None,
    device: str | Device | None = None,
    values: bool = False,
    path: str | Path | None = None,
    on_output: Callable[[Output, np.ndarray], None] = lambda output, array: None,
) -> Receipt:
    """Runs a model in reproducible mode and gives the receipt.

    kind: a registered name (`model`, or "llama"). config, parameters: the kind's dataclasses, or dicts of their fields.
    weights: arrays by name, a safetensors file or a folder of them, or a seed to draw them from. inputs: arrays by
    name. device: where it runs, None for the default device. values: whether outputs' values are stored, so that a
    verdict names the first element that differs. path: of a file to write; inputs of more than 64 KiB get files beside
    it, and without it everything is in the receipt. on_output: called with each output and its values, as they come.
    Raises ArgumentError, FileError, UnsupportedError where the device lacks a kernel, and what the model raises.
    """
    model = find(kind)
    where = device_of(device)
    its = running.typed(model.config, config, "config")
    told = running.typed(model.parameters, {} if parameters is None else parameters, "parameters")
    if not isinstance(inputs, Mapping) or not all(is_array(x) for x in inputs.values()):
        raise ArgumentError(f"inputs: expected arrays by name, got {shown(inputs)}")
    check_inputs(model, inputs)
    for name in inputs:
        _named("inputs", name)
    there = running.weights_on(where, model, its, weights)
    placed = {name: running.on(where, x) for name, x in inputs.items()}
    outputs = []
    with running.settings(where):
        for output in model.run(its, there, placed, told):
            array = running.host(output.array)
            outputs.append(_entry(output, array, values))
            on_output(output, array)
    if not outputs:
        raise ArgumentError(f"record: {kind} gave no output")
    tensors = {name: _described(w) for name, w in there.items()}
    document: Document = {
        "accel_receipt": VERSION,
        "digest": "",
        "contract": BIT_CONTRACT,
        "numerics": running.NUMERICS,
        "model": {"kind": kind, "config": as_json(its)},
        "weights": {
            "sha256": digest.total({name: entry["sha256"] for name, entry in tensors.items()}),
            "source": _source(weights),
            "tensors": tensors,
        },
        "inputs": {name: _input(name, running.host(x), path) for name, x in placed.items()},
        "parameters": as_json(told),
        "outputs": outputs,
        "made_on": made_on(where),
    }
    document["digest"] = its_digest(document)
    receipt = Receipt(document, None if path is None else Path(path).parent)
    if path is not None:
        receipt.save(path)
    return receipt


def _described(x: Any) -> arrays.Entry:
    return arrays.described(running.host(x))


def _named(argument: str, name: object) -> None:
    if not isinstance(name, str) or re.fullmatch(NAME, name) is None:
        raise ArgumentError(f"{argument}: expected names of letters, digits and _.-, got {shown(name)}")


def _entry(output: Output, array: np.ndarray, all_values: bool) -> arrays.Entry:
    _named("record: outputs", output.name)
    place = {name: x for name in ("sequence", "step") if (x := getattr(output, name)) is not None}
    readable = array.dtype.kind in "biu" and array.nbytes <= SMALL
    return {"name": output.name, **place, **(arrays.stored if all_values or readable else arrays.described)(array)}


def _source(weights: running.Weights) -> dict[str, Any] | None:
    if isinstance(weights, int):
        return {"seed": weights}
    return {"name": Path(weights).name} if isinstance(weights, str | Path) else None


def _input(name: str, x: np.ndarray, path: str | Path | None) -> arrays.Entry:
    if path is None or x.nbytes <= INLINE:
        return arrays.stored(x)
    beside = Path(path).with_name(f"{Path(path).stem}.{name}.bin")
    try:
        beside.write_bytes(digest.content(x))
    except OSError as error:
        raise ArgumentError(f"path: {beside} cannot be written: {error.strerror}") from None
    return {**arrays.described(x), "path": beside.name}


def made_on(device: Device) -> dict[str, str]:
    """The device and the software, without names of hosts or users."""
    from .. import __version__

    return {
        "device": str(device),
        "description": device.description,
        DISTRIBUTION: __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
