"""``accel warm``: compiles the kernels of a model's calls before they are made."""

from __future__ import annotations

import signal

import click

from .tune import cases_of, chooses_calls


@click.command(short_help="Compile a model's kernels into the caches.")
@click.option("--device", required=True, metavar="NAME", help="The device, as accel devices lists it.")
@chooses_calls
@click.option("--jobs", default=None, type=click.IntRange(1), metavar="N", help="Processes that compile. [default: as "
              "many as there are cores]")  # fmt: skip
def command(
    device: str, ops: tuple[str, ...], models: tuple[str, ...], shape: str | None, dtypes: str, jobs: int | None
) -> int:
    """Compiles what a model's calls need, in several processes, into the caches where a later process finds it: no
    operands are made and nothing is computed.

    The caches are Triton's own (TRITON_CACHE_DIR) and accel's (ACCEL_CACHE_DIR), with the present settings. Without
    --op and --model: the calls of the quick suite of accel bench.

    \b
    accel warm --device opencl:intel --model bert-large
    accel warm --device triton:0 --model llama-3-8b --dtype bfloat16

    Exit code 0 well; 1 the kernels of a call do not compile; 2 bad arguments; 130 interrupted.
    """
    from ..backends.cpu import threads
    from ..bench.tune import warm
    from ..config import config
    from . import console

    cases = cases_of(ops, models, shape, dtypes)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    jobs = min(len(cases), jobs or threads(config.current()))
    with console.progress(f"accel warm {device}", len(cases)) as step:
        found = warm.run({"do": "warm", "device": device}, cases, jobs, step)
    for name, why in found.failed.items():
        console.say(f"{name}: {why}", style=console.WARN)
    seconds = sum(found.compiled.values())
    console.say(f"{len(found.compiled)} of {len(cases)} cases are compiled for {device}: {seconds:.1f} s of compilers")
    return 1 if found.failed else 0
