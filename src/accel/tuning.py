"""Which tiles serve a call: what was measured on this very device, what ships for its architecture, else what a kernel
computes.

    the user's table: these shapes, then shapes of their class -> the shipped table: the same two -> the computed choice

A choice is a tuple of whole numbers (`Tunable`). A table's choice that the kernel does not list for a call is not used:
no file can change a bit, nor start a kernel that the device does not take. The user's tables lie in the cache folder,
one for each exact device, driver and compiler; a row holds for the kernel's source that it was measured with. Shipped
tables lie beside the kernels, in ``tuned/<architecture>.json``. Each is read once.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

from . import cache_folder, registry
from .backends.base import Call, Choice, Device, Kernel
from .config import config
from .errors import shown
from .numerics import BIT_CONTRACT
from .warn import warn

SCHEMA = "accel-tuned/1"

FOLDER = "tuned"
"""Of the cache folder, and of a package of kernels."""

GAIN = 0.03
"""Share of the computed choice's time that another one must save to take its place."""

Shape = tuple[str, str, tuple[int, ...]]
"""What a row is about: a kernel's name, words for dtypes, order in memory and mode, and lengths."""


def shape_of(record: Sequence[Any]) -> Shape:
    """A shape that was written as JSON."""
    kernel, words, lengths = record
    return kernel, words, tuple(lengths)


@dataclass
class Row:
    """What was measured for calls of one shape.

    source: digest of the kernel's source. default: the computed choice. choice: what is used. ratios: time by choice,
    over the computed one's. failed: by choice, why it cannot be used. seconds: of the computed choice. done: whether
    every choice was measured, and the best one twice.
    """

    kernel: str
    source: str
    words: str
    lengths: tuple[int, ...]
    default: Choice
    choice: Choice
    ratios: dict[Choice, float] = field(default_factory=dict)
    failed: dict[Choice, str] = field(default_factory=dict)
    seconds: float | None = None
    done: bool = False

    @property
    def shape(self) -> Shape:
        """See `Shape`."""
        return self.kernel, self.words, self.lengths

    def to_json(self) -> dict[str, Any]:
        """As a table has it."""
        return {
            "kernel": self.kernel, "source": self.source, "words": self.words, "lengths": list(self.lengths),
            "default": list(self.default), "choice": list(self.choice),
            "ratios": {_text(choice): ratio for choice, ratio in self.ratios.items()},
            "failed": {_text(choice): why for choice, why in self.failed.items()}, "seconds": self.seconds,
            "done": self.done,
        }  # fmt: skip

    @classmethod
    def from_json(cls, record: Any) -> Row:
        """The row of such a record. Raises ValueError for what is none."""
        try:
            kernel, source, words = (record[name] for name in ("kernel", "source", "words"))
            lengths, default, choice = (_whole(record[name]) for name in ("lengths", "default", "choice"))
            ratios = {_choice(text): float(x) for text, x in record["ratios"].items()}
            failed = {_choice(text): str(why) for text, why in record["failed"].items()}
            seconds = None if record["seconds"] is None else float(record["seconds"])
            done = record["done"] is True
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"a row is {shown(record)}: {type(error).__name__}: {error}") from None
        if not all(isinstance(text, str) for text in (kernel, source, words)):
            raise ValueError(f"a row is {shown(record)}: expected texts for kernel, source and words")
        return cls(kernel, source, words, lengths, default, choice, ratios, failed, seconds, done)


def _text(choice: Choice) -> str:
    return ",".join(map(str, choice))


def _choice(text: str) -> Choice:
    return tuple(map(int, text.split(",")))


def _whole(numbers: Any) -> tuple[int, ...]:
    if not isinstance(numbers, list) or not all(type(n) is int for n in numbers):
        raise ValueError(f"{shown(numbers)}: expected a list of whole numbers")
    return tuple(numbers)


class Table:
    """Rows, found by what they are about. where: what `told` says of one."""

    def __init__(self, rows: Iterable[Row], where: str) -> None:
        self.where = where
        self.rows = {row.shape: row for row in rows}
        self._classes = {(kernel, words, class_of(its)): row for (kernel, words, its), row in self.rows.items()}

    def find(self, shape: Shape) -> tuple[Row, str] | None:
        """The row of a shape, or the last one of its class, and which of the two it is, in words."""
        if (row := self.rows.get(shape)) is not None:
            return row, "these shapes"
        kernel, words, lengths = shape
        row = self._classes.get((kernel, words, class_of(lengths)))
        return None if row is None else (row, f"shapes like these: {'x'.join(map(str, row.lengths))}")


