"""Remedies name packages, never this library by the name that is another project's on the public index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from accel import packages

METADATA = """\
Metadata-Version: 2.4
Name: Plug_In
Version: 1.0
Requires-Dist: numpy>=1
Requires-Dist: numpy>=1.2; extra == "there"
Requires-Dist: numpy<1; extra == "old"
Requires-Dist: no-such-package<3,>=2; extra == "lacking"
Requires-Dist: no-other-package; python_version < "3" and extra == "lacking"
Requires-Dist: no-other-package; python_version < "3" and extra == "elsewhere"
Requires-Dist: plug.in[lacking,there]; extra == "both"
"""


@pytest.fixture(autouse=True)
def plug_in(tmp_path, monkeypatch) -> None:
    """A distribution whose name is written in three ways."""
    folder = tmp_path / "plug_in-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(METADATA, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize(
    ("extra", "names", "line"),
    [
        ("lacking", (), 'pip install "no-such-package<3,>=2"'),
        ("old", (), 'pip install "numpy<1"'),
        ("both", (), 'pip install "no-such-package<3,>=2"'),
        ("both", ("numpy",), 'pip install --force-reinstall --no-deps "numpy>=1.2"'),
        ("there", (), 'pip install --force-reinstall --no-deps "numpy>=1.2"'),
        ("elsewhere", (), "none: the extra 'elsewhere' of plug-in has nothing for this machine"),
    ],
)
def test_a_remedy_names_what_is_missing(extra, names, line):
    assert packages.remedy(extra, *names, owner="plug-in") == line


def test_run_from_source_there_are_no_metadata():
    assert (
        packages.remedy("opencl", owner="not-installed") == 'pip install ".[opencl]" in the folder of accel\'s sources'
    )


def test_every_extra_of_this_library_can_be_read():
    extras = packages.distribution(packages.DISTRIBUTION).metadata.get_all("Provides-Extra")
    assert {"opencl", "opencl-cpu", "triton", "torch", "demo", "bench", "test"} <= set(extras)
    for extra in extras:
        assert packages.asked(extra), extra
        assert "accel" not in packages.remedy(extra)


STRANGER = re.compile(
    r"""(pip install|(dependencies|requires)\s*=)[^\n`]*?["'\s]accel(?![-\w./])|accel\[\s*(\w|\$\()[-\w,$()]*\]"""
)
"""The public index's `accel`, asked for by name or with an extra."""

ROOT = Path(__file__).parents[2]
TEXTS = (".py", ".md", ".toml", ".txt", ".sh", ".json", ".j2", ".yml", "")


@pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="only in a source folder")
def test_nothing_asks_the_index_for_another_projects_package():
    own = [path for name in ("src", "bench", "docs", "tests", "kernels", ".ci") for path in (ROOT / name).rglob("*")]
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in [*own, *ROOT.glob("*")]
        if path.is_file() and path.suffix in TEXTS and "results" not in path.parts and path != Path(__file__)
        for match in STRANGER.finditer(path.read_text(encoding="utf-8", errors="replace"))
    }
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        'pip install "accel[opencl]"',
        "pip install --no-deps accel,",
        "pip install -U accel",
        "needs accel[opencl-cpu]",
        'dependencies = ["accel", "numpy"]',
        '$(PIP) "accel[$(EXTRAS)]"',
    ],
)
def test_the_search_finds(text):
    """Its control."""
    assert STRANGER.search(text)


@pytest.mark.parametrize(
    "text", ["pip install accel-ops", "pip install ./accel-example-backend", "accel['commit'][:12]"]
)
def test_the_search_leaves_out(text):
    assert not STRANGER.search(text)
