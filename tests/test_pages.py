"""What README.md and the pages of the site show is what happens: their blocks run, and their output is compared.

A page is followed from its top to its end, in a folder of its own, which has bench/ as a clone has. By kinds of blocks:

    python     with ``>>>``: a session, in doctest's form. One that imports begins anew, others go on with its names.
               Without: a file, whose name is the comment in its first line; toml likewise
    console    lines ``$ accel ...`` and ``$ python ...``, each with its output; ``...`` stands for anything. The exit
               code is 0, or what ``$ echo $?`` prints after it
    text       what is no code: a drawing, a form
    shell      commands that change the machine (pip, make), which do not run

NOT_RUN names the pages of which only the sessions run.
"""

from __future__ import annotations

import doctest
import io
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path

import pytest

import accel
from accel.cli import run

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
pytestmark = pytest.mark.skipif(not README.exists(), reason="only in a source folder: README.md is not installed")
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
NOT_RUN = {"README.md"}
"""Pages of which only the sessions run here: some of README's commands take minutes, the others are repeated below."""

SLOW = {"docs/howto/tune.md"}
"""Pages whose commands start processes of their own."""

FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CHECKER, FLAGS = doctest.OutputChecker(), doctest.ELLIPSIS


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(text: str) -> list[tuple[str, str]]:
    """(kind, text) of every fenced block."""
    return FENCE.findall(text)


class Reader:
    """Someone who follows a page in a folder.

    wrong: what came out otherwise than it is written. left: what could not be done here, and why. done: blocks that
    were followed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.names = folder, {}
        self.wrong: list[str] = []
        self.left: list[str] = []
        self.done, self.lacks, self.code, self.packages = 0, None, 0, False

    def follow(self, text: str, commands: bool = True) -> None:
        """Follows all blocks of a page; its sessions only, where commands is False."""
        for kind, block in blocks(text):
            if kind == "python" and ">>>" in block:
                self.session(block)
            elif kind in ("python", "toml") and commands:
                self.file(block)
            elif kind == "console" and commands:
                self.console(block)

    def session(self, block: str) -> None:
        imports = re.findall(r"^>>> (?:import|from) (.*)$", block, re.MULTILINE)
        if imports:
            self.names, self.lacks = {}, missing(block)
            self.left += [self.lacks] if self.lacks else []
        if self.lacks:
            return
        self.done += 1
        test = doctest.DocTestParser().get_doctest(block, self.names, "page", "page", 0)
        out = io.StringIO()
        doctest.DocTestRunner(optionflags=FLAGS).run(test, out=out.write, clear_globs=False)
        self.names = test.globs
        self.wrong += [out.getvalue()] if out.getvalue() else []

    def file(self, block: str) -> None:
        self.done += 1
        name = re.match(r"# (\S+)", block)
        assert name, f"a block that is neither a session nor begins with a file's name: {block}"
        path = self.folder / name[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block, encoding="utf-8")
        if path.name == "pyproject.toml":
            self.install(tomllib.loads(block)["project"])

    def install(self, project: dict) -> None:
        """What pip would write for a package of the folder: its name and entry points. The folder is on the path."""
        self.packages = True
        metadata = self.folder / f"{project['name']}-{project['version']}.dist-info"
        metadata.mkdir()
        about = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        (metadata / "METADATA").write_text(about, encoding="utf-8")
        lines = []
        for group, points in project["entry-points"].items():
            lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
        (metadata / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")

    def console(self, block: str) -> None:
        steps = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
        lacks = None if self.packages else self.lacks or missing(block)  # a page's own backend is not of this process
        if lacks:
            self.left += [lacks]
            return
        self.done += 1
        for n, (command, wanted) in enumerate(steps):
            told = n + 1 < len(steps) and steps[n + 1][0] == "echo $?"
            got = f"{self.code}\n" if command == "echo $?" else self.shell(command)
            if self.code and not told and command != "echo $?":
                self.wrong.append(f"{command}: exit code {self.code}\n{got}")
            elif wanted and not CHECKER.check_output(wanted, got, FLAGS):
                self.wrong.append(f"{command}\nExpected:\n{wanted}\nGot:\n{got}")

    def shell(self, command: str) -> str:
        """What a command prints, on stdout and stderr. It runs in this process, which has imported accel already, where
        no variable is set and no package was made."""
        words, variables = shlex.split(command), {}
        while re.fullmatch(r"[A-Z_]+=.*", words[0]):
            name, _, variables[name] = words.pop(0).partition("=")
        if not variables and not self.packages and (words[0] == "accel" or words[1].endswith(".py")):
            printed = io.StringIO()
            with redirect_stdout(printed), redirect_stderr(printed):
                self.code = run(words[1:]) if words[0] == "accel" else program(words[1:])
            return printed.getvalue()
        paths = filter(None, (str(self.folder), os.environ.get("PYTHONPATH")))
        here = os.environ | variables | {"PYTHONPATH": os.pathsep.join(paths)}
        call = {"python": [sys.executable], "accel": [sys.executable, "-m", "accel"]}[words[0]] + words[1:]
        done = subprocess.run(
            call, env=here, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=300
        )
        self.code = done.returncode
        return done.stdout


def program(words: list[str]) -> int:
    """Runs a program by its file's name and arguments, and returns its exit code."""
    given, sys.argv = sys.argv, words
    try:
        runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        return end.code or 0
    finally:
        sys.argv = given
    return 0


