"""What docs/scale.md shows is what happens."""

import doctest
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="only in a source folder: docs/ is not installed")


def printed_otherwise(session: str) -> str:
    test, out = doctest.DocTestParser().get_doctest(session, {}, PAGE.name, PAGE.name, 0), io.StringIO()
    doctest.DocTestRunner().run(test, out=out.write)
    return out.getvalue()


def test_the_session_prints_what_is_written():
    found = re.findall(r"^```python\n(>>>.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert found
    for session in found:
        assert printed_otherwise(session) == ""
        assert "Expected" in printed_otherwise(session.replace("True", "False"))
