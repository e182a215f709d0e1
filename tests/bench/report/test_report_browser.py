"""The page in a browser: no wider than the screen, not blank, light and dark, and the comfort of its JavaScript.

Headless Chromium has no window narrower than 500 pixels: the page stands in a frame as wide as the screen in question,
which to its style sheet is the screen.
"""

from __future__ import annotations

import html as markup
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from accel.bench.report import html

from .report_records import evil, other_device, probe, record

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: apt-get install chromium")

TOP = """<!DOCTYPE html><html><head><meta charset="utf-8"></head><body style="margin:0;display:flex;width:max-content">
<script>
var found = {{}};
function loaded(frame) {{
  var page = frame.contentDocument;
  found[frame.id] = (function () {{ {script} }})();
  document.body.dataset.found = JSON.stringify(found);
}}
</script>
"""
FRAME = """<iframe id="{id}" onload="loaded(this)" style="border:0;width:{width}px;height:{height}px" srcdoc="{page}">
</iframe>"""

MEASURE = """
page.querySelectorAll("details").forEach(function (part) { part.open = true; });
var root = page.documentElement;
return {page: root.scrollWidth, screen: root.clientWidth};
"""

COMFORT = """
var column = page.querySelectorAll("#ratios thead tr:last-child th")[1], body = page.querySelector("#ratios tbody");
function order() { return Array.from(body.rows, function (row) { return row.cells[1].textContent; }); }
var start = order();
column.querySelector("button").click();
var down = order();
column.querySelector("button").click();
var up = order(), field = page.querySelector("#cases input");
field.value = "softmax warm-or-cold";
field.dispatchEvent(new Event("input"));
var none = page.querySelectorAll("#cases tbody tr:not([hidden])").length;
field.value = "softmax float64";
field.dispatchEvent(new Event("input"));
return {start: start, down: down, up: up, none: none,
        some: page.querySelectorAll("#cases tbody tr:not([hidden])").length};
"""


NAMES = """
function corners(name) {
  var box = name.getBBox(), matrix = name.getScreenCTM();
  return [[box.x, box.y], [box.x + box.width, box.y], [box.x + box.width, box.y + box.height],
          [box.x, box.y + box.height]].map(function (p) {
    return [matrix.a * p[0] + matrix.c * p[1] + matrix.e, matrix.b * p[0] + matrix.d * p[1] + matrix.f];
  });
}
function apart(one, other) {  // two rectangles are, if a side of one of them separates them
  return [one, other].some(function (shape) {
    return [0, 1].some(function (n) {
      var axis = [shape[n][1] - shape[n + 1][1], shape[n + 1][0] - shape[n][0]];
      var ends = [one, other].map(function (s) {
        var places = s.map(function (p) { return p[0] * axis[0] + p[1] * axis[1]; });
        return [Math.min.apply(null, places), Math.max.apply(null, places)];
      });
      return ends[0][1] <= ends[1][0] || ends[1][1] <= ends[0][0];
    });
  });
}
var names = Array.from(page.querySelectorAll("#roofline .roof-name")), touching = [];
names.forEach(function (one, n) {
  names.slice(n + 1).forEach(function (other) {
    if (one.ownerSVGElement === other.ownerSVGElement && !apart(corners(one), corners(other)))
      touching.push(one.textContent + " and " + other.textContent);
  });
});
var outside = names.filter(function (name) {
  var box = name.ownerSVGElement.getBoundingClientRect(), own = name.getBoundingClientRect();
  return own.left < box.left || own.right > box.right || own.top < box.top || own.bottom > box.bottom;
}).map(function (name) { return name.textContent; });
return {names: names.map(function (name) { return name.textContent; }), touching: touching, outside: outside};
"""


