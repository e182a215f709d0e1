"""The site: it has every public name, loads nothing from a network, and a mistake in a page fails its building."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NAMESPACES = ("accel", "accel.nn", "accel.linalg", "accel.fft", "accel.special", "accel.random", "accel.optim")
if find_spec("torch") is not None:
    NAMESPACES += ("accel.torch", "accel.torch.distributed")
if find_spec("dask") is not None:
    NAMESPACES += ("accel.dask",)

pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="only in a source folder: docs/ is not installed")


@cache
def api():
    """The module docs/api.py."""
    spec = spec_from_file_location("site_api", DOCS / "api.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def entries() -> dict[str, list[str]]:
    """By name, the texts of its entries on all pages."""
    found: dict[str, list[str]] = {}
    for page in sorted((DOCS / "reference").glob("*.md")):
        text = api().expand(page.read_text(encoding="utf-8"))
        for fence, name, body in re.findall(
            r"^(:{3,})\{py:\w+\} (accel[\w.]*)(.*?)^\1$", text, re.MULTILINE | re.DOTALL
        ):
            assert fence
            found.setdefault(name, []).append(body)
    return found


def test_every_public_name_is_in_the_reference_once():
    expected = {f"{module}.{name}" for module in NAMESPACES for name in api().public(module)}
    assert len(expected) > 400
    assert expected - set(entries()) == set()
    assert {name: len(texts) for name, texts in entries().items() if len(texts) != 1} == {}


def test_an_entry_has_what_the_op_table_knows():
    (matmul,) = entries()["accel.matmul"]
    assert matmul.startswith("(a, b, /, *, dtype=None)\n")
    assert "Class *bound*: float16, bfloat16." in matmul and "`triton.matmul`" in matmul
    assert "Compiled composition" in entries()["accel.nn.softmax"][0]
    (random,) = entries()["accel.random.Generator"]
    assert "{py:method} normal(" in random and "self" not in random.partition("{py:method} normal(")[2].split(")")[0]


def test_text_that_looks_like_markdown_stays_text():
    assert api()._text("e**x and b**2, [0, 1], `a * b`\nSource: it") == [
        r"e\*\*x and b\*\*2, \[0, 1\], `a * b`", "", "Source: it",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, str]:
    """The site, built with two mistakes in a copy of its source: a link to no page, and a page that nothing lists."""
    if find_spec("sphinx") is None:
        pytest.skip("sphinx is not installed: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs", folder / "docs")
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, folder / name)
    start = folder / "docs" / "start.md"
    text = start.read_text(encoding="utf-8")
    start.write_text(text + "\n[nowhere](no-such-page.md)\n[no heading](settings.md#none)\n", encoding="utf-8")
    (folder / "docs" / "alone.md").write_text("# Alone\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", folder / "docs", folder / "site"],
        capture_output=True, encoding="utf-8", timeout=300,
    )  # fmt: skip
    assert done.returncode != 0
    return folder / "site", done.stderr


@pytest.mark.slow
def test_only_the_mistakes_are_warnings(built):
    warnings = re.findall(r"^(\S+?)(?::\d+)?: WARNING: (.*)$", built[1], re.MULTILINE)
    assert sorted((Path(page).name, re.search(r"\[([\w.]+)\]$", text)[1]) for page, text in warnings) == [
        ("alone.md", "toc.not_included"), ("start.md", "myst.xref_missing"), ("start.md", "myst.xref_missing"),
    ]  # fmt: skip


LOADS = re.compile(
    r"""(?:src|href)=["'](?:https?:)?//[^"']+["'][^>]*>|url\((?:["']?)(?:https?:)?//|@import ["']?(?:https?:)?//"""
)


@pytest.mark.slow
def test_a_page_loads_nothing_from_a_network(built):
    """Links that a reader may follow are no loads; scripts, style sheets, pictures and fonts are."""
    assert LOADS.search('<script src="https://cdn.example/x.js"></script>'), "control"
    pages = sorted(built[0].rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        text = re.sub(r"<a\s[^>]*>|<link rel=\"(?:canonical|license)\"[^>]*>", "", page.read_text(encoding="utf-8"))
        assert not LOADS.search(text), page.name
    for style in built[0].rglob("*.css"):
        assert not LOADS.search(style.read_text(encoding="utf-8")), style.name
    assert (built[0] / "searchindex.js").stat().st_size > 100_000


def test_the_figure_says_what_the_result_files_say():
    """README's alternative text has the figures that the drawing was made of, and the drawing is of these files."""
    spec = spec_from_file_location("site_figure", DOCS / "figure.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    first = module.record(module.FIRST[0])
    counts = {name: module.bits(first, module.record(name)) for name, _ in module.OTHERS}
    assert {(c["equal"], c["different"]) for c in counts.values()} == {(77, 0)}
    changed = {**first, "cases": [case | {"hash": "sha256:" + 64 * "0"} for case in first["cases"]]}
    assert module.bits(changed, module.record(module.OTHERS[0][0]))["different"] == 77, "control: other results"
    means = {
        name: [module.geometric_mean(ratios) for ratios in module.times(module.record(name)).values()]
        for name, _ in module.BESIDE
    }
    (gpu,) = means.pop("quick-triton-h200")
    cpu = [mean for each in means.values() for mean in each]
    for page in (ROOT / "README.md", DOCS / "index.md"):
        (alt,) = re.findall(r"!\[(.*)\]\(\S*bits-and-speed.svg\)", page.read_text(encoding="utf-8"))
        assert "77 of 77 compared cases on four devices" in alt
        assert f"{min(cpu):.2f} to {max(cpu):.2f} of theirs, an H200 {gpu:.2f} of torch's" in alt
    drawn = (DOCS / "_static" / "bits-and-speed.svg").read_text(encoding="utf-8")
    assert drawn == module.figure(), "stale: run python docs/generate.py"
    assert drawn.count("77 of 77") == 4 and f">{gpu:.2f}x<" in drawn
    assert "prefers-color-scheme:dark" in drawn and 'role="img"' in drawn


def undescribed(page: str, names: set[str]) -> set[str]:
    """Classes of errors without a row in the page's table, or without a section with their cause and remedy."""
    table, *sections = re.split(r"^## ", page, flags=re.MULTILINE)
    rows = " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| ["))
    told = {
        name
        for section in sections
        if "**Cause.**" in section and "**Remedy.**" in section
        for block in re.findall(r"^```\{api\}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        for name in re.findall(r"\w+", block)
    }
    return {name for name in names if f"`{name}`" not in rows or name not in told}


def test_the_catalogue_has_every_class_of_errors():
    errors = import_module("accel.errors")
    names = {name for name, value in vars(errors).items() if getattr(value, "__module__", "") == errors.__name__}
    names = {name for name in names if name[0].isupper() and name != "AccelError"} | {"FallbackWarning"}
    page = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
    assert len(names) > 14 and undescribed(page, names) == set()
    assert undescribed(page.replace("[`RankError`]", "[`RankErrors`]"), names) == {"RankError"}, "control: no row"
    assert undescribed(page.replace("accel: RankError", "accel:"), names) == {"RankError"}, "control: no section"
    cut = page.replace("**Remedy.** `accel.linalg.pinv`", "`accel.linalg.pinv`")
    assert undescribed(cut, names) == {"LinAlgError"}, "control: no remedy"


def unlisted(page: str, listed: dict[str, list[re.Pattern[str]]]) -> list[str]:
    """Messages that a page shows and that are not among those listed for their class."""
    shown = re.findall(r"^(?:accel\.errors\.)?(\w+Error): (?!\.\.\.$)(.*)$", page, re.MULTILINE)
    assert len(shown) > 15
    return [text for name, text in shown if not any(m.fullmatch(text) for m in listed.get(name, []))]


def test_every_message_that_is_shown_is_listed():
    """The list of messages is read from the sources, these from what examples raised."""
    page = (DOCS / "reference" / "messages.md").read_text(encoding="utf-8")
    listed: dict[str, list[re.Pattern[str]]] = {}
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        texts = re.findall(r"^\| (`+) ?(.*?) ?\1 \|", section, re.MULTILINE)
        parts = [re.split(r"\{[^}]*\}", text.replace("\\|", "|")) for _, text in texts]
        listed[section.split()[0]] = [re.compile(".*".join(map(re.escape, each)), re.DOTALL) for each in parts]
    assert sum(map(len, listed.values())) > 800
    errors = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
    assembled = ["elements cannot be read while a function is traced", "take: indices: 5 is out of range"]
    missing = unlisted(errors, listed)
    assert all(any(text.startswith(part) for part in assembled) for text in missing) and len(missing) == len(assembled)
    other = errors.replace("columns meet", "columns met").replace("errors.RangeError", "errors.AxisError")
    assert len(unlisted(other, listed)) == len(missing) + 2, "control: other words, and another class"


def unknown(text: str) -> set[str]:
    """Names ``accel.x`` in code that are none. A trailing dot or star stands for what follows."""
    names = {name.rstrip(".") for name in re.findall(r"(?<![\w/.@-])accel(?:\.\w+)+\.?(?!\w|\.?\*)", text)}
    return {name for name in names if not resolves(name)}


def resolves(name: str) -> bool:
    words = name.split(".")
    value = import_module(words[0])
    for n, word in enumerate(words[1:], 2):
        if not hasattr(value, word):
            try:
                import_module(".".join(words[:n]))
            except ModuleNotFoundError:
                return False
        value = getattr(value, word)
    return True


def test_every_name_that_a_page_mentions_is_there():
    assert unknown("`accel.nn.softmax(x)` and `accel.nn.softmaxx`, accel.sums") == {"accel.nn.softmaxx", "accel.sums"}
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        assert unknown(" ".join(re.findall(r"`[^`\n]+`", text))) == set(), page.name
