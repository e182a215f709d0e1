"""Running PTX written by hand and compiled Triton kernels.

Expected bits come from NumPy, Python's integers and the C library's fma, never from the emulator.
"""

import ctypes
import ctypes.util
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accel import ptx

SHORT = {
    np.dtype(np.float32): "fp32",
    np.dtype(np.float64): "fp64",
    np.dtype(np.float16): "fp16",
    np.dtype(np.uint16): "bf16",
    np.dtype(np.int8): "i8",
    np.dtype(np.int32): "i32",
    np.dtype(np.int64): "i64",
}
INEXACT = ("approximate", "unordered", "contractible")
LIBM = ctypes.CDLL(ctypes.util.find_library("m") or "libm.so.6")
for _name, _type in (("fmaf", ctypes.c_float), ("fma", ctypes.c_double)):
    getattr(LIBM, _name).argtypes, getattr(LIBM, _name).restype = [_type] * 3, _type

Report = dict[str, Counter[str]]


@pytest.fixture(params=(80, 90), ids="sm_{}".format)
def target(request: pytest.FixtureRequest) -> int:
    return request.param


def _build(fn: Any, signature: dict, constants: dict, target: int, num_warps: int, fusion: bool) -> Any:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    if not isinstance(fn, triton.JITFunction):
        pytest.skip("TRITON_INTERPRET is set, so Triton interprets its kernels and compiles none")
    source = ASTSource(fn=fn, signature={**signature, **dict.fromkeys(constants, "constexpr")}, constexprs=constants)
    options = {"num_warps": num_warps, "enable_fp_fusion": fusion}
    return triton.compile(source, target=GPUTarget("cuda", target, 32), options=options)


@pytest.fixture
def launch(target: int) -> Callable[..., Report]:
    """Compiles a Triton kernel for NumPy arrays and Python ints, and runs it.

    Demands that nothing inexact ran unless exact is False.
    """

    def call(
        fn: Any,
        grid: tuple[int, int, int],
        args: list,
        constants: dict,
        num_warps: int = 4,
        fusion: bool = False,
        exact: bool = True,
        **more: Any,
    ) -> Report:
        names = [p for p in fn.arg_names if p not in constants]
        arrays = [a for a in args if isinstance(a, np.ndarray)]
        signature = {
            p: "*" + SHORT[a.dtype] if isinstance(a, np.ndarray) else "i32" for p, a in zip(names, args, strict=True)
        }
        kernel = _build(fn, signature, constants, target, num_warps, fusion)
        packed = [("Q", a.ctypes.data) if isinstance(a, np.ndarray) else ("i", a) for a in args]
        allowed = [(a.ctypes.data, a.nbytes) for a in arrays]
        metadata = kernel.metadata
        result = ptx.run(kernel.asm["ptx"], grid, packed, metadata.num_warps, metadata.shared, allowed, **more)
        if exact:
            assert not any(result[key] for key in INEXACT), result
        return result

    return call


@pytest.fixture(scope="session")
def by_hand() -> Callable[..., Report]:
    """Runs a few instructions.

    %out is the address of element %tid.x of the u32 array out, %r0 is %tid.x; further arrays are parameters k_1, ...
    """

    def call(
        body: str,
        out: np.ndarray,
        *args: np.ndarray,
        registers: str = "",
        threads: int = 32,
        shared: int = 256,
        **more: Any,
    ) -> Report:
        arrays = (out, *args)
        parameters = ", ".join(f".param .u64 k_{i}" for i in range(len(arrays)))
        text = f"""{more.pop("module", "")}
        .extern .shared .align 16 .b8 global_smem[];
        .visible .entry k({parameters}) {{
        .reg .b32 %r<20>; .reg .b64 %out, %rd<9>; .reg .pred %p<9>; {registers}
        ld.param.b64 %out, [k_0]; mov.u32 %r0, %tid.x; mad.wide.u32 %out, %r0, 4, %out; {body} ret; }}"""
        pointers = [("Q", a.ctypes.data) for a in arrays]
        allowed = [(a.ctypes.data, a.nbytes) for a in arrays]
        return ptx.run(text, (1, 1, 1), pointers, threads // 32, shared, allowed, **more)

    return call


@pytest.fixture(scope="session")
def same() -> Callable[[np.ndarray, Any], None]:
    """Asserts equal bits, NaNs apart, and says where they differ."""

    def check(got: np.ndarray, want: Any) -> None:
        bits = {2: np.uint16, 4: np.uint32, 8: np.uint64}[got.itemsize]
        want = np.ascontiguousarray(np.broadcast_to(want, got.shape).astype(got.dtype, copy=False))
        differ = (got.view(bits) != want.view(bits)) & ~((got != got) & (want != want))
        first = np.argwhere(differ)[:1]
        assert not differ.any(), (
            f"{differ.sum()} of {got.size}, at {first}: {got[differ][0]!r}, not {want[differ][0]!r}"
        )

    return check


@pytest.fixture(scope="session")
def libm() -> Callable[..., np.ndarray]:
    """libm("fmaf" or "fma", a, b, c) of broadcast arrays."""

    def call(name: str, *arrays: Any) -> np.ndarray:
        arrays = np.broadcast_arrays(*arrays)
        fn = getattr(LIBM, name)
        rows = zip(*(a.ravel().tolist() for a in arrays), strict=True)
        return np.array([fn(*row) for row in rows], arrays[0].dtype).reshape(arrays[0].shape)

    return call


@pytest.fixture(scope="session")
def to_bf16() -> Callable[[np.ndarray], np.ndarray]:
    """The bits of finite values, rounded from float32 to bfloat16."""

    def convert(x: np.ndarray) -> np.ndarray:
        u = x.astype(np.float32).view(np.uint32)
        return ((u + 0x7FFF + (u >> 16 & 1)) >> 16).astype(np.uint16)

    return convert
