"""``accel bench compare``: is B faster or slower than A, beyond noise, and did both compute the same bits?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .files import FILE, Incompatible, load

if TYPE_CHECKING:
    from ...bench.result.compare import Comparison, Row

STYLES = {"slower": "bold red", "lost": "bold red", "faster": "green", "gained": "green", "ambiguous": "yellow"}


class Share(click.ParamType):
    """A share such as 5% or 0.05, above 0 and up to 10."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = 0.0
        if not 0 < share <= (10 if text.endswith("%") else 1):
            self.fail(f"{value!r}: expected a share such as 5% or 0.05", param, ctx)
        return share


class Failures(click.ParamType):
    """A comma list of slow, incorrect and fallback, or none."""

    name = "list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        from ...bench.result.compare import FAILURES

        words = tuple(word.strip() for word in str(value).split(","))
        if words == ("none",):
            return ()
        for word in words:
            if word not in FAILURES:
                self.fail(f"{word!r}: expected some of {', '.join(FAILURES)}, or none", param, ctx)
        return words


@click.command(short_help="Is B faster or slower than A, beyond noise?")
@click.argument("a", type=FILE)
@click.argument("b", type=FILE)
@click.option("--normalise", default="none", show_default=True, type=click.Choice(["roof", "none"]),
              help="roof: compare each with its own measured limits.")  # fmt: skip
@click.option(
    "--threshold", default="5%", show_default=True, type=Share(), metavar="SHARE", help="Smallest change that matters."
)
@click.option("--strict", is_flag=True, help="Incomplete files, cases in one file only and ambiguous verdicts fail.")
@click.option("--fail-on", default="incorrect", show_default=True, type=Failures(), metavar="LIST",
              help="What fails: slow, incorrect, fallback, or none.")  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="List the cases that are the same too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    a: Path,
    b: Path,
    normalise: str,
    threshold: float,
    strict: bool,
    fail_on: tuple[str, ...],
    everything: bool,
    as_json: bool,
) -> int:
    """Compares two result files case by case: slower, faster, same or ambiguous, from the samples of both and the
    variation between runs; and the hashes of results that are promised to be equal to the bit.

    Exit code 0 if nothing fails; 1 incorrect results or different bits in B, 3 slower, 5 fallback (as --fail-on says);
    2 no case in common; 4 incomplete, 7 ambiguous (with --strict); 6 files that cannot be compared.
    """
    from ...bench.result import compare
    from ...bench.result import file as result
    from .. import console

    records = load(a), load(b)
    try:
        found = compare.compare(*records, threshold, normalise == "roof")
    except result.IncompatibleError as error:
        raise Incompatible(f"{a} and {b}: {error}") from None
    if not found.rows:
        raise click.UsageError(f"{a} and {b} have no case in common: {len(found.only_a)} and {len(found.only_b)} cases")
    failures = found.failures(fail_on, strict)
    code = failures[0][0] if failures else 0
    if as_json:
        heads = {name: _head(record) for name, record in zip("ab", records, strict=True)}
        reasons = [{"code": number, "reason": reason} for number, reason in failures]
        console.print_json({"files": heads, **found.to_json(), "failures": reasons, "exit_code": code})
        return code
    for name, path, record in zip("AB", (a, b), records, strict=True):
        console.say(f"{name}  {path}: {', '.join(str(v) for v in _head(record).values() if v is not None)}")
    show(found, everything)
    for _, reason in failures:
        console.say(f"fails: {reason}", style=console.BAD)
    if not failures:
        console.say("Nothing fails.", style=console.GOOD)
    return code


def _head(record: dict[str, Any]) -> dict[str, Any]:
    """What tells one file from another."""
    device, accel = record["device"], record["accel"]
    return {
        "device": f"{device['name']} ({device['description']})",
        "isa": device["isa"],
        "accel": f"accel {accel['version']}" + (f" {accel['commit'][:12]}" if accel["commit"] else ""),
        "suite": f"suite {record['suite']['name']} {record['suite']['version']}",
        "started": record["run"]["started"],
    }


def show(found: Comparison, everything: bool) -> None:
    """The rows that are not simply the same, what is in one file only, and the summary."""
    from .. import console

    for text in found.notes:
        console.say(f"note: {text}", style=console.WARN)
    order = ("lost", "no verdict", "slower", "faster", "ambiguous", "gained", "same")
    rows = sorted(found.rows, key=lambda row: (order.index(row.kind), -(row.verdict.ratio if row.verdict else 0)))
    listed = [row for row in rows if everything or row.kind != "same" or row.bits == "different"]
    if listed:
        unit = "of limit" if found.normalised else "time"
        console.table(
            ("case", f"A {unit}", f"B {unit}", "ratio", "interval", "verdict", "bits", "notes"),
            [_cells(row, found.normalised) for row in listed],
            {n: console.BAD if r.bits == "different" else STYLES.get(r.kind, "") for n, r in enumerate(listed)},
        )
    if len(listed) < len(rows):
        console.say(f"not listed: {len(rows) - len(listed)} cases that are the same (--all lists them)")
    for name, apart in (("A", found.only_a), ("B", found.only_b)):
        for case, status in apart:
            console.say(f"only in {name}: {case}: {status}", style=console.WARN)
    for text in summary(found):
        console.say(text)


def _cells(row: Row, normalised: bool) -> tuple[str, ...]:
    from ...bench.cpu.report import time

    times = ["-" if t is None else f"{t:.1%}" if normalised else time(t) for t in row.times]
    notes = [row.why or "", *(f"{name}: {', '.join(f)}" for name, f in zip("AB", row.flags, strict=True) if f)]
    ratio, interval = "-", "-"
    if row.verdict is not None:
        ratio, interval = f"{row.verdict.ratio:.3f}", f"{row.verdict.low:.3f} to {row.verdict.high:.3f}"
    bits = row.bits if row.bits != "not compared" else f"not compared: {row.bits_why}"
    return (row.id, *times, ratio, interval, row.kind, bits, "; ".join(filter(None, notes)))


def summary(found: Comparison) -> list[str]:
    """The comparison in a few lines."""
    s = found.summary()
    bits = s["bits"]
    of = f"{s['slower']} slower, {s['faster']} faster, {s['same']} same, {s['ambiguous']} ambiguous"
    more = "".join(f", {s[k]} {k.replace('_', ' ')}" for k in ("lost", "gained", "no_verdict") if s[k])
    lines = [
        f"{s['rows']} cases in both files, {s['only_a']} in A only, {s['only_b']} in B only: {of}{more}",
        f"bits: {bits['equal']} equal, {bits['different']} different, {bits['not_compared']} not compared",
    ]
    if s["mean_ratio"] is not None:
        unit = "time over own limit" if found.normalised else "time"
        lines += [
            f"{unit} of B over A: geometric mean {s['mean_ratio']:.3f}, "
            f"worst {s['worst']['ratio']:.3f} ({s['worst']['id']}), best {s['best']['ratio']:.3f} ({s['best']['id']}); "
            f"{s['share_slower']:.0%} of cases more than {100 * found.threshold:.3g}% slower",
            f"verdicts allow for a variation between runs of {found.between_runs:.1%}",
        ]
    return lines
