"""Files that are no results."""

from __future__ import annotations

import json

import pytest
import synthetic

NOT_FILES = [
    ("not JSON", "hello", 2, "not JSON: Expecting value"),
    ("empty", "", 2, "not JSON"),
    ("truncated", None, 2, "not JSON: it ends in the middle"),
    ("NaN", '{"schema": NaN}', 2, "NaN is not a number"),
    ("infinity", '{"schema": 1e999}', 2, "1e999 is not a number"),
    ("huge", '{"schema": ' + "9" * 5000 + "}", 2, "99999999999999999999… is not a number"),
    ("too large", '{"schema": 18446744073709551616}', 2, "18446744073709551616 is not a number"),
    ("half a character", '{"schema": "\\ud800"}', 2, "surrogates not allowed"),
    ("too deep", "[" * 100000, 2, "not JSON"),
    ("another schema", '{"schema": "accel-bench/2"}', 6, "schema 'accel-bench/2', expected 'accel-bench/1'"),
    ("another number", '{"schema": 1}', 6, "schema 1, expected 'accel-bench/1'"),
    ("no schema", "{}", 6, "no schema, expected 'accel-bench/1'"),
    ("a list", "[]", 6, "no schema, expected 'accel-bench/1'"),
    ("only a schema", '{"schema": "accel-bench/1"}', 2, "not a valid result file"),
]


@pytest.fixture(params=NOT_FILES, ids=[row[0] for row in NOT_FILES])
def bad_file(request, tmp_path):
    """A file that is no result, the exit code for it, and what the message says."""
    _, text, code, expected = request.param
    path = tmp_path / "broken.json"
    if text is None:
        whole = json.dumps(synthetic.result())
        text = whole[: len(whole) // 2]
    path.write_text(text, encoding="utf-8")
    return path, code, expected
