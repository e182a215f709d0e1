"""What comes first in a report, the marks of what is not to be relied on, and what must not be mistaken."""

from __future__ import annotations

import copy
import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest

from accel.bench.report import case as cases
from accel.bench.report import html, limits, lists, markdown, plots, summary, view
from accel.bench.result.statistics import BUSY
from accel.registry import OPS

from .report_page import Page
from .report_records import case, other_device, probe, record


def steady(**more) -> dict:
    """A record of three cases that are all known well, on a machine that nobody else uses."""
    made = [case(op, "float32", "sweep/x", 1e8, 1e8) for op in ("add", "exp", "matmul")]
    for each, ratio in zip(made, (1.0, 2.0, 4.0), strict=True):
        middle = each["median_s"]
        each["interval_s"] = [0.995 * middle, 1.005 * middle]
        samples = [middle * ratio] * 3
        each["baselines"] = {"numpy": {"samples_s": samples, "median_s": middle * ratio, "note": None}}
    found = record(cases=made)
    found["suite"]["cases"] = len(made)
    found["host"]["load"] = more.get("load", 0.1)
    return found


def noisier(found: dict, op: str) -> dict:
    """The record with a case whose time is not known well."""
    found = copy.deepcopy(found)
    (each,) = (each for each in found["cases"] if each["op"] == op)
    each["interval_s"] = [0.9 * each["median_s"], 1.1 * each["median_s"]]
    return found


def lines(found: dict) -> dict[str, summary.Line]:
    return {line.title: line for line in view.build([found]).runs[0].summary}


def test_the_summary_says_what_was_measured_right_fast_and_noisy():
    found = lines(steady())
    assert list(found) == ["Measured", "Right", "Beside numpy", "Of the measured limits", "Noise"]
    about = steady()["device"]
    assert about["description"] in found["Measured"].words and about["name"] in found["Measured"].words
    assert found["Measured"].words.endswith("suite core 1, 3 cases")
    assert found["Right"].words.startswith("3 of 3 results that could be computed, none wrong; the largest error is")
    assert found["Beside numpy"].words == "2.00× as fast in the mean of 3 cases, 4.00× in the best, 1.00× in the worst"
    assert found["Beside numpy"].case == "sweep/x add float32 cold"
    assert found["Of the measured limits"].words == "60% in the median of 3 cases, 60% to 60%"
    assert found["Noise"].words.startswith(
        "0 of 3 timed cases noisier than ±2.0%; ±0.50% in the median, ±0.50% at most"
    )
    wrong = steady()
    wrong["cases"][0]["status"] = "INCORRECT"
    assert lines(wrong)["Right"].words.startswith("2 of 3 results that could be computed, 1 wrong")
    assert "no baseline and no limit" in lines(record(cases=[], probes=[]))["How fast"].words


@pytest.mark.parametrize("records", [[steady()], [steady(), other_device()]], ids=["one", "two"])
def test_it_comes_before_everything_and_the_device_is_folded_below(records):
    text = html.render(records)
    summed, nav, limit, device = (
        text.index(word) for word in ('<dl class="lines">', "<nav", '<section id="limits">', '<section id="device">')
    )
    assert summed < nav < limit < device
    folded = text[device : text.index("</section>", device)]
    before, _, inside = folded.partition("<details>")
    assert "<table" not in before and "<table" in inside and "kernel" not in before
    brief = markdown.render(records)
    assert brief.index("## Summary") < brief.index("## Limits") < brief.index("<details><summary>Device")


def marked(found: dict) -> dict[str, str]:
    """The marks beside each ratio: those of the ops, of all, of the layers of models, and of the summary."""
    text = html.render([found])
    marks = {}
    for name in ("ratios", "models"):
        section = text[text.index(f'<section id="{name}">') :].partition("</section>")[0]
        for row in re.findall(r"<tr>.*?</tr>", section, re.S):
            title = re.sub("<[^>]*>", "", re.search(r"<th[^>]*>(.*?)</th>", row, re.S).group(1)).strip()
            cells = re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)
            found_marks = [re.sub("<[^>]*>", "", cell).partition("×")[2].strip() for cell in cells if "×" in cell]
            if found_marks:
                marks[f"{name} {title}"] = found_marks[0]
    return marks | {f"summary {title}": line.marks for title, line in lines(found).items()}


