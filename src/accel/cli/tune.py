"""``accel tune``: measures which tiles a device is fastest with, and keeps them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..bench.tune.run import Outcome


def chooses_calls(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say which calls a command is about."""
    dtypes = "Of the operands of --shape, or only cases of these dtypes."
    model = "The calls of a model of accel bench, or of a file like those in bench/workloads (may be repeated)."
    for option in (
        click.option("--dtype", "dtypes", default="", metavar="NAME[,NAME…]", help=dtypes),
        click.option("--shape", default=None, metavar="MxK,KxN", help="Shapes of one --op's operands."),
        click.option("--op", "ops", multiple=True, metavar="NAME", help="Cases of this op (may be repeated)."),
        click.option("--model", "models", multiple=True, metavar="NAME|FILE.toml", help=model),
    ):
        command = option(command)
    return command


def cases_of(ops: tuple[str, ...], models: tuple[str, ...], shape: str | None, dtypes: str) -> list[Any]:
    """The cases of these options."""
    from ..bench.tune.cases import chosen
    from .explain import parse_shapes

    shapes = [] if shape is None else parse_shapes(shape)
    return chosen(ops, models, shapes, [word.strip() for word in dtypes.split(",") if word.strip()])


@click.command(short_help="Measure which tiles a device is fastest with.")
@click.option("--device", required=True, metavar="NAME", help="The device, as accel devices lists it.")
@chooses_calls
@click.option("--minutes", default=None, type=click.FloatRange(0, min_open=True), help="Until the run ends. "
              "[default: when all is measured]")  # fmt: skip
@click.option("--timeout", default=60.0, show_default=True, type=click.FloatRange(0, min_open=True), metavar="SECONDS",
              help="Until tiles that do not get on are given up.")  # fmt: skip
@click.option("--again", is_flag=True, help="Measure what was measured before, too.")
@click.option("--export", default=None, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write what was found as a table to ship for the device's architecture.")  # fmt: skip
def command(
    device: str,
    ops: tuple[str, ...],
    models: tuple[str, ...],
    shape: str | None,
    dtypes: str,
    minutes: float | None,
    timeout: float,
    again: bool,
    export: Path | None,
) -> int:
    """Measures the tiles that a kernel may serve a call with, and keeps the fastest for this device, driver and
    compiler.

    Only what the order of additions does not depend on is chosen: the bits stay the same, and are compared first.
    Each call is measured in a child process, which is ended where it hangs; what was measured is kept at once, so a run
    that was interrupted, or whose time is over, is continued by the same command. Without --op and --model: the calls
    of the quick suite of accel bench.

    \b
    accel tune --device opencl:intel --op matmul --shape 512x512,512x512
    accel tune --device triton:0 --model llama-3-8b --minutes 20

    Exit code 0 well; 1 tiles gave other bits than the contract promises (a defect: please report it); 2 bad arguments,
    or nothing to choose; 130 interrupted.
    """
    from ..bench.tune.run import Run
    from . import console

    cases = cases_of(ops, models, shape, dtypes)
    if export is not None and not export.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {export.absolute().parent}", param_hint="--export")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with console.bar(f"accel tune {device}") as step:
        run = Run(device, cases, None if minutes is None else 60 * minutes, step, again, timeout)
        try:
            found, interrupted = run.go(), False
        except KeyboardInterrupt:
            found, interrupted = run.outcome, True
    return show(found, export, interrupted)


def show(found: Outcome, export: Path | None, interrupted: bool) -> int:
    """What a run found; writes the table to ship. Returns the exit code."""
    from .. import tuning
    from . import console

    rows = [row for row in found.rows.values() if row.done]
    if rows:
        table = [
            (row.kernel, row.words, "x".join(map(str, row.lengths)), _numbers(row.default), _numbers(row.choice),
             f"{row.ratios[row.choice]:.2f}" if row.choice in row.ratios else "1")
            for row in rows
        ]  # fmt: skip
        console.table(("kernel", "operands", "lengths", "computed", "fastest", "of its time"), table)
    for note in found.notes:
        console.say(note, style=console.WARN)
    for defect in found.defects:
        console.say(f"DEFECT, please report it: {defect}", style=console.BAD)
    if export is not None and found.identity:
        kept = [row for row in tuning.of_the_user(found.identity) if row.done]
        export.write_bytes(tuning.exported(found.architecture, found.identity, kept))
        console.say(f"written: {export}, for kernels/<backend>/tuned/{found.architecture}.json")
    if found.identity:
        ended = "interrupted; " if interrupted else "the time is over; " if found.out_of_time else ""
        more = "; the same command goes on" if found.done < found.calls else ""
        console.say(f"{ended}{found.done} of {found.calls} calls are measured on {found.device}{more}")
    if interrupted:
        return 130
    return 1 if found.defects else 0


def _numbers(choice: tuple[int, ...]) -> str:
    return ",".join(map(str, choice))
