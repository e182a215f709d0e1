"""``accel bench run``: measures a suite on a device and writes one result file."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Any

import click

from .filters import chooses_cases

if TYPE_CHECKING:
    from ...bench.measure.plan import Plan

FAILURES = ("incorrect", "fallback", "incomplete")
"""What --fail-on takes."""

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Bytes(click.ParamType):
    """A whole number of bytes, or of K, M or G of 1024."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"(\d+)([KMG]?)", str(value).upper())
        if found is None or int(found[1]) == 0:
            self.fail(f"{value!r}: expected bytes from 1 on, or a number with K, M or G", param, ctx)
        return int(found[1]) * UNITS[found[2]]


class Failures(click.ParamType):
    """Words of `FAILURES` with commas between them; or nothing."""

    name = "what"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        words = tuple(word.strip() for word in str(value).split(",") if word.strip())
        for word in words:
            if word not in FAILURES:
                self.fail(f"{word!r}: expected some of {', '.join(FAILURES)}", param, ctx)
        return words


@click.command(short_help="Measure a suite on a device; one result file.")
@chooses_cases
@click.option("--device", default=None, metavar="NAME", help="The device. [default: accel's]")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the operands' values.")
@click.option(
    "--budget",
    default=None,
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Of timing per case, in all processes. [default: 0.6 in quick, else 1]",
)
@click.option(
    "--processes",
    default=None,
    type=click.IntRange(1),
    metavar="N",
    help="That time each case, one after another. [default: 3 in quick, else 2]",
)
@click.option(
    "--max-noise",
    default=None,
    type=click.FloatRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Timing ends when the 95% interval of the median is so narrow. [default: 0.02]",
)
@click.option(
    "--timeout",
    default=None,
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Until a case that does not get on is given up. [default: 120]",
)
@click.option(
    "--memory",
    default=None,
    type=Bytes(),
    metavar="BYTES",
    help="Of the host, for one case; larger ones are skipped. [default: 60% of what is available]",
)
@click.option("--resume", is_flag=True, help="Continue an interrupted run of the same options.")
@click.option(
    "--fail-on",
    default="incorrect",
    show_default=True,
    type=Failures(),
    metavar="WHAT[,WHAT…]",
    help="What the exit code tells: incorrect, fallback, incomplete.",
)
@click.option(
    "-o",
    "--output",
    default=None,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The result file. [default: accel-bench-<suite>-<device>.json]",
)
@click.option("--no-baselines", is_flag=True, help="Do not time NumPy, torch and others.")
@click.option("--no-probes", is_flag=True, help="Do not measure the device's limits; no case gets a share of one.")
def command(
    suite: str,
    ops: tuple[str, ...],
    models: tuple[str, ...],
    dtypes: tuple[str, ...],
    patterns: tuple[str, ...],
    device: str | None,
    seed: int,
    budget: float | None,
    processes: int | None,
    max_noise: float | None,
    timeout: float | None,
    memory: int | None,
    resume: bool,
    fail_on: tuple[str, ...],
    output: Path | None,
    no_baselines: bool,
    no_probes: bool,
) -> int:
    """Measures the device's limits, then every case of a suite: checked, timed beside the same calls of other
    libraries, and checked again.

    Each case runs in a child process with a timeout, and is timed in several, one after all others: what differs from
    process to process is noise that no number of samples in one shows. What is measured goes to a journal beside the
    result file at once; a run that was interrupted is continued with --resume, or ended by accel bench finish.

    Exit code 0 well; 1 a result is wrong, could not be checked, or took its process down; 2 bad arguments, or no case
    matches; 4 cases were not measured (with --fail-on incomplete); 5 a case ran on another device (with --fail-on
    fallback); 6 the journal to resume is of another run; 130 interrupted.
    """
    from ...bench.measure import plan as plans
    from ...bench.measure import runner
    from ...bench.result.journal import OtherRunError
    from .progress import progress

    made = plans.Plan(
        suite=suite, device=device or "", ops=ops, models=models, dtypes=dtypes, patterns=patterns, seed=seed,
        budget=budget or plans.BUDGETS.get(suite, plans.BUDGET),
        processes=processes or plans.PROCESSES.get(suite, plans.FEW_PROCESSES), max_noise=max_noise or plans.MAX_NOISE,
        timeout=timeout or plans.TIMEOUT, memory=memory, baselines=not no_baselines, probes=not no_probes,
    )  # fmt: skip
    runner.chosen(made)
    machine = runner.identify(device)
    made = made.on(machine["device"]["name"])
    out = output or default_file(suite, device or made.device)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with progress() as on_event:
            record = runner.run(made, out, on_event, resume, machine)
    except OtherRunError as error:
        click.echo(f"accel: error: {error}", err=True)
        return 6
    except KeyboardInterrupt:
        _say_how_to_resume(made, out)
        return 130
    summarize(record, made.suite, out)
    return exit_code(record, fail_on)


def exit_code(record: dict[str, Any], fail_on: tuple[str, ...]) -> int:
    """See `command`. The lowest of those that apply, as the worst has the lowest."""
    from ...bench.result.file import INCORRECT, TIMED

    statuses = {case["status"] for case in record["cases"]}
    if "incorrect" in fail_on and statuses & set(INCORRECT):
        return 1
    if "incomplete" in fail_on and (statuses - set(TIMED) or not record["run"]["complete"]):
        return 4
    fallbacks = any(case["path"] == "fallback" for case in record["cases"])
    return 5 if "fallback" in fail_on and fallbacks else 0


def default_file(suite: str, device: str) -> Path:
    """The result file of a run on a device, named as it was asked for."""
    return Path(f"accel-bench-{suite}-{re.sub(r'[^A-Za-z0-9._]+', '-', device).strip('-.')}.json")


def _say_how_to_resume(plan: Plan, out: Path) -> None:
    from ...bench.measure.runner import journal_of

    if not journal_of(out).exists():
        click.echo("accel: interrupted before anything was measured", err=True)
        return
    line = join(["accel", "bench", "run", *plan.arguments(), "-o", str(out), "--resume"])
    click.echo(
        "accel: interrupted; what was measured is kept. For a result file of that alone:\n"
        f"  {join(['accel', 'bench', 'finish', str(out)])}\nTo go on:\n  {line}",
        err=True,
    )


def summarize(record: dict[str, Any], suite: str, out: Path) -> None:
    """How the cases ended, and the ten that are farthest from their limit."""
    from ...bench.result import summary
    from ...bench.result.file import INCORRECT
    from .. import console

    for status, count, example in summary.statuses(record["cases"]):
        style = console.BAD if status in INCORRECT else console.GOOD if status == "PASS" else console.WARN
        console.say(f"{status:12} {count:5}  {example}".rstrip(), style=style)
    rows = summary.worst(record["cases"])
    if rows:
        console.heading("Farthest from the device's own limit")
        console.table(("of limit", "bound", "median", "best other", "case"), rows)
        device = record["device"]["name"]
        line = join(["accel", "bench", "run", "--suite", suite, "--device", device, "--case", rows[0][-1]])
        console.say(f"To measure the first of them again: {line}")
    console.say(f"\nwritten: {out} ({record['run']['seconds']:.0f} s)")
