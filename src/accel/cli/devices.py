"""``accel devices``: every device that can be used, how it is chosen, and which one is the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..backends.base import Device

SELECTION = {
    "automatic": "automatically",
    "listed": "when its backend alone is listed, or by name",
    "named": "by name only",
}
"""How a device comes to be used (`accel.backends.base.Device.selection`)."""


MAKERS = {"Intel": ("intel",), "NVIDIA": ("nvidia",), "AMD": ("amd", "advanced micro devices")}
"""How drivers spell the vendors of `machine.VENDORS`."""


def describe(device: Device) -> dict[str, Any]:
    """A device as a row of JSON."""
    return {
        "name": str(device),
        "backend": device.backend,
        "kind": device.kind,
        "description": device.description,
        "vendor": device.vendor,
        "memory_bytes": device.memory,
        "selection": device.selection,
        "details": dict(device.details),
    }


def collect() -> dict[str, Any]:
    """All devices, the default one or why there is none, the backends that cannot be used, and GPUs on the PCI bus of
    vendors of which no device is a GPU."""
    from .. import registry
    from ..devices import default_device, devices
    from ..errors import AccelError
    from . import machine

    try:
        default, error = str(default_device()), None
    except AccelError as refusal:
        default, error = None, str(refusal)
    rows = [describe(device) | {"default": str(device) == default} for device in devices()]
    reasons = {name: registry.unavailable(name) for name in registry.backend_names()}
    missing = [{"backend": name, "reason": reason} for name, reason in reasons.items() if reason is not None]
    makers = " ".join(f"{row['vendor']} {row['description']}" for row in rows if row["kind"] == "gpu").lower()
    unused = [gpu for gpu in machine.gpus() if not any(word in makers for word in MAKERS[gpu["vendor"]])]
    return {
        "default": default,
        "default_error": error,
        "devices": rows,
        "unavailable": missing,
        "unused_gpus": unused,
    }


@click.command(short_help="Every device, and which one is the default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> int:
    """Every device of every backend that can be used, and why each other backend cannot.

    The default device is marked with a star. Exit code 2 where the settings leave no default device.
    """
    from . import console

    report = collect()
    if as_json:
        console.print_json(report)
    else:
        _print(report)
    if report["default_error"] is not None:
        console.say(f"accel: error: {report['default_error']}", stderr=True)
    return 0 if report["default_error"] is None else 2


def _print(report: dict[str, Any]) -> None:
    from . import console

    rows = report["devices"]
    console.table(
        ("", "device", "kind", "description", "memory", "used"),
        [
            (
                "*" if row["default"] else "",
                row["name"],
                row["kind"],
                row["description"],
                console.memory(row["memory_bytes"]),
                SELECTION.get(row["selection"], row["selection"]),
            )
            for row in rows
        ],
        {number: console.GOOD for number, row in enumerate(rows) if row["default"]},
    )
    for row in rows:
        if row["details"]:
            details = "; ".join(f"{key}: {value}" for key, value in row["details"].items())
            console.say(f"{row['name']}: {details}")
    for row in report["unavailable"]:
        console.say(f"backend {row['backend']} cannot be used: {row['reason']}", style=console.WARN)
    for gpu in report["unused_gpus"]:
        console.say(f"no device uses the {gpu['vendor']} GPU {gpu['pci']} on the PCI bus", style=console.WARN)
    if report["unavailable"] or report["unused_gpus"]:
        console.say("accel doctor says what fixes it")
