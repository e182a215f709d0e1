"""``accel conform``: the conformance kit on one device, every op and dtype against the bit contract and the bounds."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..testing.conform import Report, Row

STATUSES = {
    "pass": "native",
    "compiled": "compiled",
    "decomposition": "decomposed",
    "fallback": "on the cpu",
    "unsupported": "unsupported",
    "known": "known failure",
    "fail": "failed",
}
"""Column titles of the statuses of `accel.testing.conform.Row`."""


def choose(backend: str | None, device: str | None) -> str:
    """The name of the one device to run on. Raises AccelError where neither or both are named, or nothing fits."""
    from .. import registry
    from ..devices import device as device_of
    from ..errors import ArgumentError, DeviceError

    if (backend is None) == (device is None):
        raise ArgumentError("conform: name what to test: --backend NAME or --device NAME, not both")
    if device is not None:
        return str(device_of(device))
    found = registry.backend(backend).devices()
    for selection in ("automatic", "listed"):
        for each in found:
            if each.selection == selection:
                return str(each)
    names = ", ".join(map(str, found)) or "none"
    raise DeviceError(f"--backend {backend}: its devices are used by name only; name one with --device: {names}")


@click.command(short_help="Is a backend right? Every op and dtype.")
@click.option("--backend", default=None, help="Test the device of this backend that is used without being named.")
@click.option("--device", default=None, help="Test this device.")
@click.option("--op", "ops", multiple=True, help="Only this op (may be repeated).")
@click.option("--dtype", "dtypes", multiple=True, help="Only this dtype (may be repeated).")
@click.option(
    "--examples",
    default=20,
    show_default=True,
    type=click.IntRange(1),
    help="Drawn examples per op and dtype, beside the fixed ones at the edges of the contract.",
)
@click.option("--example", type=click.IntRange(0), help="Only the example of this number, as a failure names it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    backend: str | None,
    device: str | None,
    ops: tuple[str, ...],
    dtypes: tuple[str, ...],
    examples: int,
    example: int | None,
    as_json: bool,
) -> int:
    """Runs every op with every dtype on a device; compares bits with the canonical algorithms, errors with bounds.

    The examples are the same at each run. Exit code 0 if nothing fails, else 1.
    """
    from ..testing import conform
    from . import console, machine

    name = choose(backend, device)
    chosen, wanted = list(ops) or None, list(dtypes) or None
    with console.progress(f"accel conform {name}", len(conform.cases(chosen, wanted))) as step:

        def on_result(row: Row) -> None:
            if row.dtype != "-":  # not a row of the contract, which the total does not count
                step(f"{row.op} {row.dtype}")

        report = conform.run(name, chosen, examples, on_result, wanted, example)
    if as_json:
        rows = [asdict(row) for row in report.rows]
        console.print_json(
            {
                "device": report.device,
                "bit_contract": report.bit_contract,
                "examples": examples,
                "largest_edge": report.most,
                "passed": report.passed,
                "rows": rows,
                "versions": machine.versions(),
            }
        )
    else:
        show(report)
    return 0 if report.passed else 1


def show(report: Report) -> None:
    """One line per op with the number of dtypes of each status, each row that is not simply right, and the verdict."""
    from . import console

    by_op: dict[str, list[Row]] = {}
    for row in report.rows:
        by_op.setdefault(row.op, []).append(row)
    used = [status for status in STATUSES if any(row.status == status for row in report.rows)]
    table = []
    for op, rows in by_op.items():
        counts = [sum(row.status == status for row in rows) for status in used]
        worst = max(row.error for row in rows)
        table.append((op, *(str(n) if n else "" for n in counts), f"{worst:.3f}" if worst else ""))
    bad = {n: console.BAD for n, rows in enumerate(by_op.values()) if any(row.status == "fail" for row in rows)}
    console.say(f"{report.device}: dtypes per op, by how they are served; largest error over its bound")
    console.table(("op", *(STATUSES[status] for status in used), "error/bound"), table, bad)
    for row in report.rows:
        if row.status in ("unsupported", "known", "fail"):
            style = console.BAD if row.status == "fail" else console.WARN
            told = row.detail.replace("\n", "\n  ")
            console.say(f"{STATUSES[row.status]}: {row.op} {row.dtype}: {told}", style=style)
    if report.most is not None:
        console.say(f"The device interprets its kernels: edges of more than {report.most} elements were left out.")
    counts = ", ".join(f"{sum(row.status == s for row in report.rows)} {STATUSES[s]}" for s in used)
    verdict = "conforms to" if report.passed else "does NOT conform to"
    console.say(
        f"{report.device} {verdict} bit contract {report.bit_contract}: {counts}.",
        style=console.GOOD if report.passed else console.BAD,
    )