def missing(block: str) -> str | None:
    """What a block needs that is not there: a package that it imports, a device that it names."""
    named = re.findall(r"^>>> import (.*)$", block, re.MULTILINE)
    named += re.findall(r"^>>> from (\S+) ", block, re.MULTILINE)
    for name in (word.split()[0] for line in named for word in line.split(", ")):
        if find_spec(name.partition(".")[0]) is None:
            return f"{name} is not installed"
    for name in re.findall(r'(?:device="|--device |ACCEL_DEVICE=)([\w:.-]+)', block):
        try:
            accel.device(name)
        except accel.AccelError as error:
            return str(error)
    return None


@pytest.mark.parametrize(
    "page", [pytest.param(p, marks=[pytest.mark.slow] * (name_of(p) in SLOW), id=name_of(p)) for p in PAGES]
)
def test_a_page_can_be_followed(page, tmp_path, monkeypatch):
    (tmp_path / "bench").symlink_to(ROOT / "bench")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCEL_DEVICE", "cpu")  # of processes; pages are written for a machine without a GPU
    reader = Reader(tmp_path)
    with accel.config(device="cpu"):
        reader.follow(page.read_text(encoding="utf-8"), commands=name_of(page) not in NOT_RUN)
    assert not reader.wrong, "\n".join(reader.wrong)
    if reader.left:
        pytest.skip(f"{reader.done} blocks were followed; not the others: {'; '.join(dict.fromkeys(reader.left))}")


PAGE = """
```python
>>> import numpy, accel
>>> total = accel.sum(numpy.ones(3))
```
```python
>>> float(total)
3.0
```
```python
# program.py
import sys

sys.exit(int(sys.argv[1]))
```
```console
$ accel --version
accel ... (bit contract 1)
$ python program.py 4
$ echo $?
4
$ GREETING=hello python -c "import os; print(os.environ['GREETING'])"
hello
```
"""


@pytest.mark.parametrize(
    ("written", "changed"),
    [("3.0", "3.1"), ("contract 1", "contract 0"), ("\n4\n", "\n5\n"), ("$ echo $?\n4\n", ""), ("\nhello\n", "\nhi\n")],
)
def test_a_page_that_is_wrong_is_seen(tmp_path, monkeypatch, written, changed):
    """Its control: a page as it is, and with one thing changed."""
    monkeypatch.chdir(tmp_path)
    right, wrong = Reader(tmp_path), Reader(tmp_path)
    right.follow(PAGE)
    assert (right.wrong, right.left, right.done) == ([], [], 4)
    assert PAGE.count(written) == 1
    wrong.follow(PAGE.replace(written, changed))
    assert len(wrong.wrong) == 1


def test_what_is_not_there_is_said(tmp_path):
    reader = Reader(tmp_path)
    reader.follow("```python\n>>> import numpy, no_such_package\n>>> 1\n2\n```\n```python\n>>> 1\n3\n```\n")
    assert reader.left == ["no_such_package is not installed"] and (reader.done, reader.wrong) == (0, [])
    assert "opencl:99" in missing("$ accel devices --device opencl:99")


def test_every_block_is_of_a_kind_that_is_followed():
    kinds = {"python", "toml", "console", "text", "shell"}
    for page in PAGES:
        if name_of(page) not in NOT_RUN:
            found = blocks(page.read_text(encoding="utf-8"))
            other = {kind for kind, _ in found if not kind.startswith("{")} - kinds
            assert not other, f"{name_of(page)}: {other}"
            for line in (line for kind, block in found if kind == "shell" for line in block.splitlines()):
                assert re.match(r"\$ (pip|make|git|cd|\.) ", line), f"{name_of(page)}: {line}"
    there = {name_of(page) for page in PAGES}
    assert there >= NOT_RUN


SHOWN = [
    (command.removeprefix("$ accel "), output)
    for kind, block in (blocks(README.read_text(encoding="utf-8")) if README.exists() else [])
    if kind == "console"
    for command, output in re.findall(r"^(\$ accel .*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
]
"""Commands of README.md with the outputs that stand below them."""

REPEATED = [shown for shown in SHOWN if shown[0].split()[0] in ("explain", "bench") and "example:0" not in shown[0]]
"""Those whose output does not depend on the machine, or on another package."""


@pytest.mark.parametrize(("command", "output"), REPEATED, ids=[command for command, _ in REPEATED])
def test_a_command_prints_what_is_written(command, output, monkeypatch):
    monkeypatch.chdir(ROOT)
    words, _, last = command.partition(" | tail -")
    printed = io.StringIO()
    with redirect_stdout(printed):
        run(shlex.split(words))
    lines = printed.getvalue().splitlines()
    assert lines[-int(last) if last else 0 :] == output.splitlines()


def test_there_are_commands_to_repeat():
    assert {command.split()[0] for command, _ in REPEATED} == {"explain", "bench"}
