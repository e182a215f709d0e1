"""The text of `accel doctor`, from its report."""

from __future__ import annotations

from typing import Any

from .console import BAD, GOOD, WARN, heading, memory, say, table
from .devices import SELECTION

STYLES = {"equal": GOOD, "differs": BAD, "failed": BAD}


def show(report: dict[str, Any]) -> None:
    """Prints the report."""
    say("accel doctor", style="bold")
    for row in report["backends"]:
        _backend(row)
    _default(report["default"])
    _machine(report)
    _settings(report)
    heading("versions")
    table(("what", "version"), [(k, v or "not installed") for k, v in report["versions"].items()])
    for row in report["backends"]:
        if row["versions"]:
            say(f"{row['name']}: " + "; ".join(f"{k} {v}" for k, v in row["versions"].items()))
    say("")
    if report["healthy"]:
        say(f"The default device, {report['default']['device']}, works.", style=GOOD)
    else:
        say("The default device does not work: see above.", style=BAD)


def _backend(row: dict[str, Any]) -> None:
    usable = row["state"] == "usable"
    heading(f"backend {row['name']}: {'usable' if usable else 'cannot be used'}")
    say(row["summary"])
    if row["reason"]:
        say(f"why: {row['reason']}", style=WARN)
    if row["without_gpu"]:
        say(f"why no GPU: {row['without_gpu']}", style=WARN)
    if row["devices"]:
        table(
            ("device", "kind", "description", "memory", "used", "64x64 matmul"),
            [
                (
                    d["name"],
                    d["kind"],
                    d["description"],
                    memory(d["memory_bytes"]),
                    SELECTION.get(d["selection"], d["selection"]),
                    d["check"]["detail"] + (f" ({d['check']['runs']})" if d["check"]["runs"] else ""),
                )
                for d in row["devices"]
            ],
            {n: style for n, d in enumerate(row["devices"]) if (style := STYLES.get(d["check"]["verdict"]))},
        )
    for text in row["remedies"]:
        say(f"fix: {text}" if not usable else f"for a GPU: {text}")
    if row["left_out_by"]:
        say(f"note: {row['left_out_by']} leaves it out", style=WARN)
    if row["note"]:
        say(f"note: {row['note']}")


def _default(found: dict[str, Any]) -> None:
    heading("default device")
    if found["device"] is None:
        say(f"none: {found['error']}", style=BAD)
        return
    say(f"{found['device']}: {found['why']}", style=None if found["works"] else BAD)


def _machine(report: dict[str, Any]) -> None:
    heading("GPUs on the PCI bus")
    for gpu in report["gpus"]:
        driver = f"driver {gpu['driver']}" if gpu["driver"] else "no driver holds it"
        said = {"no device file": "no {}", "closed": "this user may not open {}"}.get(gpu["reach"], "")
        said = f"; {said.format(', '.join(gpu['files']))}" if said else ""
        say(f"{gpu['vendor']} {gpu['pci']}: {driver}{said}", style=None if gpu["reach"] == "open" else WARN)
    if not report["gpus"]:
        say("none seen")
    if report["container"]:
        say("this is a container: it has the GPUs that it was started with")


def _settings(report: dict[str, Any]) -> None:
    heading("settings")
    table(
        ("setting", "value", "from"),
        [(row["name"], _value(row["value"]), row["source"]) for row in report["settings"]],
        {n: BAD for n, row in enumerate(report["settings"]) if row["problem"]},
    )
    for row in report["settings"]:
        if row["problem"]:
            say(f"wrong: {row['variable']}={_value(row['value'])}: {row['problem']}", style=BAD)
        if row["rejected"]:
            say("every call of accel raises until it is put right; the backends above were tried without it")
    say(f"with tensors of torch: {report['threads_beside_torch']}")
    for name, value in report["vendor_variables"].items():
        say(f"{name}={value}")


def _value(value: Any) -> str:
    if value is None or value in ((), []):
        return "-"
    if isinstance(value, (list, tuple)):
        return ",".join("=".join(item) if isinstance(item, (list, tuple)) else str(item) for item in value)
    return str(value)
