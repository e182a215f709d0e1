"""The site in a browser: no page is wider than a phone's screen, and its letters stand out, light and dark.

Pages stand in frames as wide as the screens in question, which to their style sheets are the screens.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SHOWN = (
    "index", "start", "tutorials/student", "howto/numpy", "reference/errors", "reference/products", "compatibility",
    "functions", "settings", "numerics", "howto/profile", "reference/cli", "reference/dask",
)  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / "docs").exists(), reason="only in a source folder: docs/ is not installed"),
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: apt-get install chromium"),
    pytest.mark.skipif(find_spec("sphinx") is None, reason="sphinx is not installed: pip install '.[docs]'"),
]

MEASURE = """
function colour(text) {
  var found = text.match(/[0-9.]+/g).map(Number);
  return found.length < 4 ? found.concat(1) : found;
}
function over(upper, lower) {
  return [0, 1, 2].map(function (i) { return upper[i] * upper[3] + lower[i] * (1 - upper[3]); }).concat(1);
}
function behind(element) {
  var layers = [], result = [255, 255, 255, 1];
  for (; element; element = element.parentElement) layers.push(colour(getComputedStyle(element).backgroundColor));
  while (layers.length) result = over(layers.pop(), result);
  return result;
}
function luminance(rgb) {  // WCAG 2
  var linear = rgb.slice(0, 3).map(function (v) {
    return v / 255 <= 0.03928 ? v / 255 / 12.92 : Math.pow((v / 255 + 0.055) / 1.055, 2.4);
  });
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}
function measure(page) {
  var texts = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT), faint = [], count = 0;
  while (texts.nextNode()) {
    var text = texts.currentNode, element = text.parentElement;
    if (!text.data.trim() || !element.getClientRects().length) continue;
    var ground = behind(element), ink = over(colour(getComputedStyle(element).color), ground);
    var light = [luminance(ink), luminance(ground)].sort(function (a, b) { return a - b; });
    count += 1;
    if ((light[1] + 0.05) / (light[0] + 0.05) < 4.5) faint.push(text.data.trim().slice(0, 40));
  }
  var root = page.documentElement;
  return {page: root.scrollWidth, screen: root.clientWidth, count: count, faint: faint,
          dark: luminance(behind(page.body)) < 0.2};
}
window.onload = function () {
  setTimeout(function () {
    var found = {};
    document.querySelectorAll("iframe").forEach(function (frame) { found[frame.id] = measure(frame.contentDocument); });
    document.body.dataset.found = JSON.stringify(found);
  }, 1500);
};
"""
CONTROL = '<!DOCTYPE html><body style="background:#fff"><p style="width:2000px;color:#999">faint and wide</p>'


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, "-m", "sphinx", "-q", "-b", "html", ROOT / "docs", folder / "site"], check=True)
    (folder / "site" / "control.html").write_text(CONTROL, encoding="utf-8")
    return folder / "site"


def measured(site: Path, width: int, dark: bool) -> dict[str, dict]:
    pages = (*SHOWN, "control")
    frames = (f'<iframe id="{p}" src="{p}.html" style="border:0;width:{width}px;height:900px"></iframe>' for p in pages)
    frame = site / "frames.html"
    frame.write_text(f"<!DOCTYPE html><body>{''.join(frames)}<script>{MEASURE}</script>", encoding="utf-8")
    command = [
        BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
        "--disable-dev-shm-usage", "--allow-file-access-from-files", "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={site.parent / 'profile'}", "--virtual-time-budget=8000", "--dump-dom",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}", frame.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, check=True)
    return json.loads(html.unescape(re.search(r'data-found="([^"]*)"', done.stdout).group(1)))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 800, 1400])
def test_pages_fit_the_screen_and_their_letters_stand_out(site, width, dark):
    found = measured(site, width, dark)
    control = found.pop("control")
    assert control["page"] > width and control["faint"] == ["faint and wide"]
    assert set(found) == set(SHOWN)
    for name, page in found.items():
        assert page["screen"] == width and page["dark"] == dark and page["count"] > 30, name
        assert page["page"] <= width, f"{name} is {page['page']} pixels wide"
        assert page["faint"] == [], name
