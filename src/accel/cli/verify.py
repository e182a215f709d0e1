"""``accel verify``: what a receipt says was computed, computed again on this machine's devices."""

from __future__ import annotations

import importlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .demo import choose

if TYPE_CHECKING:
    from ..receipts import Receipt, Verdict


@click.command(short_help="Has a receipt the same bits here?")
@click.argument("receipt", type=click.Path())
@click.option("--device", default=None, help="On this device; the default device where left out.")
@click.option("--all-devices", is_flag=True, help="On every device, interpreters and emulators left out; a table.")
@click.option("--weights", type=click.Path(), help="The weights: a .safetensors file, or a folder of them.")
@click.option(
    "--module", "modules", multiple=True, help="Import this module first, which registers a kind (may be repeated)."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    receipt: str, device: str | None, all_devices: bool, weights: str | None, modules: tuple[str, ...], as_json: bool
) -> int:
    """Runs the model that a receipt names, and compares the hash of every output.

    Exit code 0 where all have the same bits, 1 where one differs or a device fails, 2 where the receipt, the weights or
    the arguments are not what they should be.
    """
    from .. import receipts
    from ..creation import device_of
    from ..errors import ArgumentError
    from . import console

    if all_devices and device is not None:
        raise ArgumentError("verify: name a device with --device, or ask for --all-devices, not both")
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            hint = "python -m accel finds modules of this folder"
            raise ArgumentError(f"--module: {name} cannot be imported: {error}; {hint}") from None
    its = receipts.load(receipt)
    devices, left_out = choose((), ()) if all_devices else ([device_of(device)], {})
    verdicts: dict[str, Verdict | str] = {}
    total = len(its["outputs"]) * len(devices)
    with console.progress("accel verify", total) as step:
        for each in devices:
            name = str(each)
            verdicts[name] = _verdict(its, each, weights, all_devices, lambda label, on=name: step(f"{on}: {label}"))
    if as_json:
        shown = {name: _as_json(verdict) for name, verdict in verdicts.items()}
        console.print_json({"receipt": receipt, "digest": its["digest"], "devices": shown, "left_out": left_out})
    else:
        show(its, verdicts, left_out, all_devices)
    return 0 if all(not isinstance(verdict, str) and verdict.same for verdict in verdicts.values()) else 1


def _verdict(its: Receipt, device: Any, weights: str | None, others: bool, step: Any) -> Verdict | str:
    """The verdict of a device; why there is none where others are asked too, and only the device may be at fault."""
    from ..errors import ArgumentError, FileError
    from ..receipts import verify

    try:
        return verify(its, device=device, weights=weights, on_output=step)
    except (FileError, ArgumentError):
        raise
    except Exception as error:  # a driver's own exceptions too: the other devices still run
        if not others:
            raise
        return f"{type(error).__name__}: {error}"


def _as_json(verdict: Verdict | str) -> dict[str, Any]:
    if isinstance(verdict, str):
        return {"same": False, "error": verdict}
    return {"same": verdict.same, **asdict(verdict)}


def show(its: Receipt, verdicts: dict[str, Verdict | str], left_out: dict[str, str], table: bool) -> None:
    """What the receipt is of, the table if one was asked for, and the verdict."""
    from . import console

    made = its["made_on"]
    console.say(
        f"{its['model']['kind']!r}, bit contract {its['contract']}, {len(its['outputs'])} outputs; "
        f"made on {made.get('device', 'unknown')!r} ({made.get('description', 'unknown')!r})"
    )
    if table:
        rows = [_row(name, verdict) for name, verdict in verdicts.items()]
        wrong = {n: console.BAD for n, row in enumerate(rows) if row[1] != "same bits"}
        console.table(("device", "verdict", "outputs", "seconds"), rows, wrong)
    for name, reason in left_out.items():
        console.say(f"not run: {name}: {reason}", style=console.WARN)
    for name, verdict in verdicts.items():
        if isinstance(verdict, str):
            console.say(f"{name} failed: {verdict}", style=console.BAD)
        elif verdict.difference is not None:
            console.say(f"{name} DIFFERS, after {verdict.equal} of {verdict.total} equal outputs:", style=console.BAD)
            console.say(f"  {verdict.difference}", style=console.BAD)
        elif not table:
            console.say(f"{name} gives the same bits: {verdict.total} of {verdict.total} outputs.", style=console.GOOD)
    if table and all(not isinstance(verdict, str) and verdict.same for verdict in verdicts.values()):
        console.say(f"The same bits on {len(verdicts)} devices: {', '.join(verdicts)}.", style=console.GOOD)


def _row(name: str, verdict: Verdict | str) -> tuple[str, str, str, str]:
    if isinstance(verdict, str):
        return name, "failed", "-", "-"
    told = "same bits" if verdict.same else "DIFFERS"
    return name, told, f"{verdict.equal} of {verdict.total}", f"{verdict.seconds:.1f}"
