"""``accel explain``: what a call would run, and why each other candidate would not; nothing is computed."""

from __future__ import annotations

import ast
from typing import Any

import click

SCALAR = ("scalar", "-")
"""How an operand without axes is written."""


def parse_shapes(text: str) -> tuple[tuple[int, ...], ...]:
    """Shapes of ``4096x4096,4096``; ``scalar`` or ``-`` has no axes. Raises ArgumentError."""
    from ..errors import ArgumentError

    def one(word: str) -> tuple[int, ...]:
        if word in SCALAR:
            return ()
        lengths = word.split("x")
        if not all(n.isdecimal() for n in lengths):
            raise ArgumentError(
                f"--shape: {word!r} is not a shape; expected lengths joined by x (4096x1024), scalar or -, "
                "one per operand, with commas between"
            )
        return tuple(int(n) for n in lengths)

    return tuple(one(word.strip()) for word in text.split(","))


def parse_keyword(text: str) -> tuple[str, Any]:
    """``axis=-1`` as a name and a Python value; a value that is no Python literal is text. Raises ArgumentError."""
    from ..errors import ArgumentError

    name, equals, value = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise ArgumentError(f"{text!r} is not keyword=value")
    try:
        return name.strip(), ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name.strip(), value.strip()


@click.command(short_help="What a call would run, and why not something else.")
@click.argument("op")
@click.argument("keywords", nargs=-1, metavar="[KEYWORD=VALUE]...")
@click.option("--shape", required=True, help="Operands' shapes: 4096x4096,4096x4096; scalar or - for no axes.")
@click.option("--dtype", default="float32", show_default=True, help="One dtype, or one per operand, with commas.")
@click.option("--device", default=None, help="The operands' device; default: the default device.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(op: str, keywords: tuple[str, ...], shape: str, dtype: str, device: str | None, as_json: bool) -> int:
    """What OP would run on row-major operands of these shapes, and why each other candidate would not.

    Nothing is computed, and no memory of that size is allocated.

    \b
    accel explain matmul --shape 4096x4096,4096x4096 --dtype bfloat16
    accel explain sum --shape 1000x1000 axis=0 keepdims=True
    accel explain where --shape 8x8,8x8,- --dtype bool,float32,float32
    """
    from ..devices import default_device
    from ..devices import device as device_of
    from ..dtypes import as_dtype
    from ..explain import explain_layouts
    from . import console

    where = default_device() if device is None else device_of(device)
    dtypes = [as_dtype(name.strip(), "--dtype") for name in dtype.split(",")]
    found = explain_layouts(op, parse_shapes(shape), dtypes, where, **dict(map(parse_keyword, keywords)))
    if as_json:
        calls = [
            {
                "call": what,
                "candidates": [
                    {"what": c.what, "source": c.source, "refusal": c.refusal, "launches": c.more, "tiles": c.tiles}
                    for c in candidates
                ],
            }
            for what, candidates in found.calls
        ]
        console.print_json({"op": op, "runs": found.runs, "calls": calls})
    else:
        console.say(str(found))
    return 0
