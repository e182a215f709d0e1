"""The brief report for an issue, and the command."""

from __future__ import annotations

import copy
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.bench.report import html, markdown
from accel.cli import run

from .report_records import evil, record


def test_nothing_in_a_record_becomes_markdown():
    text = markdown.render([evil()])
    without_code = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    without_commands = re.sub(r"(?m)^    .*$", "", without_code)
    assert "<script" not in without_commands and "@everyone" not in without_commands
    rows = [line for line in text.splitlines() if line.startswith("|")]
    for table in re.split(r"\n\n", "\n".join(line if line.startswith("|") else "" for line in text.splitlines())):
        lines = [line for line in table.splitlines() if line]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) <= 1, lines[:3]
    assert len(rows) > 20


@given(st.text(min_size=1))
def test_a_code_span_holds_any_text(words):
    span = markdown.code(words)
    assert "\n" not in span and not re.search(r"(?<!\\)\|", span)
    shown = " ".join(words.split())
    assert (span == "") is (shown == "")
    if shown:
        fence = re.match("`+", span).group()
        assert span.endswith(fence) and fence not in re.split("(?<!`)" + fence + "(?!`)", span)[1]


def test_markdown_is_brief_and_short_enough():
    text = markdown.render([record()])
    for title in ("Summary", "Limits", "Statuses", "Ten worst", "Models"):
        assert f"\n## {title}" in text
    assert "accel bench run --suite core --case 'sweep/2^20 abs float32 cold' --device cpu" in text
    assert "incomplete: `attention.scores (attention) UNSUPPORTED`" in text
    many = record()
    failed = next(each for each in many["cases"] if each["status"] == "CRASH")
    many["cases"] += [{**copy.deepcopy(failed), "id": f"case {n} " + "x" * 200} for n in range(1000)]
    long = markdown.render([many] * 5)
    assert len(long.encode()) < markdown.LIMIT and re.search(r"and \d+ more, in the file", long)
    assert len(markdown.render([many] * 30).encode()) < markdown.LIMIT


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(record()), encoding="utf-8")
    return path


def test_the_command_writes_both_formats(file, tmp_path, capsys):
    page, brief = tmp_path / "report.html", tmp_path / "report.md"
    assert run(["bench", "report", str(file), "-o", str(page)]) == 0
    assert run(["bench", "report", str(file), str(file), "-o", str(brief)]) == 0
    assert page.read_text(encoding="utf-8") == html.render([record()]) and brief.read_text(
        encoding="utf-8"
    ) == markdown.render([record()] * 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.md", "result.json"]
    capsys.readouterr()
    for form, text in (([], markdown), (["--format", "markdown"], markdown), (["--format", "html"], html)):
        assert run(["bench", "report", str(file), *form]) == 0
        assert capsys.readouterr().out == text.render([record()])


@pytest.mark.parametrize(
    "arguments, said",
    [
        ([], "FILE"),
        (["{file}", "-o", "{folder}/report.pdf"], "no suffix that tells the format; expected .html"),
        (["{file}", "-o", "{folder}/none/report.html"], "none/report.html: No such file"),
        (["{file}", "-o", "{file}", "--format", "html"], "it would be lost"),
        (["{folder}/none.json", "-o", "{folder}/report.html"], "none.json"),
        (["{folder}/broken.json", "-o", "{folder}/report.html"], "broken.json"),
        (["{file}", "--format", "pdf"], "'html', 'markdown'"),
    ],
)
def test_bad_arguments(file, tmp_path, capsys, arguments, said):
    (tmp_path / "broken.json").write_text('{"schema": "accel-bench/1", "cases": [', encoding="utf-8")
    code = run(["bench", "report", *(word.format(file=file, folder=tmp_path) for word in arguments)])
    assert code == 2 and said in capsys.readouterr().err
    assert json.loads(file.read_text(encoding="utf-8")) == json.loads(json.dumps(record()))
    assert not list(tmp_path.glob("*.html")) and not list(tmp_path.glob(".*"))