ALWAYS_QUIET = {"summary Measured": "", "summary Right": ""}


def test_a_quiet_run_has_no_mark():
    assert set(marked(steady()).values()) == {""} and len(marked(steady())) > 6
    run = view.build([steady()]).runs[0]
    assert run.marks == () and run.warnings == ()
    assert "‡" not in html.render([steady()]) and "‡" not in markdown.render([steady()])


def test_what_is_noisier_than_the_aim_has_a_mark_in_the_header_and_beside_its_ratios():
    found = marked(noisier(steady(), "exp"))
    assert found["ratios exp"] == found["ratios These ops together"] == found["summary Beside numpy"] == "±"
    assert found["ratios add"] == found["ratios matmul"] == "" and found["summary Noise"] == "±"
    text = html.render([noisier(steady(), "exp")])
    assert "a time of it is noisier than ±2.0%" in text.partition("<nav")[0]
    peer = steady()
    peer["cases"][1]["baselines"]["numpy"]["samples_s"] = [peer["cases"][1]["median_s"] * f for f in (1.0, 2.0, 3.0)]
    assert marked(peer)["ratios exp"] == "±" and marked(peer)["ratios add"] == "", "of a baseline's time too"
    calm = noisier(steady(), "exp")
    calm["run"]["max_noise"] = 0.2
    assert set(marked(calm).values()) == {""}, "the aim is the run's own"


def test_a_busy_machine_has_a_mark_beside_every_ratio():
    assert set(marked(steady(load=BUSY)).values()) == {""}, "control"
    found = marked(steady(load=BUSY + 0.01) | {"label": "unverified"})
    assert {title: mark for title, mark in found.items() if mark != "‡"} == ALWAYS_QUIET
    run = view.build([steady(load=0.9)]).runs[0]
    assert run.warnings[0].startswith("The machine was busy: 0.9 runnable processes per core when the run began.")
    text, brief = html.render([steady(load=0.9)]), markdown.render([steady(load=0.9)])
    assert "The machine was busy" in text.partition("<nav")[0] and "The machine was busy" in brief
    assert re.search(r"2\.00× as fast.* ‡\n", brief)
    both = marked(noisier(steady(load=0.9), "exp"))
    assert both["ratios exp"] == "±‡" and both["ratios add"] == "‡"
    assert not summary.busy({}) and not summary.busy({"host": {"load": None}})


def test_a_model_and_its_layers_have_marks():
    found = record()
    found["host"]["load"] = 0.9
    text = html.render([found])
    models = text[text.index('<section id="models">') :].partition("</section>")[0]
    bare = [cell for cell in re.findall(r"<td[^>]*>(.*?)</td>", models, re.S) if "×" in cell and "‡" not in cell]
    assert "‡" in models and bare == []
    assert re.search(r"\d× ±?‡ \|", markdown.render([found]))


def test_one_of_several_runs_is_busy():
    text = html.render([steady(), steady(load=0.9)])
    section = text[text.index('<section id="ratios">') :].partition("<details>")[0]
    row = re.search(r"<tr><th scope=\"row\">exp</th>(.*?)</tr>", section, re.S).group(1)
    quiet, busy = re.findall(r"<b>(.*?)</b>", row, re.S)
    assert "‡" not in quiet and "‡" in busy


def test_the_lines_of_the_roofline_have_the_unit_and_value_of_the_table():
    found = record(probes=[
        probe("matmul/int8", "matmul", "int8", None, "op/s", 1.92e11),
        probe("dot/int8", "dot", "int8", None, "op/s", 9.45e11),
        probe("matmul/float32", "matmul", "float32", None, "op/s", 1.66e11),
    ])  # fmt: skip
    assert [roof.text for roof in limits.roofs(limits.build(found))] == ["945 GOP/s", "192 GOP/s", "166 GFLOP/s"]
    text = html.render([found])
    table, plot = (
        text[text.index(f'<section id="{id}">') :].partition("</section>")[0] for id in ("limits", "roofline")
    )
    for words in ("945 GOP/s", "192 GOP/s", "166 GFLOP/s"):
        assert words in table and plot.count(words) == 2, "in the plot and its legend"
    assert "192 GFLOP/s" not in text