def class_of(lengths: Sequence[int]) -> tuple[int, ...]:
    """Lengths rounded up to powers of two: calls of one class share a choice where their own was not measured."""
    return tuple(1 << (n - 1).bit_length() if n > 0 else 0 for n in lengths)


# what serves a call


def choice(kernel: Kernel, call: Call) -> Choice:
    """The choice that serves a call of a tunable kernel."""
    return found(kernel, call)[0]


def found(kernel: Kernel, call: Call) -> tuple[Choice, str]:
    """The same, and where it comes from, in words."""
    its = kernel.tunable
    assert its is not None
    computed = its.default(call)
    if call.settings.tune == "off":
        return computed, f"computed; {config.origin('tune')}=off"
    for table, exact in _tables(call.device):
        got = table.find((kernel.name, *its.shape(call)))
        if got is None:
            continue
        row, which = got
        if not row.done or (exact and row.source != source(kernel)):
            continue
        if row.choice == row.default:
            return computed, f"computed; no other was faster as {table.where}, {which}"
        if row.choice in its.choices(call):
            return row.choice, f"{table.where}, {which}"
    return computed, "computed"


def told(kernel: Kernel, call: Call) -> str | None:
    """A line about the choice that serves a call; None for a kernel of which nothing is chosen."""
    if kernel.tunable is None:
        return None
    numbers, where = found(kernel, call)
    return f"{named(kernel, call, numbers)}: {where}"


def named(kernel: Kernel, call: Call, numbers: Choice) -> str:
    """A choice in words."""
    assert kernel.tunable is not None
    return " ".join(f"{name}={n}" for name, n in zip(kernel.tunable.names(call), numbers, strict=True))


def product(call: Call) -> tuple[str, tuple[int, ...]]:
    """The shape (`Tunable.shape`) of a matrix product: dtypes, the order of both operands in memory and the epilogue's
    operands; the lengths are those of the batch, m, n and k."""
    (a, b, *extras), (*batch, m, n) = call.inputs, call.outputs[0].shape
    orders = ["rows" if x.strides[-1] == 1 else "columns" if x.strides[-2] == 1 else "apart" for x in (a, b)]
    finish = "" if call.params.epilogue is None else f" finished with {len(extras)}"
    words = f"{a.dtype} to {call.outputs[0].dtype} {' '.join(orders)}{finish}"
    return words, (prod(batch), m, n, a.shape[-1])


@cache
def source(kernel: Kernel) -> str:
    """A digest of a kernel's source, of all its files."""
    text = [file.read_bytes() for file in source_files(kernel)]
    return hashlib.sha256(b"\0".join(text)).hexdigest()[:16]


def source_files(kernel: Kernel) -> list[Path]:
    """The files that a kernel's code is made of, in order: its own; the module that prepares it, and those of its
    package that this one imports, and so on; the files beside them that they name by their stems, as text; and, where
    one of them prints scalar functions, all of `accel.scalar`."""
    module = sys.modules.get(getattr(kernel.prepare, "__module__", ""))
    own = [Path(folder) / kernel.source for folder in importlib.import_module("accel.kernels").__path__]
    found = {file.resolve() for file in own if file.is_file()}
    left = [] if module is None or module.__file__ is None else [(module.__name__, Path(module.__file__).resolve())]
    root = Path(left[0][1]).parent if left else Path()
    package = module.__name__.rpartition(".")[0] if left and module is not None else ""
    while left:
        name, file = left.pop()
        if file in found:
            continue
        found.add(file)
        tree = ast.parse(file.read_bytes())
        texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is str}
        found |= {its for its in file.parent.iterdir() if its.stem in texts and its.suffix not in (".py", "")}
        imported = _imported(tree, name if file.stem == "__init__" else name.rpartition(".")[0])
        left += [(each, its) for each in imported for its in _module_files(each, package, root)]
        if any(f"{each}.".startswith("accel.scalar.") for each in imported):
            found |= set((Path(__file__).resolve().parent / "scalar").glob("*.py"))
    return sorted(found)


