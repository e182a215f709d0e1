"""Constants of the bit contract (docs/numerics.md). Standard library only: the native build reads this file too."""

BIT_CONTRACT = 1
"""Version of the canonical algorithms; a change of any of them is a new version."""

KC = 256
"""Matmul: products are accumulated by fma in chunks of KC consecutive k; chunk results are added in ascending order."""

LANES = 64
"""Reductions: lane ``i % LANES`` of a block accumulates element ``i``, ascending; the lanes then fold in halves."""

BLOCK = 4096
"""Reductions: elements per block; block results are reduced by the same rule until one is left."""

SCAN = 16
"""Scans: elements of a group, and groups whose totals make up the next level's group."""

FACTOR = 32
"""Factorisations: columns of a block that is factored, or solved with, element by element; larger matrices are halved
at FACTOR times a power of two."""

SWEEPS = 60
"""Jacobi's rotations: sweeps of a matrix at most, which takes 4 to 15 of them."""

ATTENTION = 512
"""Attention: keys of a chunk, whose maximum, sum and accumulator are joined to those of the chunks before it; in a
chunk, LANES keys at a time."""

HEAD = 256
"""Attention: elements of a head's vectors at most, so that a score is one chunk of a product."""
