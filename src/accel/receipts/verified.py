"""Verifying a receipt: the same model runs on a device of this machine, and its outputs are compared as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..array import Array
from ..backends.base import Device
from ..creation import device_of
from ..dtypes import as_dtype
from ..errors import AccelError, ArgumentError, FileError, shown
from . import running, values
from .digest import content, sha256
from .document import Receipt, checked, load
from .models import Model, check_inputs, find, from_json, label


@dataclass(frozen=True)
class Difference:
    """The first difference between a receipt and what a device computed.

    output: its place in words. reason: what differs. index: of the first element with other bits, in row-major order;
    None where the receipt holds no values. receipt, here: that element's value and bits. ulp: how many floats of the
    dtype lie from one to the other, None where that says nothing. elements: how many differ.
    """

    output: str
    reason: str
    index: tuple[int, ...] | None = None
    receipt: str | None = None
    here: str | None = None
    ulp: int | None = None
    elements: int | None = None

    def __str__(self) -> str:
        if self.index is None:
            return f"{self.output}: {self.reason}"
        apart = "" if self.ulp is None else f", {self.ulp} ULP apart"
        at = f"element {list(self.index)}: " if self.index else ""
        return f"{self.output}: {at}{self.receipt} in the receipt, {self.here} here{apart}; {self.reason}"


@dataclass(frozen=True)
class Verdict:
    """What verifying found. equal: how many outputs have the same bits, of total. seconds: that it took."""

    device: str
    equal: int
    total: int
    difference: Difference | None
    seconds: float

    @property
    def same(self) -> bool:
        """Whether every output has the same bits."""
        return self.difference is None


def verify(
    receipt: Receipt | str | Path,
    *,
    device: str | Device | None = None,
    weights: running.Weights | None = None,
    on_output: Callable[[str], None] = lambda label: None,
) -> Verdict:
    """Runs what a receipt says on a device, and compares every output until one differs.

    receipt: itself, or its file. device: None for the default device. weights: as in `record`; None where the receipt
    has them drawn from a seed. on_output: called with the place of each output that has the same bits.
    Raises FileError, which names the receipt's field or the tensor, where the document, an input or the weights are not
    what they should be; ArgumentError for a kind that is not registered; DeviceError; UnsupportedError where the device
    lacks a kernel. Nothing that a receipt names is imported.
    """
    its = load(receipt) if isinstance(receipt, str | Path) else receipt
    if not isinstance(its, Receipt):
        raise ArgumentError(f"receipt: expected a Receipt or a file, got {shown(receipt)}")
    document = checked(its.document)
    model = find(document["model"]["kind"])
    config = from_json(model.config, document["model"]["config"], "model.config")
    parameters = from_json(model.parameters, document["parameters"], "parameters")
    check_inputs(model, document["inputs"])
    where = device_of(device)
    entries = document["outputs"]
    for i, entry in enumerate(entries):
        values.read(entry, f"outputs[{i}]")
    inputs = {name: values.read(entry, f"inputs.{name}", its.folder) for name, entry in document["inputs"].items()}
    begun = time.perf_counter()
    there, wrong = _weights(document["weights"], where, model, config, weights)

    def verdict(equal: int, difference: Difference | None) -> Verdict:
        return Verdict(str(where), equal, len(entries), difference, time.perf_counter() - begun)

    if wrong is not None:
        return verdict(0, wrong)
    placed = {name: running.on(where, x) for name, x in inputs.items()}
    equal = 0
    with running.settings(where):
        for place, array in _computed(model, config, there, placed, parameters):
            if equal == len(entries):
                return verdict(equal, Difference(place, "here is an output more than in the receipt"))
            if (found := _differs(entries[equal], place, array)) is not None:
                return verdict(equal, found)
            equal += 1
            on_output(place)
    if equal < len(entries):
        return verdict(equal, Difference(_label(entries[equal]), "the model gave no such output here"))
    return verdict(equal, None)


def _computed(model: Model, *operands: Any) -> Iterator[tuple[str, np.ndarray]]:
    """The place and the values of each output. Raises FileError where what the receipt asks for cannot be run."""
    try:
        for output in model.run(*operands):
            yield output.label, running.host(output.array)
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        if isinstance(error, AccelError):
            raise
        raise FileError(f"inputs: {model.kind} cannot run on them: {type(error).__name__}: {error}") from error


def _weights(
    entry: dict[str, Any], device: Device, model: Model, config: Any, given: running.Weights | None
) -> tuple[dict[str, Array], Difference | None]:
    """The weights, and which of those that a seed gave differ. Raises FileError for others that differ."""
    if given is None and not entry["tensors"]:
        given = {}
    source = entry["source"] or {}
    seeded = given is None and "seed" in source
    if given is None and not seeded:
        named = f"{source['name']!r}" if "name" in source else "no file"
        raise FileError(f"weights.source: it names {named}; say where the weights are (accel verify --weights FILE)")
    shapes, expected = model.shapes(config), entry["tensors"]
    for name in sorted(shapes.keys() ^ expected.keys()):
        which = "is not in the receipt" if name in shapes else f"is no weight of {model.kind}"
        raise FileError(f"weights.tensors.{name}: it {which}")
    for name, shape in shapes.items():
        if (said := expected[name]["shape"]) != list(shape):
            raise FileError(f"weights.tensors.{name}.shape: {said}, and the model's is {list(shape)}")
    there = running.weights_on(device, model, config, source["seed"] if seeded else given)
    for name, want in expected.items():
        found = values.described(running.host(there[name]))
        for field in ("dtype", "shape", "sha256"):
            if found[field] != want[field]:
                said = f"{field} {found[field]}, and {want[field]} in the receipt"
                if seeded:
                    return there, Difference(f"weight {name}", f"drawn here from the seed with {said}")
                raise FileError(f"weights.tensors.{name}: the tensor given has {said}")
    return there, None


def _label(entry: dict[str, Any]) -> str:
    return label(entry["name"], entry.get("sequence"), entry.get("step"))


def _differs(entry: dict[str, Any], place: str, got: np.ndarray) -> Difference | None:
    if _label(entry) != place:
        return Difference(place, f"the receipt has {_label(entry)} in its place")
    dtype, shape = as_dtype(got.dtype).name, list(got.shape)
    if [dtype, shape] != [entry["dtype"], entry["shape"]]:
        return Difference(place, f"{dtype} of shape {shape} here, {entry['dtype']} of {entry['shape']} in the receipt")
    if (digest := sha256(got)) == entry["sha256"]:
        return None
    want = values.read(entry, place)
    if want is None:
        return Difference(
            place, f"SHA-256 {digest} here, {entry['sha256']} in the receipt, which holds no values of it to compare"
        )
    return _first(place, want, got)


def _first(place: str, want: np.ndarray, got: np.ndarray) -> Difference:
    """The first element with other bits."""
    size = got.dtype.itemsize
    bits = [np.frombuffer(content(x), np.uint8).reshape(-1, size) for x in (want, got)]
    other = (bits[0] != bits[1]).any(axis=1)
    first = int(np.argmax(other))
    index = tuple(int(i) for i in np.unravel_index(first, got.shape))
    a, b = want.reshape(-1)[first], got.reshape(-1)[first]
    count = int(other.sum())
    reason = f"{count} of {got.size} elements differ"
    return Difference(place, reason, index, _element(a), _element(b), _ulp(a, b), count)


def _element(x: Any) -> str:
    """A value and its bits."""
    dtype = as_dtype(x.dtype)
    if dtype.kind in "biu":
        return repr(x.item())
    number = complex(x) if dtype.kind == "c" else float(x)
    return f"{number!r} (0x{content(np.asarray(x))[::-1].hex()})"


def _ulp(a: Any, b: Any) -> int | None:
    from ..testing.compare import ulps

    return ulps(a, b) if as_dtype(a.dtype).kind == "f" and not (np.isnan(a) or np.isnan(b)) else None
