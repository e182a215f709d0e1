"""The report in brief, as Markdown for an issue: at most `LIMIT` bytes, and it says what it leaves out for that."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import limits, lists, models, summary, units, view

LIMIT = 60_000
"""Bytes: an issue takes 65,536 characters, and its reader may want to add some."""

LENGTHS = (100, 40, 20, 10, 5, 2, 0)
"""Rows of a table at most; the first length is taken whose text is not too long."""

LONGEST = 300
"""Characters of a text that comes from a file, such as a driver's message."""


def render(records: Sequence[Mapping[str, Any]]) -> str:
    """The Markdown on the records."""
    report = view.build(records)
    for most in LENGTHS:
        text = "\n".join(_lines(report, most))
        if len(text.encode()) < LIMIT:
            return text
    left_out = "\n\nThe rest was left out: too many files for one issue.\n"
    return text.encode()[: LIMIT - len(left_out) - 1].decode(errors="ignore").rpartition("\n")[0] + left_out


def code(value: object) -> str:
    """Text from a file, as a code span on one line: nothing in it is markup, a mention or a link."""
    words = re.sub(r"\s+", " ", str(value)).strip()
    if len(words) > LONGEST:
        words = words[: LONGEST - 1] + "…"
    if not words:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", words)), default=0) + 1)
    pad = " " if words.startswith("`") or words.endswith("`") else ""
    return f"{fence}{pad}{words}{pad}{fence}".replace("|", "\\|")


def plain(words: str) -> str:
    """Text of which no part can be markup as it is; any other as a code span."""
    return words if re.fullmatch(r"[A-Za-z0-9 ,.:;'()·%±×–-]+", words) else code(words)


def _table(titles: Sequence[str], rows: Sequence[Any], cells: Callable[[Any], Sequence[str]], most: int) -> list[str]:
    """A table of what ``cells`` makes of the rows; of more than ``most`` it says how many it leaves out."""
    if not rows:
        return []
    shown = rows[:most]
    lines = [_row(titles), _row(["---"] * len(titles)), *(_row(cells(row)) for row in shown)] if shown else []
    if len(shown) < len(rows):
        lines += ["", f"and {len(rows) - len(shown)} more, in the file."]
    return [*lines, ""]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _lines(report: view.Report, most: int) -> list[str]:
    lines = [f"# {plain(report.title)}", "", plain(report.subtitle), ""]
    for run in report.runs:
        lines += [f"- **{_letter(report, run)}{plain(text)}**" for text in run.warnings]
        lines += [""] if run.warnings else []
    lines += ["## Summary", "", *_summary(report)]
    lines += ["## Limits", "", *_limits(report, most)]
    lines += ["## Statuses", "", *_statuses(report, most)]
    lines += ["## Ten worst, by share of the measured limit", "", *_worst(report, min(most, lists.TEN))]
    lines += ["## Models", "", *_models(report, most)]
    if report.several:
        both = report.same + report.differing
        lines += [
            "## Bits",
            "",
            f"{report.same} of {both} results with a hash in two or more files are the same bits.",
            "",
        ]
    device = ["<details><summary>Device, host, versions and run</summary>", "", *_device(report, most), "</details>"]
    return [*lines, *device, ""]


def _letter(report: view.Report, run: view.Run) -> str:
    return f"{run.letter}: " if report.several else ""


def _names(report: view.Report) -> list[str]:
    return [f"{_letter(report, run)}{code(run.name)}" for run in report.runs]


def _summary(report: view.Report) -> list[str]:
    lines = []
    for run in report.runs:
        for line in run.summary:
            words = (
                f"{_letter(report, run)}{plain(line.title)}: {plain(line.words)}",
                code(line.case or ""),
                line.marks,
            )
            lines.append(f"- {' '.join(filter(None, words))}")
        lines += ["", *(f"{mark}: {plain(words)}." for mark, words in run.marks), ""]
    return lines or ["No result file.", ""]


def _device(report: view.Report, most: int) -> list[str]:
    rows = [
        (f"{card.title}: {plain(label)}", *map(code, values))
        for card in report.card
        for label, values, _ in card.rows
        if set(values) != {units.UNKNOWN}
    ]
    return _table(["", *_names(report)], rows, list, most)


def _limits(report: view.Report, most: int) -> list[str]:
    lines = []
    for name, run in zip(_names(report), report.runs, strict=True):
        rows = [[roof.name, roof.text] for roof in limits.roofs(run.limits) if roof.kind == "bandwidth"]
        for peak in run.limits.peaks:
            rates = ", ".join(units.compute(rate, peak.dtype) for rate in peak.rates.values())
            rows.append([f"{plain(peak.dtype)}: hard, dot, reachable", rates])
        rows += [[plain(figure.name), figure.value] for figure in run.limits.figures]
        lines += [f"### {name}", ""] if report.several else []
        lines += _table(["limit", "measured"], rows, list, most) or ["No probe in this file.", ""]
    return lines


def _statuses(report: view.Report, most: int) -> list[str]:
    lines = []
    for run in report.runs:
        counts = ", ".join(f"{count} {plain(status)}" for status, count in run.counts) or "no case"
        lines += [f"{_letter(report, run)}{counts}", ""]
        lines += _table(
            ["status", "case", "detail"],
            run.not_passed,
            lambda case: [plain(case["status"]), code(case["id"]), code(case.get("detail") or "")],
            most,
        )
    return lines


def _worst(report: view.Report, most: int) -> list[str]:
    lines = []
    for run in report.runs:
        for title, slow in (("", run.worst), ("bound by a launch", run.launch)):
            name = ", ".join(text for text in (_letter(report, run).rstrip(": "), title) if text)
            if slow and name:
                lines += [f"{name}:", ""]
            lines += _table(["of limit", "time", "limit", "case"], slow, _slow, most)
        if run.worst and most:
            commands = [text for text in (run.settings, *(s.command for s in run.worst[:most])) if text]
            lines += ["To reproduce these:", "", *(f"    {' '.join(text.split())}" for text in commands), ""]
    return lines or ["No timed case has a limit.", ""]


def _slow(row: lists.Slow) -> list[str]:
    return [units.percent(row.share), units.time(row.case["median_s"]), units.time(row.limit), code(row.case["id"])]


def _models(report: view.Report, most: int) -> list[str]:
    titles = ["model"]
    for run in report.runs:
        titles += [f"{_letter(report, run)}time", "of limit", *(f"{plain(name)} / accel" for name in report.baselines)]
    lines = _table(
        titles,
        report.models,
        lambda model: [code(model.title), *_sums(model, report)],
        most,
    )
    return lines or ["No case of a model.", ""]


def _sums(model: models.Model, report: view.Report) -> list[str]:
    each = zip(model.sums, report.runs, strict=True)
    return [text for found, run in each for text in _sum(found, report.baselines, run.record)]


def _sum(found: models.Sum | None, baselines: Sequence[str], record: Mapping[str, Any]) -> list[str]:
    empty = [units.UNKNOWN] * (len(baselines) + 1)
    if found is None:
        return ["not in this file", *empty]
    if not found.complete:
        return [f"incomplete: {code('; '.join(found.missing))}", *empty]
    return [
        units.time(found.seconds),
        units.percent(found.share),
        *(_ratio(found.ratios.get(name), name in found.noisy, record) for name in baselines),
    ]


def _ratio(value: float | None, unsure: bool, record: Mapping[str, Any]) -> str:
    return units.ratio(value) if value is None else f"{units.ratio(value)} {summary.marks(record, unsure)}".rstrip()
