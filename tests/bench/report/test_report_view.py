"""What the report makes of records: numbers, sums, orders; and the drawing's scales."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.bench.report import case as cases
from accel.bench.report import grid, html, limits, lists, models, svg, units, view

from .report_page import Page
from .report_records import case, incomplete, other_device, record


@pytest.mark.parametrize(
    "text, want",
    [
        (units.time(1.234), "1.23 s"),
        (units.time(0.0123), "12.3 ms"),
        (units.time(4.2e-6), "4.20 µs"),
        (units.time(0.9999), "1.00 s"),
        (units.time(9.99999e-4), "1.00 ms"),
        (units.time(3.2e-10), "0.320 ns"),
        (units.time(143.2), "143 s"),
        (units.time(None), "–"),
        (units.bandwidth(2.1e10), "21.0 GB/s"),
        (units.bandwidth(3.35e12), "3.35 TB/s"),
        (units.compute(9.89e14, "float16"), "989 TFLOP/s"),
        (units.compute(1.7e12, "int8"), "1.70 TOP/s"),
        (units.compute(1.7e12, "bfloat16"), "1.70 TFLOP/s"),
        (units.size(16384), "16 KiB"),
        (units.size(33554432), "32 MiB"),
        (units.size(25000000000), "23.3 GiB"),
        (units.size(100), "100 B"),
        (units.percent(0.8642), "86%"),
        (units.percent(1.31), "131%"),
        (units.percent(0.0864), "8.6%"),
        (units.percent(0.0996), "10%"),
        (units.percent(0.0004), "0.040%"),
        (units.percent(0.0), "0%"),
        (units.percent(None), "–"),
        (units.ratio(1.234), "1.23×"),
        (units.ratio(0.5), "0.500×"),
        (units.ratio(1234.0), "1234×"),
        (units.quantity(8.1e5, "1/s"), "810 k/s"),
        (units.quantity(0.968, "1"), "97%"),
        (units.quantity(4.3e11, "op/s", "float32"), "430 GFLOP/s"),
        (units.tick("50.0 G"), "50 G"),
        (units.tick("2.50 T"), "2.5 T"),
        (units.tick("100 G"), "100 G"),
        (units.whole(1, "case"), "1 case"),
        (units.whole(0, "case"), "0 cases"),
    ],
)
def test_numbers_for_people(text, want):
    assert text == want


@given(st.floats(1e-12, 1e17))
def test_three_digits_are_right(value):
    assert abs(float(units.digits(value)) - value) <= 0.0051 * value
    assert len(re.sub(r"^0\.0*|\.", "", units.digits(value))) >= 3


def test_the_reproducing_line_is_a_command_that_a_shell_reads():
    each = case("add", "float32", 'it\'s $HOME `x` "y"', 1e7, 8e7)
    found = record("opencl:intel cpu", cases=[each])
    line = cases.reproduce(found, found["cases"][0])
    words = ["accel", "bench", "run", "--suite", "core", "--case", each["id"], "--device", "opencl:intel cpu"]
    assert shlex.split(line) == words
    echoed = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, encoding="utf-8", check=True
    ).stdout
    assert echoed.splitlines() == words
    plain = cases.reproduce(record(), case("add", "float32", "sweep/4", 1e7, 8e7))
    assert plain == "accel bench run --suite core --case 'sweep/4 add float32 cold' --device cpu"
    assert cases.settings(record()) == "export ACCEL_NUMERICS=reproducible"
    assert cases.settings(record(environment={})) is None


def test_the_ten_worst():
    run_ = view.build([record()]).runs[0]
    shares = [slow.share for slow in run_.worst]
    assert len(shares) == 10 and shares == sorted(shares)
    left = [each for each in record()["cases"] if cases.share(each) is not None and not cases.launch_bound(each)]
    assert shares == sorted(cases.share(each) for each in left)[:10]
    assert all(slow.case["roof"]["bound"] == "launch" for slow in run_.launch) and run_.launch
    words = Page(html.render([record()])).words
    assert all(slow.command in words for slow in (*run_.worst, *run_.launch))


def test_a_wrong_result_has_no_time_that_counts():
    wrong = case("exp", "float32", "x", 1e7, 8e7, status="INCORRECT", share=0.01, model="m", layer="a")
    found = record(cases=[wrong, case("exp", "float32", "y", 1e7, 8e7, model="m", layer="b")])
    run_ = view.build([found]).runs[0]
    assert [slow.case["id"] for slow in run_.worst] == ["y exp float32 cold"]
    assert models.build([found])[0].sums[0].missing == ("a (exp) INCORRECT",)


def test_a_model_is_the_sum_of_its_layers_or_incomplete():
    by_title = {model.title: model for model in models.build([record()])}
    whole = by_title["llama-3-8b · prefill-512 · float32 · cold"]
    own = [each for each in record()["cases"] if each["model"] == "llama-3-8b" and each["phase"] == "prefill-512"]
    (total,) = whole.sums
    assert total.complete and total.seconds == pytest.approx(sum(each["count"] * each["median_s"] for each in own))
    numpy = sum(each["count"] * each["baselines"]["numpy"]["median_s"] for each in own)
    assert total.ratios["numpy"] == pytest.approx(numpy / total.seconds)
    limit = sum(each["count"] * each["roof"]["seconds"] for each in own)
    assert total.share == pytest.approx(limit / total.seconds)
    assert sum(rows[0].part for _, _, rows in whole.layers) == pytest.approx(1)
    (lacking,) = by_title["mixtral-8x7b · prefill-512 · float32 · cold"].sums
    assert lacking.missing == ("attention.scores (attention) UNSUPPORTED",) and not lacking.ratios
    text = Page(html.render([record()])).words
    assert "incomplete: attention.scores (attention) UNSUPPORTED" in text
    assert units.time(lacking.seconds) not in text  # the survivors' sum is not said to be the model's


def test_a_model_of_a_filtered_or_unfinished_run_is_incomplete():
    found = incomplete()
    found["cases"] = [each for each in found["cases"] if each["op"] == "matmul"]
    for model in models.build([found]):
        assert set(model.sums[0].missing) == {"not every case was run", "only matmul, exp were run"}
    without = record(cases=[each for each in record()["cases"] if each["layer"] != "mlp.up"])
    model = models.build([record(), without])[0]
    assert model.sums[0].complete and model.sums[1].missing == ("mlp.up (matmul) not in this file",)


def test_the_matrix_tells_path_and_correctness():
    table = grid.matrix(record()["cases"])
    cells = {(op, d): cell for op, row in table.rows for d, cell in zip(table.columns, row, strict=True) if cell}
    assert table.columns == ("int8", "float16", "bfloat16", "float32", "float64")
    assert cells["add", "float32"].kind == "native" and cells["add", "float32"].lines[:2] == ("native", "3 right")
    assert cells["logsumexp", "float32"].lines[0] == "decomposition"
    assert cells["cumsum", "float32"].kind == "fallback" and cells["cumsum", "float32"].lines[0] == "FALLBACK"
    assert cells["matmul", "int8"].kind == cells["attention", "float32"].kind == "unsupported"
    assert cells["exp2", "float32"].kind == "incorrect" and "element 17" in cells["exp2", "float32"].title
    assert cells["gelu", "float16"].lines[:2] == ("1 of 4 CRASH", "3 of 4 right")
    assert cells["softmax", "float64"].lines[2].startswith("bound ")
    assert {cell.kind for cell in cells.values()} == set(grid.KINDS) - {"untold"}
    ops = [op for op, _ in table.rows]
    assert ops.index("matmul") < ops.index("softmax") < ops.index("sum") < ops.index("add") < ops.index("cumsum")


def test_the_heat_map_has_a_number_in_each_cell():
    table = grid.heat(record()["cases"])
    cells = {(op, d): cell for op, row in table.rows for d, cell in zip(table.columns, row, strict=True) if cell}
    assert cells["sum", "float32"].text == "72%" and cells["sum", "float32"].below == ""
    assert cells["cumsum", "float64"].fallback and cells["cumsum", "float64"].below == "fallback"
    assert cells["floor", "float32"].text == "no limit" and cells["floor", "float32"].share is None
    assert cells["matmul", "float64"].below == "31% to 80%"
    only = grid.heat([case("add", "float32", "x", 1024, 8192)]).rows[0][1][0]
    assert only.text == "launch" and only.share is None
    assert grid.heat([case("add", "float32", "x", 1e7, 8e7, cache="warm")]).rows == ()
    text = html.render([record()])
    assert text.count("valued hatched") == sum(cell.fallback for cell in cells.values()) == 2


def test_the_limits():
    found = limits.build(record())
    assert [rung.working_set for rung in found.ladder] == sorted(2**k for k in range(14, 28))
    assert [peak.dtype for peak in found.peaks] == ["int8", "float16", "bfloat16", "float32", "float64"]
    by_dtype = {peak.dtype: peak for peak in found.peaks}
    assert by_dtype["float32"].reached == pytest.approx(0.82) and by_dtype["bfloat16"].reached == pytest.approx(0.41)
    assert by_dtype["int8"].reached is None
    notes = dict(found.notes)
    assert notes["dot: no such instructions on this CPU"] == ("int8",)
    assert notes["fma: by a program of accel, not by instructions"] == ("float16",)
    assert [name for name, _ in found.caches] == ["L1", "L2", "L3"]
    lines = {roof.name: roof for roof in limits.roofs(found)}
    assert [name for name, roof in lines.items() if roof.kind == "bandwidth"] == ["memory", "L3", "L2", "L1"]
    assert lines["memory"].value == 2.1e10 and lines["memory"].hard and not lines["L1"].hard
    assert lines["bfloat16 hard"].value == 8.9e11
    gpu = record()
    gpu["device"]["kind"] = "gpu"
    names = [roof.name for roof in limits.roofs(limits.build(gpu)) if roof.kind == "bandwidth"]
    assert names == ["memory", "cache (16 KiB)"]


def test_scales_and_steps():
    scale = svg.Scale(1, 1000, 0, 300, log=True)
    assert [round(scale(v), 9) for v in (1, 10, 1000)] == [0, 100, 300] and scale.per_decade == 100
    assert svg.Scale(0, 10, 200, 0)(5) == 100 and svg.Scale(3, 3, 7, 9)(3) == 7
    assert svg.decades(0.05, 2000) == pytest.approx([0.1, 1, 10, 100, 1000])
    assert svg.steps(160) == [0, 50, 100, 150] and svg.steps(1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])


@given(st.floats(1e-9, 1e18))
def test_steps_are_few_and_round(high):
    found = svg.steps(high)
    assert 2 <= len(found) <= 6 and found[-1] <= high * 1.0001


def test_baselines():
    names = lists.baselines([record()])
    assert names == ["numpy", "torch"]
    rows = dict(lists.against([record()]))
    own = [(r["numpy"], each["id"]) for each in record()["cases"] if each["op"] == "matmul"
           if "numpy" in (r := dict(cases.baseline_ratios(each)))]  # fmt: skip
    numpy, torch = rows["matmul"][0]
    assert numpy.count == len(own) and (numpy.worst, numpy.worst_case) == min(own)
    assert numpy.mean == pytest.approx(cases.geometric_mean([ratio for ratio, _ in own]))
    assert torch.count < numpy.count  # torch has no float16 here, and a note says so
    assert lists.baseline_notes(record())[0][0] == "torch: torch has no such kernel on the CPU"
    assert cases.geometric_mean([1.0, 4.0]) == pytest.approx(2) and cases.geometric_mean([]) is None


def test_statuses_are_counted_and_listed_worst_first():
    rows = lists.not_passed(record())
    assert rows[0]["status"] == "INCORRECT" and len(rows) == sum(e["status"] != "PASS" for e in record()["cases"])
    assert {row["status"] for row in rows} == set(cases.STATUSES) - {"PASS"}
    assert sum(count for _, count in lists.counts(record())) == len(record()["cases"])


def test_the_devices_side_by_side():
    rows = {(card.title, label): (values, differ) for card in view.build([record(), other_device()]).card
            for label, values, differ in card.rows}  # fmt: skip
    assert rows["Device", "name"] == (("cpu", "opencl:0"), True)
    assert rows["Host", "cores"] == (("2", "2"), False)
