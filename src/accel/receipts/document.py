"""The document: reading, checking and writing one. `schema.json` is its form; what a schema cannot say is here."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import AccelError, ArgumentError, FileError, shown
from ..numerics import BIT_CONTRACT
from ..packages import remedy
from ..written import write_whole
from . import values
from .digest import total

VERSION = 1
"""Of the document's form."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Receipt:
    """A document that was checked, and the folder of its file, if it is from one.

    Indexing gives its fields. `output` gives the values of outputs that were stored.
    """

    document: Document
    folder: Path | None = None

    def __getitem__(self, field: str) -> Any:
        return self.document[field]

    def output(self, name: str, sequence: int | None = None, step: int | None = None) -> np.ndarray | None:
        """The values of an output, None where only its hash was stored. Raises ArgumentError where there is none."""
        for i, entry in enumerate(self["outputs"]):
            if (entry["name"], entry.get("sequence"), entry.get("step")) == (name, sequence, step):
                return values.read(entry, f"outputs[{i}]")
        raise ArgumentError(f"output: there is no {name!r} with sequence={sequence}, step={step}")

    def save(self, path: str | Path) -> None:
        """Writes the document whole or not at all. Raises ArgumentError where it cannot be written."""
        write_whole(path, text(self.document) + "\n")


@cache
def schema() -> Document:
    """The published JSON Schema."""
    return json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))


def load(path: str | Path) -> Receipt:
    """The receipt in a file.

    Raises FileError, which names the file and the field, where it is not whole, not of this form, or of another version
    of the bit contract; ArgumentError where it cannot be read; AccelError where jsonschema is not installed.
    """
    try:
        raw = Path(path).read_bytes()
    except (OSError, TypeError, ValueError) as error:
        raise ArgumentError(f"{shown(path)}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        found = json.loads(raw.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path}: not a whole JSON document: {error}") from None
    try:
        return Receipt(checked(found), Path(path).parent)
    except FileError as error:
        raise FileError(f"{path}: {error}") from None


def checked(found: Any) -> Document:
    """A document, which this version of accel can verify. Raises FileError, which names the field."""
    if not isinstance(found, dict) or "accel_receipt" not in found:
        raise FileError("accel_receipt: the field is missing: this is no receipt")
    if found["accel_receipt"] != VERSION:
        raise FileError(f"accel_receipt: version {shown(found['accel_receipt'])}, and this accel reads {VERSION}")
    if problem := _problem(found):
        raise FileError(problem)
    if found["contract"] != BIT_CONTRACT:
        age = "newer" if found["contract"] > BIT_CONTRACT else "older"
        raise FileError(
            f"contract: {found['contract']} is {age} than the bit contract of this accel, {BIT_CONTRACT}: verify with "
            "a version of accel that has it"
        )
    if found["digest"] != (computed := digest(found)):
        raise FileError(f"digest: {found['digest']}, and the document's is {computed}: it was changed or damaged")
    tensors = {name: entry["sha256"] for name, entry in found["weights"]["tensors"].items()}
    if found["weights"]["sha256"] != total(tensors):
        raise FileError("weights.sha256: it is not that of weights.tensors")
    return found


def digest(document: Document) -> str:
    """SHA-256 of the document without its own field, with sorted names and no spaces. It finds damage; it is no
    signature, as anybody can make it anew."""
    rest = {name: value for name, value in document.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def text(value: Any, indent: str = "") -> str:
    """JSON with a line for each entry of what holds objects, and one for each object that holds none."""
    inner = indent + "  "
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not any(isinstance(x, dict) for x in items):
        return json.dumps(value, allow_nan=False)
    if isinstance(value, dict):
        lines = [f"{inner}{json.dumps(name)}: {text(x, inner)}" for name, x in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + text(x, inner) for x in value) + f"\n{indent}]"


def _problem(document: Document) -> str | None:
    """The first thing that the schema finds."""
    try:
        import jsonschema
    except ImportError as error:
        raise AccelError(f"receipts are checked by jsonschema: {remedy('receipts', 'jsonschema')} ({error})") from None
    try:
        error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema()).iter_errors(document))
    except RecursionError:
        return "the document: nested without end"
    if error is None:
        return None
    place = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in error.absolute_path).lstrip(".")
    message = error.message if len(error.message) < 300 else f"{error.message[:300]}…"
    return _plain(f"{place or 'the document'}: {message}")


def _plain(message: str) -> str:
    """A text of a file that nobody has checked: it must not steer the terminal."""
    return message if message.isprintable() else repr(message)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> Document:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return made
