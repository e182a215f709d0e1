"""The page on records that are made up: every section, every value, and nothing of a record that becomes markup."""

from __future__ import annotations

import json
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.bench.report import case as cases
from accel.bench.report import html, lists, markdown, view
from accel.bench.result import file as result
from accel.errors import AccelError

from .report_page import Page
from .report_records import bare, case, evil, incomplete, no_roofs, other_device, probe, record

SECTIONS = (
    "limits", "matrix", "models", "heat", "roofline", "worst", "ratios", "noise", "statuses", "cases", "device",
)  # fmt: skip


def test_the_parser_finds_tags_that_do_not_fit():
    with pytest.raises(AssertionError):
        Page("<p><b>x</p></b>")
    with pytest.raises(AssertionError):
        Page("<div><p>x</p>")
    with pytest.raises(AssertionError):
        Page('<p class="a" class="b">x</p>')


@pytest.fixture(scope="module")
def one() -> str:
    return html.render([record()])


@pytest.fixture(scope="module")
def two() -> str:
    return html.render([record(), other_device()])


def test_the_records_are_valid():
    for each in (record(), other_device(), record(cases=[])):
        assert result.problems(json.loads(json.dumps(each))) == []


@pytest.mark.parametrize("which", ["one", "two"])
def test_every_section_is_there_in_order_and_linked(which, request):
    page = Page(request.getfixturevalue(which))
    ids = [attributes["id"] for tag, attributes in page.elements if tag == "section"]
    assert tuple(ids) == SECTIONS
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links == [f"#{id}" for id in SECTIONS]
    assert sum(tag == "h1" for tag, _ in page.elements) == 1


@pytest.mark.parametrize("which", ["one", "two"])
def test_nothing_is_fetched(which, request):
    page = Page(request.getfixturevalue(which))
    fetching = {"src", "srcset", "data", "action", "poster", "xlink:href", "formaction", "background"}
    for tag, attributes in page.elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form"), tag
        assert not fetching & set(attributes), (tag, attributes)
        if "href" in attributes:
            assert attributes["href"].startswith("#")
        assert "url(" not in (attributes.get("style") or "")
        assert not any(name.startswith("on") for name in attributes), attributes
    style = re.search(r"<style>(.*?)</style>", request.getfixturevalue(which), re.S).group(1)
    assert "url(" not in style and "@import" not in style
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_every_case_status_and_detail_is_said(one):
    words = Page(one).words
    for each in record()["cases"]:
        assert each["id"] in words
        if each["status"] != "PASS":
            assert each["status"] in words and each["detail"] in words
        if each["hash"]:
            assert each["hash"] in one


def test_the_records_can_be_read_back(two):
    text = re.search(r'<script type="application/json" id="records">(.*?)</script>', two, re.S).group(1)
    assert json.loads(text) == json.loads(json.dumps([record(), other_device()]))


def test_nothing_in_a_record_becomes_markup():
    before, text = Page(html.render([record()])), html.render([evil()])
    page = Page(text)
    assert [a for tag, a in page.elements if tag == "script"] == [a for tag, a in before.elements if tag == "script"]
    assert not any(tag == "img" for tag, _ in page.elements)
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "</script><script>alert(1)" in page.words  # said, as text
    embedded = re.search(r'id="records">(.*?)</script>', text, re.S).group(1)
    assert json.loads(embedded) == json.loads(json.dumps([evil()]))
    assert "<" not in embedded and "&" not in embedded


@given(st.text())
def test_embedded_json_cannot_end_its_element(words):
    text = str(html.embedded([{words: words}]))
    assert "<" not in text and ">" not in text and json.loads(text) == [{words: words}]


