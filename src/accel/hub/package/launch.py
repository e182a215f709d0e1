"""Launches of the printed kernels. Tiles change no bit: the order of all additions is written in the kernels."""

import functools
import importlib
from typing import Any

import torch
import triton
import triton.language as tl

from .contract import BLOCK, LANES

WIDTHS = (16, 64, 256, 1024, BLOCK)
"""Columns of a tile that holds whole rows."""

TILE = 1024
"""Elements of a tile of several rows, or of a part of a longer one."""

DTYPES = {torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}


@functools.cache
def program(name: str, dtype: torch.dtype, form: str) -> Any:
    """A printed file."""
    return importlib.import_module(f".programs.{name}_{DTYPES[dtype]}_{form}", __package__)


@functools.lru_cache(maxsize=256)
def number(value: float, device: torch.device) -> torch.Tensor:
    """A number that a kernel reads, rounded once to float32."""
    return torch.full((), value, dtype=torch.float32, device=device)


def stored(x: torch.Tensor) -> torch.Tensor:
    """What kernels read and write: 16-bit floats are their bits."""
    return x if x.dtype is torch.float32 else x.view(torch.uint16)


def index(*tensors: torch.Tensor) -> Any:
    """The type of offsets; a tile may reach past the end before it is masked."""
    return tl.int64 if max(x.numel() for x in tensors) + (1 << 20) >= 1 << 31 else tl.int32


def check(name: str, *operands: torch.Tensor) -> None:
    if operands[0].dtype not in DTYPES:
        raise TypeError(f"{name}: x: expected float32, float16 or bfloat16, got {operands[0].dtype}")
    if torch.is_grad_enabled() and any(x.requires_grad for x in operands):
        raise RuntimeError(f"{name}: a gradient is required, and there is no derivative here: use torch.no_grad()")


def rows(name: str, x: torch.Tensor, operands: tuple[torch.Tensor, ...] = (), eps: float | None = None) -> torch.Tensor:
    """A row program along the last axis. operands: vectors beside each row. eps: of a mean, which the row's length is
    given with."""
    check(name, x, *operands)
    n = x.shape[-1] if x.ndim else 0
    if not 0 < n <= BLOCK * BLOCK:
        raise ValueError(f"{name}: x: expected rows of 1 to {BLOCK * BLOCK} elements, got shape {tuple(x.shape)}")
    for beside in operands:
        if beside.shape != (n,) or beside.dtype is not x.dtype or beside.device != x.device:
            what = f"{beside.dtype} of shape {tuple(beside.shape)} on {beside.device}"
            raise ValueError(f"{name}: expected vectors of {n} {x.dtype} on {x.device} beside x, got {what}")
    x = x.contiguous()
    out, count = torch.empty_like(x), x.numel() // n
    if count == 0:
        return out
    form = "kept" if n <= BLOCK else "looped"
    width = next((w for w in WIDTHS if n <= w), TILE)
    tile = min(max(1, TILE // width), triton.next_power_of_2(count)) if form == "kept" else 1
    its, numbers = program(name, x.dtype, form), () if eps is None else (n, eps)
    given = [stored(t.contiguous()) for t in (x, *operands)] + [number(float(v), x.device) for v in numbers]
    steps = [(n, 1), *((0, 1) for _ in operands), *((0, 0) for _ in numbers)]
    strides = [(step,) for pair in ((n, 1), *(steps[i] for i in its.ORDER)) for step in pair]
    with torch.cuda.device_of(x):
        its.row[(-(-count // tile),)](
            stored(out), *(given[i] for i in its.ORDER), 0, n, count, -(-n // BLOCK), (count,), (n,),
            *strides, ROWS=tile, WIDTH=width, LANES=min(width, LANES), BLOCKS=16, BLOCK_LANES=16, INDEX=index(x),
            num_warps=min(16, max(4, tile * width // 256)), enable_fp_fusion=False,
        )  # fmt: skip
    return out


def elements(name: str, *operands: torch.Tensor) -> torch.Tensor:
    """A scalar program of matrices of one shape, of which columns are contiguous."""
    check(name, *operands)
    first = operands[0]
    out = torch.empty(first.shape, dtype=first.dtype, device=first.device)
    if out.numel() == 0:
        return out
    count, columns = first.shape
    width = min(TILE, triton.next_power_of_2(columns))
    height = min(TILE // width, triton.next_power_of_2(count))
    down, across = -(-count // height), -(-columns // width)
    its = program(name, first.dtype, "elements")
    with torch.cuda.device_of(first):
        its.pointwise[(down * across,)](
            (stored(out),), tuple(stored(operands[i]) for i in its.ORDER), (), count, columns, down, across,
            (((), columns, 1),), tuple(((), operands[i].stride(0), 1) for i in its.ORDER),
            PROGRAM=its.program, BY=height, BX=width, INDEX=index(out, *operands),
            enable_fp_fusion=False,
        )  # fmt: skip
    return out
