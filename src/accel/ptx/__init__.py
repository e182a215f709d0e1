"""Executes PTX that Triton generated, on the CPU, so that compiled GPU code can be checked bit for bit without a GPU.

    result = run(kernel.asm["ptx"], grid, [("Q", x.ctypes.data), ("i", n)], num_warps, kernel.metadata.shared)

Every thread of a CTA is one lane of a NumPy array; each PTX instruction is built once into a closure over the lanes'
registers and then executed for all active lanes at once. Lanes that branch apart run lowest program counter first, so
they meet again where the branches join. Rounded f32/f64 arithmetic has exact IEEE results (fma rounds once).
Instructions whose bits PTX leaves open (.approx, div.full, floating-point mma) are computed in float64, rounded, and
reported to the caller, as are floating-point atomics, whose order a GPU does not fix (here: CTAs in order, lanes
ascending). An instruction that is not supported raises NotImplementedError with its text, when a thread reaches it.

What this cannot show: missing barriers or fences (all warps run in lockstep and asynchronous copies are immediate),
what ptxas does afterwards (it keeps the PTX semantics, and does not contract .rn operations), and the bits of an f64
NaN, which are the host's; f32, f16 and bf16 NaNs are 0x7fffffff and 0x7fff, as the hardware makes them.

Source of the semantics: NVIDIA, "Parallel Thread Execution ISA".
"""

from .launch import run
from .memory import BadAccess

__all__ = ["BadAccess", "run"]
