"""Tests of the clause "Environment" of docs/numerics.md share the environments, and what is computed in them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