def _imported(tree: ast.Module, package: str) -> set[str]:
    """The names that a module of a package imports; of those from another module it may be that it is one, too."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: 1 - node.level or None] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return names


def _module_files(name: str, package: str, root: Path) -> list[Path]:
    """The file of a module of a package that lies at root; none for another name."""
    if not name.startswith(f"{package}."):
        return []
    at = root.joinpath(*name[len(package) + 1 :].split("."))
    return [file for file in (at.with_suffix(".py"), at / "__init__.py") if file.is_file()]


# tables

_read: dict[tuple[Any, ...], list[tuple[Table, bool]]] = {}


def forget() -> None:
    """Reads the tables again at the next call whose plan is made."""
    _read.clear()


def _tables(device: Device) -> list[tuple[Table, bool]]:
    """A device's tables, in the order in which they are asked, and whether each is of this very device."""
    key = (device.backend, device.architecture, device.identity(), config.current().cache_dir)
    if key not in _read:
        tables = []
        if rows := of_the_user(device.identity()):
            tables.append((Table(rows, "measured on this device"), True))
        if rows := shipped(device):
            tables.append((Table(rows, f"shipped for {device.architecture}"), False))
        _read[key] = tables
    return _read[key]


def file_name(identity: Sequence[str]) -> str:
    """The name of the user's table of an exact device (`Device.identity`)."""
    return f"{hashlib.sha256(json.dumps(list(identity)).encode()).hexdigest()[:24]}.json"


def of_the_user(identity: Sequence[str]) -> list[Row]:
    """The rows that were measured on an exact device; none where there is no table, or no good one, of which it
    warns."""
    if not identity:
        return []
    data = cache_folder.read(FOLDER, file_name(identity), lambda data: True)
    try:
        return [] if data is None else rows_of(data, list(identity))
    except ValueError as error:
        _warn(f"tuning results in the cache folder are not used, {FOLDER}/{file_name(identity)}: {error}")
        return []


def shipped(device: Device) -> list[Row]:
    """The rows that ship for a device's architecture."""
    if not device.architecture:
        return []
    package = importlib.import_module(registry.backend(device.backend).kernels)
    file = Path(next(iter(package.__path__))) / FOLDER / f"{device.architecture}.json"
    try:
        return rows_of(file.read_bytes(), None)
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        _warn(f"the shipped tuning results {file.name} are not used: {error}")
        return []


def rows_of(data: bytes, identity: list[str] | None) -> list[Row]:
    """The rows of a table. identity: of the device that it must be of. Raises ValueError for anything else."""
    try:
        table = json.loads(data)
    except ValueError as error:
        raise ValueError(f"it is no JSON ({error})") from None
    if not isinstance(table, dict) or table.get("schema") != SCHEMA:
        raise ValueError(f"it is no table of schema {SCHEMA}")
    if table.get("bit_contract") != BIT_CONTRACT:
        raise ValueError(f"it is of bit contract {shown(table.get('bit_contract'))}, and this is {BIT_CONTRACT}")
    if identity is not None and table.get("identity") != identity:
        raise ValueError(f"it is of another device, driver or compiler: {shown(table.get('identity'))}")
    if not isinstance(table.get("rows"), list):
        raise ValueError("it has no list of rows")
    return [Row.from_json(record) for record in table["rows"]]


def keep(identity: Sequence[str], rows: Iterable[Row]) -> Path:
    """Adds rows to the user's table of an exact device, in the place of those of the same shapes; returns its path.
    Raises OSError where it can be written nowhere."""
    kept = {row.shape: row for row in (*of_the_user(identity), *rows)}
    name = file_name(identity)
    return cache_folder.keep(FOLDER, {name: _table({"identity": list(identity)}, kept.values())}) / name


def exported(architecture: str, identity: Sequence[str], rows: Iterable[Row]) -> bytes:
    """A table to ship for an architecture: the rows whose choice is not the computed one."""
    head = {"architecture": architecture, "measured_on": list(identity)}
    return _table(head, (row for row in rows if row.choice != row.default))


def _table(head: dict[str, Any], rows: Iterable[Row]) -> bytes:
    made = {"schema": SCHEMA, "bit_contract": BIT_CONTRACT, **head, "rows": [row.to_json() for row in rows]}
    lines = json.dumps(made | {"rows": []}, indent=1)
    body = ",\n".join(f"  {json.dumps(row)}" for row in made["rows"])
    return (lines.replace('"rows": []', f'"rows": [\n{body}\n ]' if body else '"rows": []') + "\n").encode()


def _warn(message: str) -> None:
    warn(f"accel: {message}; accel tune measures again", RuntimeWarning)
