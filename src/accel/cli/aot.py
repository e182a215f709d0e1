"""``accel aot``: writes the machine code of a model's kernels, for machines without a compiler."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from .tune import cases_of, chooses_calls


@click.command(short_help="Write machine code that needs no compiler later.")
@click.option("--target", required=True, metavar="ARCHITECTURE", help="The GPU's architecture: sm_90, gfx942…")
@chooses_calls
@click.option("--jobs", default=None, type=click.IntRange(1), metavar="N", help="Processes that compile. [default: as "
              "many as there are cores]")  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
              help="Where code and manifest go; what is there of the same target and version is kept.")  # fmt: skip
def command(
    target: str,
    ops: tuple[str, ...],
    models: tuple[str, ...],
    shape: str | None,
    dtypes: str,
    jobs: int | None,
    output: Path,
) -> int:
    """Compiles what a model's calls need by Triton for a GPU, which need not be there, and writes machine code and a
    manifest to a folder.

    With ACCEL_AOT=FOLDER, on a machine with such a GPU, a kernel that is found there launches without a compiler. The
    manifest states the target, the bit contract, Triton's version and each kernel's source; what does not match is
    not used, and said once. The present settings (ACCEL_NUMERICS…) are those of the calls.

    \b
    accel aot --target sm_90 --model llama-3-8b --dtype bfloat16 -o kernels-sm_90
    ACCEL_AOT=kernels-sm_90 python serve.py

    Exit code 0 well; 1 the kernels of a call do not compile; 2 bad arguments; 130 interrupted.
    """
    from .. import registry
    from ..backends.cpu import threads
    from ..bench.tune import warm
    from ..config import config
    from . import console

    registry.backend("triton")  # says what is missing, and what installs it
    import triton

    from ..backends.triton_prepared import MANIFEST, Folder, manifest
    from ..backends.triton_target import target_named

    target_named(target)
    cases = cases_of(ops, models, shape, dtypes)
    output.mkdir(parents=True, exist_ok=True)
    before = Folder(output, target, triton.__version__).kernels if (output / MANIFEST).exists() else {}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    jobs = min(len(cases), jobs or threads(config.current()))
    task = {"do": "aot", "device": "cpu", "target": target, "folder": str(output.absolute())}
    with console.progress(f"accel aot {target}", len(cases)) as step:
        found = warm.run(task, cases, jobs, step)
    kernels = before | {entry.pop("key"): entry for entry in found.kernels}
    (output / MANIFEST).write_bytes(manifest(target, triton.__version__, kernels))
    for name, why in found.failed.items():
        console.say(f"{name}: {why}", style=console.WARN)
    said = f"{len(found.compiled)} of {len(cases)} cases, {len(kernels)} kernels for {target}: {output / MANIFEST}"
    console.say(said)
    return 1 if found.failed else 0
