"""``accel demo``: three jobs on real input, on every device, whose results must have the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .probe import COMPUTING

if TYPE_CHECKING:
    from ..backends.base import Device
    from ..demo import Row


def choose(backends: tuple[str, ...], names: tuple[str, ...]) -> tuple[list[Device], dict[str, str]]:
    """The devices to run on, and why each backend that was not asked for is left out.

    Named devices and named backends' devices; without a name, all but interpreters and emulators.
    """
    from .. import registry
    from ..devices import device as device_of
    from ..errors import DeviceError

    found = [device_of(name) for name in names]
    left_out = {}
    for name in backends or (() if names else registry.backend_names()):
        if not backends and (reason := registry.unavailable(name)) is not None:
            left_out[name] = reason
            continue
        devices = [device for device in registry.backend(name).devices() if device.kind != "null"]
        computing = [device for device in devices if device.kind in COMPUTING]
        found += [device for device in computing if device not in found]
        if not computing:
            kinds = ", ".join(f"{device} ({device.kind})" for device in devices) or "none"
            if backends:
                raise DeviceError(
                    f"--backend {name}: no device that computes by itself; name one with --device: {kinds}"
                )
            if devices:
                left_out[name] = f"only with --device: {kinds}"
    for device in found:
        if device.kind == "null":
            raise DeviceError(f"--device {device}: it computes nothing")
    return found, left_out


@click.command(short_help="Three real jobs on every device, with equal bits.")
@click.option("--output", default="demo-output", show_default=True, help="Folder for the compressed photographs.")
@click.option("--backend", "backends", multiple=True, help="Only devices of this backend (may be repeated).")
@click.option("--device", "names", multiple=True, help="Only this device, interpreters included (may be repeated).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(output: str, backends: tuple[str, ...], names: tuple[str, ...], as_json: bool) -> int:
    """Nearest-neighbour classification of handwritten digits; compression of two photographs by principal components;
    text from a small decoder with seeded weights.

    On every device, with quality, time and the SHA-256 of the results. Exit code 1 where two devices' bits differ.
    """
    from .. import demo
    from ..cache_folder import can_hold
    from ..errors import AccelError
    from . import console

    if not can_hold(output):
        raise AccelError(f"--output: {output} cannot be written; name a folder that can be, or be made")

    devices, left_out = choose(backends, names)
    with console.progress("accel demo", len(demo.JOBS) * len(devices)) as step:
        rows = demo.run(devices, step)
    pictures = write(rows, Path(output))
    wrong = demo.disagreements(rows)
    if as_json:
        console.print_json(
            {
                "rows": [as_row(row) for row in rows],
                "agree": not wrong,
                "disagreements": wrong,
                "pictures": pictures,
                "left_out": left_out,
            }
        )
    else:
        show(rows, wrong, pictures, left_out)
    return 1 if wrong else 0


def write(rows: list[Row], folder: Path) -> list[str]:
    """The compressed photographs of each job's first device, as PNG; returns their paths."""
    from ..demo.data import write_png
    from ..errors import AccelError

    written: dict[str, str] = {}
    try:
        for row in rows:
            if row.job not in written and row.result is not None and row.result.image is not None:
                folder.mkdir(parents=True, exist_ok=True)
                written[row.job] = str(folder / f"{row.job}-compressed.png")
                write_png(written[row.job], row.result.image)
    except OSError as error:
        raise AccelError(f"--output: {folder}: {error}") from None
    return list(written.values())


def as_row(row: Row) -> dict[str, Any]:
    """A row of JSON."""
    return {
        "job": row.job,
        "device": row.device,
        "figures": None if row.result is None else row.result.figures,
        "first_s": row.first,
        "again_s": row.again,
        "sha256": row.digests[0] if row.digests else None,
        "fallbacks": list(row.fallbacks),
        "error": row.error,
    }


def show(rows: list[Row], wrong: list[str], pictures: list[str], left_out: dict[str, str]) -> None:
    """The table, and what follows from it."""
    from . import console

    cells = []
    for row in rows:
        if row.result is None:
            cells.append((row.job, row.device, "failed", "-", "-", "-"))
        else:
            times = (f"{row.first:.3f} s", f"{row.again:.3f} s")
            cells.append((row.job, row.device, row.result.summary, *times, row.digests[0][:16]))
    failed = {n: console.BAD for n, row in enumerate(rows) if row.result is None}
    console.table(("job", "device", "result", "first run", "again", "SHA-256"), cells, failed)
    for row in rows:
        for text in row.fallbacks:
            console.say(text, style=console.WARN)
    for name, reason in left_out.items():
        console.say(f"not run: {name}: {reason}", style=console.WARN)
    for path in pictures:
        console.say(f"written: {path}")
    devices = list(dict.fromkeys(row.device for row in rows))
    if wrong:
        console.say("The devices do not agree:", style=console.BAD)
        for line in wrong:
            console.say(f"  {line}", style=console.BAD)
    elif len(devices) == 1:
        console.say(f"Two runs on {devices[0]} gave the same bits. It is the only device: nothing to compare it with.")
    else:
        console.say(f"The same bits on {len(devices)} devices: {', '.join(devices)}.", style=console.GOOD)
