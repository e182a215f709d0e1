"""Three small jobs on real input, the same bits on every device: `accel demo` runs them and compares SHA-256 digests.

digits: nearest-neighbour classification of scikit-learn's handwritten digits. photograph: compression of scikit-learn's
two photographs by their principal components. text: tokens that a small decoder with
seeded weights writes. All arithmetic is accel's; NumPy only holds the input and the results.
"""

from .compare import JOBS, Row, disagreements, run

__all__ = ["JOBS", "Row", "disagreements", "run"]