INCOMPLETE = {
    "nulls": bare,
    "no probes": no_roofs,
    "no cases": lambda: record(cases=[]),
    "neither": lambda: record(cases=[], probes=[]),
    "one case": lambda: record(cases=[case("add", "float32", "sweep/4", 1e7, 8e7)]),
    "one probe": lambda: record(probes=[probe("read/65536", "read", None, 65536, "B/s", 1e10)]),
    "one rate": lambda: record(probes=[probe("fma/float32", "fma", "float32", None, "op/s", 1e11)]),
    "unknown probe": lambda: record(probes=[probe("chase/65536", "chase", None, 65536, "s", 9e-8)]),
    "equal samples": lambda: record(cases=[case("add", "int8", "x", 1e7, 8e7, samples_s=[1e-3] * 5, flags=["noisy"])]),
    "nothing": dict,
}


@pytest.mark.parametrize("name", INCOMPLETE)
def test_what_is_missing_is_left_open(name):
    page = Page(html.render([INCOMPLETE[name]()]))
    assert [a["id"] for tag, a in page.elements if tag == "section"] == list(SECTIONS)
    assert "None" not in page.words and "nan" not in page.words.lower().split()
    Page(html.render([record(), INCOMPLETE[name]()]))
    text = markdown.render([INCOMPLETE[name](), record()])
    assert "None" not in text and "## Models" in text


def test_no_record_at_all():
    assert "No result file." in Page(html.render([])).words
    assert markdown.render([]).startswith("# ")


def test_a_number_that_json_lacks_is_refused():
    found = record()
    found["cases"][0]["flops"] = float("nan")
    with pytest.raises(AccelError, match="JSON has no form for"):
        html.render([found])


def test_without_jinja2_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(AccelError, match=re.escape('jinja2: pip install --force-reinstall --no-deps "jinja2>=3.1" (')):
        html.render([record()])
    assert markdown.render([record()])


def test_an_incomplete_run_says_so_first():
    text = html.render([incomplete()])
    said = text.index(f"Incomplete: not every case was run; {len(record()['cases'])} cases of 400 in this file.")
    assert said < text.index('<section id="limits">') and "A part of the suite: only ops matmul, exp." in text
    brief = markdown.render([incomplete()])
    assert brief.index("Incomplete: not every case was run") < brief.index("## Summary")
    assert not view.build([incomplete()]).runs[0].complete and view.build([record()]).runs[0].complete
    short = record()
    short["suite"]["cases"] += 1
    assert "in the suite" in view.build([short]).runs[0].warnings[0]


def test_text_can_be_read_on_every_colour_of_the_heat_map():
    for percent in range(140):
        style = html.heat_style(percent / 100)
        colour = [int(n) for n in re.search(r"rgb\((\d+),(\d+),(\d+)\)", style).groups()]
        ink = (0, 0, 0) if "--ink:#000" in style else (255, 255, 255)
        assert html.contrast(colour, ink) >= 4.5, percent
    assert html.contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert html.heat_style(None) == ""


def test_the_roofline_has_a_point_for_each_case_with_arithmetic(one):
    drawn = re.search(r'aria-label="Roofline.*?</svg>', one, re.S).group()
    timed = [each for each in record()["cases"] if cases.timed(each) and each["flops"]]
    points = re.findall(r"<path [^>]*class=\"point[^>]*><title>(.*?)</title>", drawn)
    assert len(points) == len(timed) == len(re.findall('class="point', drawn))
    assert any(point.startswith("sweep/2^24 cumsum float32 cold: ") for point in points)


def test_the_noise_page(one):
    flagged = [each for each in record()["cases"] if set(each["flags"]) & set(cases.NOISE_FLAGS)]
    assert {each["id"] for each in lists.unsteady(record())} == {each["id"] for each in flagged} and len(flagged) == 4
    strips = re.findall(r'class="strip".*?</svg>', one, re.S)
    assert sorted(text.count("<circle") for text in strips) == sorted(len(each["samples_s"]) for each in flagged)
    assert {flag for each in flagged for flag in each["flags"]} >= set(cases.NOISE_FLAGS)


def test_hashes_of_two_machines(two):
    report = view.build([record(), other_device()])
    assert report.differing == 1 and report.same > 100
    (row,) = [row for row in report.hashes if row.verdict == "differs"]
    assert " exp " in row.id
    words = Page(two).words
    assert f"{report.same} of {report.same + 1} results with a hash in two or more files are the same bits" in words
    assert "not in this file" in words