def browse(folder: Path, *arguments: str) -> str:
    """Runs the browser without a network and returns what it prints."""
    command = [
        BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
        "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}",
        *arguments,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def framed(folder: Path, pages: dict[str, tuple[str, int]], script: str = "return null;", height: int = 900) -> str:
    """The address of a page that holds pages, each in a frame of its width."""
    path = folder / "frames.html"
    frames = (FRAME.format(id=id, width=w, height=height, page=markup.escape(p)) for id, (p, w) in pages.items())
    path.write_text(TOP.format(script=script) + "".join(frames) + "</body></html>", encoding="utf-8")
    return path.as_uri()


def evaluate(folder: Path, pages: dict[str, tuple[str, int]], script: str) -> dict[str, dict]:
    """What a script says of each of the pages at its width."""
    dom = browse(folder, "--dump-dom", "--window-size=1400,900", framed(folder, pages, script))
    found = json.loads(markup.unescape(re.search(r'<body[^>]* data-found="([^"]*)"', dom).group(1)))
    assert set(found) == set(pages)
    return found


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {
        "one": html.render([record()]),
        "two": html.render([record(), other_device()]),
        "evil": html.render([evil()]),
        "none": html.render([]),
    }


def test_the_page_is_no_wider_than_the_screen(pages, tmp_path):
    shown = {f"two-{width}": (pages["two"], width) for width in (1280, 768, 360)}
    shown |= {f"{name}-360": (pages[name], 360) for name in ("one", "evil", "none")}
    shown["too-wide"] = pages["none"].replace("</main>", '<p style="width:400px">wide</p></main>'), 360
    found = evaluate(tmp_path, shown, MEASURE)
    assert all(found[id]["screen"] == width for id, (_, width) in shown.items())
    wider = {id: found[id]["page"] for id, (_, width) in shown.items() if found[id]["page"] > width}
    assert list(wider) == ["too-wide"], wider


def test_tables_sort_and_filter(pages, tmp_path):
    found = evaluate(tmp_path, {"one": (pages["one"], 1280)}, COMFORT)["one"]
    numbers = [float(text.rstrip("×±")) for text in found["start"]]
    assert [float(text.rstrip("×±")) for text in found["down"]] == sorted(numbers, reverse=True)
    assert [float(text.rstrip("×±")) for text in found["up"]] == sorted(numbers)
    assert found["none"] == 0 and found["some"] == 1


def crowded() -> dict:
    """A device whose caches and compute rates are nearly equal: 16 lines within a factor of two."""
    found = record()
    found["probes"] = [
        probe(f"fma/{dtype}", kind, dtype, None, "op/s", 2e11 * (1 + 0.04 * n))
        for n, dtype in enumerate(("int8", "float16", "bfloat16", "float32", "float64", "int16"))
        for kind in ("fma", "matmul")
    ]
    found["probes"] += [
        probe(f"read/{size}", "read", None, size, "B/s", rate)
        for size, rate in ((16 << 10, 2e11), (256 << 10, 1.7e11), (8 << 20, 1.4e11), (128 << 20, 1.2e11))
    ]
    return found


def test_the_names_of_the_roofline_do_not_overlap(pages, tmp_path):
    page = html.render([crowded()])
    name = re.search(r'<text[^>]*class="roof-name"[^>]*>int8 hard', page).group()
    twice = page.replace("</svg></figure>", "</svg></figure>").replace(name, f"{name} twice</text>{name}", 1)
    found = evaluate(
        tmp_path, {"one": (pages["one"], 1280), "two": (pages["two"], 1280), "crowded": (page, 1280),
                   "small": (page, 800), "twice": (twice, 1280)}, NAMES,
    )  # fmt: skip
    assert found.pop("twice")["touching"], "control: a name upon another"
    assert all(each["touching"] == each["outside"] == [] for each in found.values()), found
    assert len(found["crowded"]["names"]) >= 12 and len(found["one"]["names"]) >= 10


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_picture_of_it_is_not_blank(pages, tmp_path, dark):
    image = pytest.importorskip("PIL.Image", reason="needs pillow, which the extra test has")
    target = tmp_path / "page.png"
    scheme = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []
    shown = {"wide": (pages["one"], 1280), "narrow": (pages["one"], 360)}
    browse(tmp_path, f"--screenshot={target}", "--window-size=1640,2400", *scheme, framed(tmp_path, shown, height=2400))
    with image.open(target) as opened:
        picture = opened.convert("RGB")
    for left, width in ((0, 1280), (1280, 360)):
        corner = picture.getpixel((left + 2, 2))
        assert (max(corner) < 60) if dark else (min(corner) > 240)
        for top in range(0, 2400, 600):
            colours = picture.crop((left, top, left + width, top + 600)).getcolors(width * 600)
            same = max(count for count, _ in colours) / (width * 600)
            assert len(colours) > 30 and same < 0.995, (width, top)
