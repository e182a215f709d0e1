"""How a case is measured: a run, its processes, the check and the clock."""
