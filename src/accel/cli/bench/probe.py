"""``accel bench probe``: what a device reaches at most, measured."""

from __future__ import annotations

from typing import Any

import click

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


@click.command(short_help="What a device reaches at most, measured.")
@click.option("--device", "name", default=None, metavar="NAME", help="Device. [default: accel's default device]")
@click.option("--quick", is_flag=True, help="Fewer samples, and no sustained run of 30 s.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the probes as in a result file.")
def command(name: str | None, quick: bool, as_json: bool) -> int:
    """Measures memory bandwidth by working set, arithmetic by dtype, launches, copies and sustained load.

    Bandwidth, arithmetic and copies are the best of their samples, latencies and rates of launches the median. Exit
    code 0, or 2 for a device that cannot be used or computes nothing of its own.
    """
    from ...bench.machine import probes
    from ...devices import default_device
    from ...devices import device as find
    from .. import console

    device = default_device() if name is None else find(name)
    if device.kind not in probes.COMPUTING:
        raise click.BadParameter(
            f"{device} is of the kind {device.kind} and has no limits of its own; expected a device of the kinds "
            f"{', '.join(probes.COMPUTING)} (accel devices lists them)",
            param_hint="--device",
        )
    with console.progress(f"{device}") as advance:
        records = probes.run(device, lambda record: advance(record["id"]), quick)
    if as_json:
        console.print_json({"probe_version": probes.PROBE_VERSION, "device": str(device), "probes": records})
        return 0
    _print(device, records)
    return 0


def _print(device: Any, records: list[dict[str, Any]]) -> None:
    from ...bench.machine import head
    from .. import console

    about = head.about(device)
    also = [f"{about['threads']} threads", about["isa"]] if about["isa"] else []
    console.say("; ".join([f"{device}: {about['description']}", *also]), style="bold")
    console.table(
        ("probe", "value", "samples", "by", "note"),
        [
            (r["id"], quantity(r["value"], r["unit"]), _range(r["samples"], r["unit"]), r["how"] or "", r["note"] or "")
            for r in records
        ],
        {number: console.WARN for number, record in enumerate(records) if record["value"] is None},
    )


def _range(samples: list[float], unit: str) -> str:
    return f"{len(samples)}: {quantity(min(samples), unit)} to {quantity(max(samples), unit)}" if samples else ""


def quantity(value: float | None, unit: str) -> str:
    """A value for people: three digits, a prefix, the unit (none for a ratio)."""
    if value is None:
        return "refused"
    if unit == "1":
        return f"{value:.3f}"
    scale, prefix = next(((s, p) for s, p in PREFIXES if abs(value) >= s * 0.9995), PREFIXES[-1])
    digits = max(0, 3 - len(str(int(abs(value / scale)))))
    return f"{value / scale:.{digits}f} {prefix}{unit.removeprefix('1')}"
