"""The source distribution is the whole source tree with its commit, which is also that of what is built from it."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from email import message_from_string
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import pytest

from accel.packages import DISTRIBUTION

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.skipif(shutil.which("git") is None, reason="needs git, which is not installed"),
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only in a checkout, whose tracked files it compares with"),
    pytest.mark.skipif(find_spec("pybind11") is None, reason="needs pybind11, with which accel is built"),
]

LEFT_OUT = ("bench/results/",)
"""What is tracked and not distributed: megabytes of published results."""


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"]
    return run("git", *names, *arguments, folder=folder)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A checkout of the tracked files as they are now."""
    folder = tmp_path_factory.mktemp("source")
    for name in git(ROOT, "ls-files", "-z").split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith(LEFT_OUT):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / "bench/results").mkdir()
    (folder / "bench/results/result.json").write_text("{}", encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


@pytest.fixture(scope="module")
def unpacked(source, tmp_path_factory) -> Path:
    """The source distribution's tree."""
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", str(folder), folder=source)
    (packed,) = folder.glob("accel_ops-*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    (tree,) = (path for path in folder.iterdir() if path.is_dir())
    return tree


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_it_holds_every_tracked_file_and_no_other(source, unpacked):
    tracked = {name for name in git(source, "ls-files").split() if not name.startswith(LEFT_OUT)}
    made = {"PKG-INFO", "setup.cfg", "commit.json"}
    found = {name for name in files(unpacked) if ".egg-info/" not in name}
    assert found - made == tracked
    assert made <= found


def test_what_is_built_of_it_knows_the_commit(source, unpacked, tmp_path):
    commit = git(source, "rev-parse", "HEAD").strip()
    run(sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", str(tmp_path), folder=unpacked)
    (left,) = tmp_path.glob("accel/bench/**/commit.json")
    assert json.loads(left.read_text(encoding="utf-8")) == {"commit": commit, "dirty": False}
    run(sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", str(tmp_path), folder=unpacked)
    (again,) = tmp_path.glob("accel_ops-*.tar.gz")
    with tarfile.open(again) as archive:
        name = f"{again.name.removesuffix('.tar.gz')}/commit.json"
        assert json.load(archive.extractfile(name))["commit"] == commit, "of a source distribution of it too"


def test_its_page_on_an_index_has_no_link_that_leads_nowhere(unpacked):
    metadata = message_from_string((unpacked / "PKG-INFO").read_text(encoding="utf-8"))
    assert metadata["Name"] == "accel-ops"
    assert metadata["License-Expression"] == "Apache-2.0"
    page = metadata.get_payload()
    assert "## New hardware" in page and "docs/ops.md" in page
    assert "](" not in page.replace("](http", "")
    assert "](docs/ops.md)" in (unpacked / "README.md").read_text(encoding="utf-8"), (
        "the control: README has such links"
    )


def test_what_is_installed_has_this_name():
    assert distribution(DISTRIBUTION).metadata["Name"] == "accel-ops"


COMPILER = """#!/bin/bash
# stands for the compiler and the linker: makes the file that -o names, and the list of what an object is made from
while [ $# -gt 0 ]; do if [ "$1" = -o ]; then touch "$2"; echo "x: $0" >"${2%.o}.d"; fi; shift; done
"""


@pytest.fixture
def build(unpacked, tmp_path):
    """Compiles with the stand-in, and gives the lines that are printed."""
    compiler = tmp_path / "compiler"
    compiler.write_text(COMPILER, encoding="utf-8")
    compiler.chmod(0o755)
    folders = ["--build-temp", str(tmp_path / "temp"), "--build-lib", str(tmp_path / "lib")]
    command = [sys.executable, "setup.py", "--quiet", "build_ext", *folders]

    def build(isa: str) -> list[str]:
        names = [f"CC={compiler}", f"CXX={compiler}", f"ACCEL_BUILD_ISA={isa}"]
        return run("env", *names, *command, folder=unpacked).splitlines()

    return build


def test_compiling_says_how_far_it_is(build, unpacked):
    lines = build("all")
    said = [line.split() for line in lines if line.startswith("compiling ")]
    assert sorted(int(words[1]) for words in said) == list(range(1, len(said) + 1))
    assert {words[3] for words in said} == {str(len(said))}
    sources = {words[4] for words in said}
    assert {"csrc/families/matmul.cpp", "csrc/core/door.cpp"} <= sources
    assert all((unpacked / source).is_file() for source in sources)
    shares = [int(words[words.index("%,") - 1]) for words in said if "%," in words]
    assert len(shares) > len(said) / 2 and shares == sorted(shares) and 0 < shares[0] < 30 < 90 < shares[-1] < 100
    slow = [number for number, words in enumerate(said) if words[4].endswith(("families/folds.cpp", "/functions.cpp"))]
    assert slow == list(range(len(slow))) != [], "what takes longest comes first"
    assert lines[-1].startswith(f"compiled {len(said)} files in ")
    assert build("all") == [], "nothing is compiled twice"


def test_what_is_not_asked_for_is_not_compiled(build, tmp_path):
    lines = build("baseline")
    assert {line.split()[5] for line in lines if "families/" in line} == {"(baseline)"}
    assert not any("csrc/isa/" in line for line in lines)
    (written,) = (tmp_path / "temp").rglob("isas.hpp")
    assert re.findall(r"ACCEL_HAS_\w+", written.read_text(encoding="utf-8")) == ["ACCEL_HAS_BASELINE"]


CHOSEN = """
import json, runpy, sys
asked = json.loads(sys.argv.pop())
sys.argv[1:] = ["--quiet", "--name"]
chosen_isas = runpy.run_path("setup.py")["chosen_isas"]
chosen = []
for wanted, code in asked:
    try:
        chosen.append(list(chosen_isas(wanted, [sys.executable, "-c", code])))
    except SystemExit as refused:
        chosen.append(str(refused))
print(json.dumps(chosen))
"""
AVX2 = "__SSE2__ __AVX2__ __FMA__ __F16C__"
AVX512 = f"{AVX2} __AVX512F__ __AVX512BW__ __AVX512DQ__ __AVX512VL__"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the names are those of x86-64's instruction sets")
def test_which_instruction_sets_are_compiled(source):
    """Those of this machine where the compiler says what that has, else all; or those that the variable names."""

    def says(names: str) -> str:
        return f"print(*('#define ' + name + ' 1' for name in {names.split()!r}), sep=chr(10))"

    every = ["baseline", "avx2", "avx512"]
    cases = [
        ("all", says(""), every),
        ("avx512", says(AVX2), ["baseline", "avx512"]),
        ("avx2, baseline", says(""), ["baseline", "avx2"]),
        ("native", says(AVX2), ["avx2"]),
        ("native", says(AVX512), ["avx512"]),
        ("native", says(AVX512.replace(" __AVX512VL__", "")), ["avx2"]),
        ("native", says("__SSE2__"), ["baseline"]),
        ("native", says(""), every),
        ("native", f"{says(AVX2)}; raise SystemExit(1)", every),
        ("avx2,sse9", says(AVX2), "ACCEL_BUILD_ISA=avx2,sse9: no instruction set 'sse9' of x86_64; expected native, "
         "all, or some of baseline, avx2, avx512"),
        ("", says(AVX2), "ACCEL_BUILD_ISA=: no instruction set '' of x86_64; expected native, all, or some of "
         "baseline, avx2, avx512"),
    ]  # fmt: skip
    asked = json.dumps([case[:2] for case in cases])
    assert json.loads(run(sys.executable, "-c", CHOSEN, asked, folder=source).splitlines()[-1]) == [c[2] for c in cases]


def test_what_the_commands_write_is_not_committed(source):
    written = ["accel-bench-quick-cpu.json", "sub/accel-bench-cpu.json", "accel-bench-quick-cpu.json.journal"]
    written += ["gpu-report-20260101-000000.tar.gz", "demo-output/china-compressed.png"]
    assert git(source, "check-ignore", *written).split() == written
    kept = ["bench/results/quick-cpu.json", "docs/bench.md"]
    assert subprocess.run(["git", "check-ignore", *kept], cwd=source, capture_output=True).returncode == 1
