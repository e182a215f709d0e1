"""``accel doctor``: which backends work here, tried and compared, what fixes the others, and what a report needs."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from .child import ending, find, kill_all

TIMEOUT = 180.0
"""Seconds that one backend may take to start and to compute."""


def settings() -> list[dict[str, Any]]:
    """Every setting, its value and source, and what is wrong with it; without `accel.config`, which raises then."""
    from ..config import OPTIONS, environment, parse

    rows = []
    for option in OPTIONS:
        text = environment(option.variable)
        value, source, problem, rejected = option.default, "automatic", None, False
        if text is not None and text.strip():
            source, value = option.variable, text
            try:
                value = parse(option, text)
            except ValueError as error:
                problem, rejected = f"{error}; its grammar is: {option.grammar}", True
        rows.append(
            {
                "name": option.name,
                "variable": option.variable,
                "value": value,
                "source": source,
                "problem": problem,
                "rejected": rejected,
            }
        )
    return rows


def backend_row(
    name: str, result: dict[str, Any], timeout: float, gpus: list[dict[str, Any]], container: bool = False
) -> dict[str, Any]:
    """The report's row of one backend, from what its child found; gpus, container: as `remedies` takes them."""
    from .. import registry
    from .remedies import owner_of, remedies

    info = registry.backend_info(name)
    first = next((line for line in result["lines"] if "state" in line), None)
    row: dict[str, Any] = {
        "name": name,
        "summary": info.summary,
        "distribution": owner_of(name),
        "automatic": info.automatic,
        "state": "unusable",
        "reason": None,
        "without_gpu": None,
        "versions": {},
        "devices": [],
    }
    row |= first if first is not None else {"reason": f"starting it: {ending(result, timeout)}"}
    for device in row["devices"]:
        device["check"] = _check(device["name"], result, timeout)
    row["remedies"], row["note"] = remedies(name, row["distribution"], info.extra, row, gpus, container)
    return row


def _check(device: str, result: dict[str, Any], timeout: float) -> dict[str, Any]:
    for line in result["lines"]:
        if line.get("device") == device:
            return line["check"]
    if any(line.get("checking") == device for line in result["lines"]):
        return {"verdict": "failed", "runs": None, "detail": ending(result, timeout)}
    return {"verdict": "untried", "runs": None, "detail": "not tried"}


def leave_out(row: dict[str, Any], chosen: list[dict[str, Any]]) -> dict[str, Any]:
    """The row, with the setting that keeps the backend from being used unless it is named (None: none does)."""
    listed = next(setting for setting in chosen if setting["name"] == "backend")
    forbidden = not listed["rejected"] and listed["value"] is not None and row["name"] not in listed["value"]
    return row | {"left_out_by": f"{listed['variable']}={','.join(listed['value'])}" if forbidden else None}


def default_row(result: dict[str, Any], rows: list[dict[str, Any]], timeout: float) -> dict[str, Any]:
    """The default device, why it is that one, and whether it computed the right bits."""
    found = result["lines"][0] if result["lines"] else {"error": f"finding it: {ending(result, timeout)}"}
    device, error = found.get("default"), found.get("error")
    checks = {d["name"]: d["check"] for row in rows for d in row["devices"]}
    verdict = checks.get(device, {}).get("verdict")
    return {"device": device, "error": error, "works": verdict in ("equal", "nothing")}


def why(chosen: list[dict[str, Any]], rows: list[dict[str, Any]], automatic: tuple[str, ...]) -> str:
    """Why the default device is the one it is; chosen: the settings."""
    values = {row["name"]: row for row in chosen}
    if values["device"]["source"] != "automatic":
        return f"{values['device']['source']} names it"
    listed = values["backend"]["value"]
    source = "" if listed is None else f"{values['backend']['source']}={','.join(listed)}: "
    selections = ("automatic", "listed") if listed is not None and len(listed) == 1 else ("automatic",)
    reasons = []
    for name in listed or automatic:
        row = next((row for row in rows if row["name"] == name), None)
        if row is None or row["state"] != "usable":
            reasons.append(f"{name} cannot be used")
        elif not any(device["selection"] in selections for device in row["devices"]):
            reasons.append(f"{name} has no device that is used without being named")
        else:
            reasons.append(f"{name} is the first with a device")
            break
    return source + "; ".join(reasons)


def collect(everything: bool = False, timeout: float = TIMEOUT) -> dict[str, Any]:
    """The whole report. everything: interpreters and emulated devices compute as well."""
    from .. import registry
    from ..devices import AUTOMATIC
    from . import console, machine, probe

    chosen = settings()
    rejected = [row["variable"] for row in chosen if row["rejected"]]
    named = next(row["value"] for row in chosen if row["name"] == "device")
    names = registry.backend_names()
    gpus = machine.gpus()
    container = machine.in_container()

    with console.progress("probing", len(names) + 1) as step, ThreadPoolExecutor(max_workers=2) as pool:

        def backend(name: str) -> dict[str, Any]:
            further = [probe.EVERY] if everything else []
            further += [named] if named is not None and str(named).partition(":")[0] == name else []
            result = find(["backend", name, *further], rejected, timeout)
            step(name)
            return backend_row(name, result, timeout, gpus, container)

        try:
            # the search for the default device sees the environment as it is
            default = pool.submit(find, ["default"], [], timeout)
            beside_torch = pool.submit(find, ["threads"], rejected, timeout)
            rows = [leave_out(row, chosen) for row in pool.map(backend, names)]
            found = default_row(default.result(), rows, timeout)
            threads = beside_torch.result()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            kill_all()
            raise
    found["why"] = None if found["device"] is None else why(chosen, rows, AUTOMATIC)
    report = {
        "default": found,
        "backends": rows,
        "gpus": gpus,
        "container": container,
        "settings": chosen,
        "threads_beside_torch": threads["lines"][0]["threads"] if threads["lines"] else ending(threads, timeout),
        "vendor_variables": machine.vendor_variables(),
        "versions": machine.versions(),
        "healthy": found["works"],
    }
    return without_home(report, os.path.expanduser("~"))


def without_home(value: Any, home: str) -> Any:
    """The report with the home folder written ``~``, which may carry the user's name."""
    if isinstance(value, str):
        return value.replace(home, "~") if len(home) > 1 else value
    if isinstance(value, dict):
        return {key: without_home(item, home) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_home(item, home) for item in value]
    return value


@click.command(short_help="What works here, what does not, and what fixes it.")
@click.option("--all", "everything", is_flag=True, help="Compute on interpreters and emulated devices too (slow).")
@click.option("--timeout", default=TIMEOUT, show_default=True, help="Seconds that a backend may take.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(everything: bool, timeout: float, as_json: bool) -> int:
    """Each backend, tried in a process of its own: usable, or why not and what fixes it. Then settings and versions.

    Every device of a backend that starts multiplies two small matrices, whose bits must be those of the bit contract.
    Exit code 0 if the default device works, else 1.
    """
    from . import console
    from .report import show

    report = collect(everything, timeout)
    if as_json:
        console.print_json(report)
    else:
        show(report)
    return 0 if report["healthy"] else 1
