"""The result file: reading, checking and writing one. `schema.json` is its form; what a schema cannot say is here."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from math import isclose, isfinite
from pathlib import Path
from statistics import median
from typing import Any

from ...errors import AccelError, ArgumentError
from ...packages import remedy
from ...written import write_whole
from .statistics import joint_interval

SCHEMA = "accel-bench/1"

TIMED = ("PASS", "FALLBACK", "SUSPECT", "MISTRUSTED")
"""Statuses of cases that have samples."""

INCORRECT = ("INCORRECT", "CRASH", "MISTRUSTED")
"""Statuses that say that a result is wrong, was not delivered, or is not known to be right."""

MAX_SHARE = 1.05
"""Share of its measured limit above which a case is SUSPECT: no measurement is, so the limit or the time is wrong."""

SORTED_CASES, SORTED_SAMPLES = 3, 8
"""Samples are taken for sorted, which loses their order in time, where at least so many cases with so many samples
each ascend without exception, and so do more than half of all such cases."""

PATH = re.compile(
    r"""^[/~]|^[A-Za-z]:[\\/]|/home/|\\Users\\|/Users/
    |(?:(?<=[\s"'(=,;\[<])|(?<=\w:))/(?![/\s])[\w.~+-]+/  # an absolute path of two parts within a text, not a URL
    """,
    re.VERBOSE,
)
"""What looks like a path of the machine that measured."""

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters but for tabs and ends of lines."""

Record = dict[str, Any]


class IncompatibleError(ArgumentError):
    """A file of another kind or another version of the schema, or files that cannot be compared."""


@cache
def schema() -> dict[str, Any]:
    """The published JSON Schema."""
    return json.loads(Path(__file__).parents[1].joinpath("schema.json").read_text(encoding="utf-8"))


def load(path: str | Path) -> Record:
    """The record of a valid result file.

    Raises ArgumentError, which names the file, where it cannot be read, is not JSON or has problems; IncompatibleError
    where it is JSON but not of this schema; AccelError where jsonschema is not installed.
    """
    record = read(path)
    found = problems(record)
    if found:
        more = f"; and {len(found) - 3} more (accel bench validate lists them)" if len(found) > 3 else ""
        raise ArgumentError(f"{path}: not a valid result file: {'; '.join(found[:3])}{more}")
    return record


def read(path: str | Path) -> Record:
    """The record of a file that says that it has this schema, which is not checked. Raises as `load`."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ArgumentError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{path}: not a text in UTF-8: {error.reason} at byte {error.start}") from None
    try:
        record = json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_integer)
        if "\\ud" in text.lower():  # half of a surrogate pair is no text, and could not be written again
            json.dumps(record, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        where = "it ends in the middle; " if _truncated(error, text) else ""
        raise ArgumentError(f"{path}: not JSON: {where}{error}") from None
    named = record.get("schema") if isinstance(record, dict) else None
    if named != SCHEMA:
        what = f"schema {named!r}" if named is not None else "no schema"
        raise IncompatibleError(f"{path}: {what}, expected {SCHEMA!r}: not a result file that this version reads")
    return record


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a number that a result file may have")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if isfinite(number) else _refuse(digits)


def _integer(digits: str) -> int:
    number = int(digits) if len(digits) <= 20 else _refuse(f"{digits[:20]}…")
    return number if abs(number) < 2**64 else _refuse(digits)


def _truncated(error: Exception, text: str) -> bool:
    return isinstance(error, json.JSONDecodeError) and (
        error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
    )


def save(path: str | Path, record: Record) -> None:
    """Writes a record whole or not at all: a reader never sees a half, and a crash leaves the old file.

    Raises ArgumentError where it cannot be written, ValueError for a NaN or infinity, which JSON does not have.
    """
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, text)


def problems(record: Record) -> list[str]:
    """What is wrong with a record, each with the place; nothing where it is valid. Where the form is wrong, only that.

    Raises AccelError where jsonschema is not installed.
    """
    try:
        import jsonschema
    except ImportError as error:
        raise AccelError(f"result files are checked by jsonschema: {remedy('bench', 'jsonschema')} ({error})") from None
    found = [f"{_place(e.absolute_path)}: {_message(e)}" for e in _validator(jsonschema).iter_errors(record)]
    return found or [text for check in CHECKS for text in check(record)]


@cache
def _validator(jsonschema: Any) -> Any:
    """Its rule for items, but that an array of plain numbers is looked at as a whole: a file has very many samples."""
    base = jsonschema.Draft202012Validator
    least, most = (schema()["$defs"]["seconds"][name] for name in ("minimum", "maximum"))

    def items(validator: Any, rule: Any, instance: Any, parent: Any) -> Iterator[Any]:
        plain = rule.get("$ref") == "#/$defs/seconds" and isinstance(instance, list)
        if plain and all(type(x) is float and least <= x <= most for x in instance):
            return
        yield from base.VALIDATORS["items"](validator, rule, instance, parent)

    return jsonschema.validators.extend(base, {"items": items})(schema())


def _place(steps: Any) -> str:
    return "".join(f"[{s}]" if isinstance(s, int) else f".{_shown(s)}" for s in steps).lstrip(".") or "the file"


def _shown(text: str) -> str:
    """A text of a file that nobody has checked: it must not steer the terminal."""
    return text if text.isprintable() else repr(text)


def _message(error: Any) -> str:
    return error.message if len(error.message) <= 200 else error.message[:200] + "…"


def _unique(record: Record) -> Iterator[str]:
    """Ids name one thing each."""
    for rows in ("probes", "cases"):
        for name, count in Counter(row["id"] for row in record[rows]).items():
            if count > 1:
                yield f"{rows}: the id {name!r} is used {count} times"


def _complete(record: Record) -> Iterator[str]:
    """A complete run has every case, and no run has more."""
    there, asked = len(record["cases"]), record["suite"]["cases"]
    if record["run"]["complete"] and there != asked:
        yield f"run.complete: true, but {there} of the suite's {asked} cases are there"
    elif there > asked:
        yield f"cases: {there}, but the suite has {asked}"


def _case_by_case(record: Record) -> Iterator[str]:
    probes = {probe["id"] for probe in record["probes"]}
    for number, case in enumerate(record["cases"]):
        for text in (*_timing(case), *_outcome(case), *_roof(case, probes)):
            yield f"cases[{number}] ({_shown(case['id'])}): {text}"


def _timing(case: Record) -> Iterator[str]:
    """Samples are there where the status says so, and the median and its interval are theirs."""
    samples, timed = case["samples_s"], case["status"] in TIMED
    if timed and not samples:
        yield f"samples_s: none, but {case['status']} is timed"
    elif samples and not timed:
        yield f"samples_s: {len(samples)} of them, but {case['status']} is not timed"
    yield from _agreement("", case["median_s"], samples)
    if sum(case.get("processes", [len(samples)])) != len(samples):
        yield f"processes: {case['processes']}, but there are {len(samples)} samples"
    elif not samples and case["interval_s"] is not None:
        yield "interval_s: there, but there are no samples"
    elif samples and not _close(case["interval_s"] or (), found := joint_interval(by_process(case))):
        yield f"interval_s: {case['interval_s']}, but that of the samples is {list(found)}"
    for name, peer in case["baselines"].items():
        yield from _agreement(f"baselines.{name}.", peer["median_s"], peer["samples_s"])


def _agreement(place: str, middle: float | None, samples: list[float]) -> Iterator[str]:
    if not samples and middle is not None:
        yield f"{place}median_s: {middle}, but there are no samples"
    elif samples and (middle is None or not _close([middle], [median(samples)])):
        yield f"{place}median_s: {middle}, but that of the samples is {median(samples)}"


def _close(a: Any, b: Any) -> bool:
    return len(a) == len(b) and all(isclose(x, y, rel_tol=1e-9) for x, y in zip(a, b, strict=True))


def _outcome(case: Record) -> Iterator[str]:
    """Status, path, class, hash, detail and energy do not contradict each other."""
    status, promised = case["status"], case["class"]
    if status == "PASS" and promised in ("exact", "bits") and case["hash"] is None:
        yield f"hash: null, but the class is {promised} and the status PASS"
    if promised not in ("exact", "bits") and case["hash"] is not None:
        yield f"hash: there, but the class is {promised or 'null'}, which promises no bits"
    if (status == "FALLBACK") != (case["path"] == "fallback") and status in ("PASS", "FALLBACK", "SUSPECT"):
        yield f"status: {status}, but the path is {case['path'] or 'null'}"
    if status in ("UNSUPPORTED", "CRASH") and not case["detail"]:
        yield f"detail: empty, but {status} needs one"
    energy = case["energy"]
    if energy is not None and (energy["joules"] is None) != (energy["reason"] is not None):
        yield "energy: needs either joules or a reason why there are none"
    if energy is not None and energy["joules"] is not None and None in (energy["source"], energy["window_s"]):
        yield "energy: joules without their source or window_s"


def _roof(case: Record, probes: set[str]) -> Iterator[str]:
    """A roof is one of the probes, its share is that of the median, and no share above 1.05 passes."""
    roof = case["roof"]
    share = roof["share"] if roof is not None else None
    if case["status"] == "SUSPECT" and (share is None or share <= MAX_SHARE):
        yield f"status: SUSPECT, but the share of the roof is {share}"
    if roof is None:
        return
    if roof["probe"] not in probes:
        yield f"roof.probe: {roof['probe']!r} is none of the probes"
    if (share is None) != (case["median_s"] is None):
        yield f"roof.share: {share}, but median_s is {case['median_s']}"
    elif share is not None and not isclose(share, roof["seconds"] / case["median_s"], rel_tol=5e-3):
        yield f"roof.share: {share}, but seconds over the median is {roof['seconds'] / case['median_s']:.4g}"
    if case["status"] == "PASS" and share is not None and share > MAX_SHARE:
        yield f"status: PASS with {share:.3g} of its roof, which is SUSPECT above {MAX_SHARE:g}"


def _in_time(record: Record) -> Iterator[str]:
    """Samples lie in the order in which they were taken."""
    many = [case["samples_s"] for case in record["cases"] if len(case["samples_s"]) >= SORTED_SAMPLES]
    ascending = sum(s[0] < s[-1] and all(x <= y for x, y in pairwise(s)) for s in many)
    if ascending >= SORTED_CASES and 2 * ascending > len(many):
        yield f"samples_s: sorted in {ascending} of {len(many)} cases; they belong in the order of their time"


def _texts(record: Record) -> Iterator[str]:
    """Nothing tells where on the machine something lies, and nothing steers the terminal that shows it."""
    stack: list[tuple[tuple[Any, ...], Any]] = [((), record)]
    while stack:
        place, value = stack.pop()
        if isinstance(value, dict):
            for key, inner in value.items():
                stack += [((*place, "a name"), key), ((*place, key), inner)]
        elif isinstance(value, list):
            stack += [((*place, number), inner) for number, inner in enumerate(value) if not isinstance(inner, float)]
        elif isinstance(value, str) and PATH.search(value):
            yield f"{_place(place)}: {value!r} looks like a path, which a result file must not have"
        elif isinstance(value, str) and CONTROL.search(value):
            yield f"{_place(place)}: {value!r} has a control character"


CHECKS: tuple[Callable[[Record], Iterator[str]], ...] = (_unique, _complete, _case_by_case, _in_time, _texts)
"""What is checked of a record whose form is right."""


def work(case: Record) -> tuple[Any, ...]:
    """What a case computes: cases of two files are compared where this is equal."""
    return (case["op"], case["dtype"], json.dumps([case["operands"], case["keywords"]], sort_keys=True), case["cache"])


def by_process(case: Record) -> list[list[float]]:
    """The samples of each process that timed a case."""
    samples, found, at = case["samples_s"], [], 0
    for count in case.get("processes", [len(samples)]):
        found.append(samples[at : at + count])
        at += count
    return found


def same_device(a: Record, b: Record) -> bool:
    """Whether two records tell of one kind of device under one backend."""
    return device(a) == device(b)


def device(record: Record) -> tuple[str, str | None, str]:
    """What a device is to those who compare runs: its description, instruction set or architecture, and backend."""
    return record["device"]["description"], record["device"]["isa"], record["device"]["backend"]
