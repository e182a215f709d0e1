"""What ran a call, and on which device, from the dispatcher's own record of it."""

from __future__ import annotations

from typing import Any

from ... import recording
from ...backends.base import Device


def route(recorder: recording.Recorder, device: Device) -> dict[str, Any]:
    """What ran a call, and where: the entries ``path``, ``executed``, ``kernel`` and ``reason``."""
    chosen = [(where, found, _chosen(found)) for where, found in recorder.calls]
    whats = [what for _, _, what in chosen]
    moved = [each for each in chosen if each[2] == recording.FALLBACK or each[2].startswith("override: ")]
    made = (recording.DECOMPOSITION, recording.FALLBACK)
    by = [name for _, found, _ in chosen for name in _kernels(found)]
    kernels = list(dict.fromkeys(name for name in by if name not in made and not name.startswith("override: ")))
    executed = str(device)
    if moved:
        last = next((where for where, _, what in reversed(chosen) if what in kernels), moved[-1][0])
        executed = last.rpartition(" on ")[2]
    path = "fallback" if moved else "decomposition" if recording.DECOMPOSITION in whats else "native" if whats else None
    reasons = [f"{c.what}: {c.refusal}" for _, found, what in moved for c in found if c.refusal and c.what != what]
    reasons += [what for _, _, what in moved if what != recording.FALLBACK]
    return {
        "path": path,
        "executed": executed,
        "kernel": ", ".join(kernels) or None,
        "reason": "; ".join(dict.fromkeys(reasons)) or ("no kernel" if moved else None),
    }


def _kernels(found: list[recording.Candidate]) -> tuple[str, ...]:
    """The kernels that ran a call: one, or those of a compiled composition."""
    runs = next((c for c in found if c.refusal is None), None)
    return () if runs is None else runs.kernels or (runs.what,)


def _chosen(found: list[recording.Candidate]) -> str:
    return next((c.what for c in found if c.refusal is None), "nothing")
