"""The instructions that the NEON tiles execute, counted under qemu-user: no hardware here could time them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from cross_compile import COMPILER, EMULATOR, FLAGS, ROOT

pytestmark = pytest.mark.slow

LISTER = "aarch64-linux-gnu-objdump"
SHARE = 0.7
"""Of the instructions of a tile's loop, at least so many multiply and add."""


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    missing = [tool for tool in (COMPILER, EMULATOR, LISTER) if not shutil.which(tool)]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)}: Debian packages g++-aarch64-linux-gnu and qemu-user")
    folder, csrc = tmp_path_factory.mktemp("counts"), ROOT / "csrc"
    subprocess.run([sys.executable, csrc / "generate.py", folder, "neon"], check=True)
    sources = [csrc / "families" / "matmul.cpp", Path(__file__).parent / "counts.cpp"]
    include = ["-I", folder, "-I", csrc, "-include", csrc / "isa" / "neon.hpp"]
    subprocess.run([COMPILER, *FLAGS, *include, *sources, "-o", folder / "counts"], check=True)
    return folder / "counts"


@pytest.fixture(scope="module")
def listing(program) -> dict[int, str]:
    """Mnemonic and operands by address, of the functions of accel."""
    text = subprocess.run([LISTER, "-d", "-C", program], capture_output=True, encoding="utf-8", check=True).stdout
    found, inside = {}, False
    for line in text.splitlines():
        if head := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            inside = "accel::neon" in head[1]
        elif inside and (row := re.match(r" *([0-9a-f]+):\t[0-9a-f]+ *\t(.*)", line)):
            found[int(row[1], 16)] = row[2]
    return found


def executed(program: Path, row: int, k: int, log: Path) -> tuple[tuple[int, int], Counter]:
    """The tile's extents, and how often each address was reached: of every block that qemu translated, the addresses
    and the number of times it ran."""
    command = [EMULATOR, "-d", "in_asm,exec,nochain", "-D", log, program, str(row), str(k)]
    extents = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.split()
    blocks: dict[int, list[int]] = {}
    times: Counter[int] = Counter()
    block: list[int] | None = None
    for line in log.read_text(encoding="utf-8").splitlines():
        if line.startswith("IN:"):
            block = []
        elif block is not None and (at := re.match(r"0x([0-9a-f]+):", line)):
            block.append(int(at[1], 16))
            blocks[block[0]] = block
        elif trace := re.match(r"Trace \d+: 0x[0-9a-f]+ \[[0-9a-f]+/([0-9a-f]+)/", line):
            times[int(trace[1], 16)] += 1
    reached: Counter[int] = Counter()
    for first, addresses in blocks.items():
        for address in addresses:
            reached[address] += times[first]
    return (int(extents[0]), int(extents[1])), reached


@pytest.mark.parametrize(("row", "suffix", "lanes"), [(0, ".4s", 4), (1, ".2d", 2)])
def test_a_step_of_k_is_the_tile_s_arithmetic(program, listing, tmp_path, row, suffix, lanes):
    steps = 128
    (mr, nr), short = executed(program, row, steps, tmp_path / "short")
    _, long = executed(program, row, 2 * steps, tmp_path / "long")
    more = {listing[at]: 0 for at in listing}
    for at, text in listing.items():
        more[text] += long[at] - short[at]
    counted = sum(more.values()) / steps
    products = sum(n for text, n in more.items() if text.startswith("fmla") and suffix in text) / steps
    print(f"{mr} x {nr}: {products:g} fmla of {counted:g} instructions for each k")
    assert products == mr * nr / lanes  # each multiplies and adds a whole register, and none is done in vain
    assert counted <= products / SHARE