def test_a_row_of_a_total_does_not_read_like_an_op():
    """`all` is an op of accel."""
    text = html.render([record()])
    titles = [re.sub("<[^>]*>", "", found) for found in re.findall(r"<tfoot>.*?<th[^>]*>(.*?)</th>", text, re.S)]
    assert "These ops together" in titles and "The model in all" in titles
    assert "all" in OPS and not set(titles) & {*OPS, *(each["op"] for each in record()["cases"])}


STYLE = (Path(html.TEMPLATES) / "style.html.j2").read_text(encoding="utf-8")


def colours(prefix: str, dark: bool) -> dict[str, tuple[int, ...]]:
    """Backgrounds of the classes that begin so, by class, in one of the two schemes."""
    schemes = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.S)
    ]
    variables = schemes[0] | schemes[1] if dark else schemes[0]
    found = {}
    for names, body in re.findall(rf"^(\.{prefix}[\w-]+(?:, \.[\w-]+)*) \{{(.*?)\}}", STYLE, re.M):
        name = re.findall(r"var\(--([\w-]+)\)", re.search(r"background: ([^;]*)", body).group(1))[-1]
        for each in names.split(", "):
            found[each.removeprefix(f".{prefix}")] = tuple(int(variables[name][n : n + 2], 16) for n in (1, 3, 5))
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_two_statuses_have_one_colour(dark):
    found = colours("s-", dark)
    assert found.keys() == {status.lower() for status in cases.STATUSES}
    for one, other in itertools.combinations(found, 2):
        assert difference(found[one], found[other]) > 14, (one, other)
    ink = (0xE3, 0xE7, 0xEC) if dark else (0x1B, 0x20, 0x27)
    assert all(html.contrast(colour, ink) > 4.5 for name, colour in found.items() if name != "incorrect")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_two_kinds_of_a_cell_have_one_colour(dark):
    found = colours("k-", dark)
    assert len(found) == 9
    for one, other in itertools.combinations(found, 2):
        assert difference(found[one], found[other]) > 14, (one, other)


def difference(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Of two colours, in steps of 255."""
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5


def test_names_are_spread_as_little_as_can_be():
    assert plots.spread([10, 50, 90], 12, 0, 100) == [10, 50, 90]
    assert plots.spread([50, 50], 12, 0, 100) == [44, 56]
    assert plots.spread([2, 3, 60], 12, 0, 100) == [0, 12, 60]
    assert plots.spread([96, 99], 12, 0, 100) == [88, 100]
    assert plots.spread([], 12, 0, 100) == []
    places = plots.spread([40, 41, 42, 55, 56], 12, 0, 100)
    assert all(b - a >= 12 - 1e-9 for a, b in itertools.pairwise(places)) and sum(places) / 5 == pytest.approx(
        46.8, abs=2
    )


def test_steep_names_without_room_are_left_to_the_legend():
    rungs = {"L1": 3e11, "memory": 2e10}
    roofs = [limits.Roof(name, "bandwidth", value, False) for name, value in rungs.items()]
    frame = plots.Frame(640, 430)
    x, y = frame.x(0.01, 100, log=True), frame.y(1e8, 1e12, log=True)
    assert len(plots._steep_names(roofs, x, y, 1e12)) == 2
    assert len(plots._steep_names([replace(roof, name="L1" * 60) for roof in roofs], x, y, 1e12)) == 0


def test_the_mark_of_an_average_is_that_of_any_of_its_cases():
    found = lists.overall([noisier(steady(), "add")])[0][0]
    assert (found.noisy, found.worst_noisy) == (1, True)
    found = lists.overall([noisier(steady(), "exp")])[0][0]
    assert (found.noisy, found.worst_noisy) == (1, False)
    assert "±" in Page(html.render([noisier(steady(), "exp")])).words
