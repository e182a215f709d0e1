"""``accel`` with the command line that follows a file of cases, which are all that its suite ``quick`` has."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from accel import cli
from accel.bench.cases.case import Workload
from accel.bench.measure import runner

CASES = [Workload.from_json(record) for record in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))]


def select(suite, ops=(), models=(), dtypes=(), pattern=None):
    return [case for case in CASES if pattern is None or pattern in case.id]


if __name__ == "__main__":
    runner.select = select
    sys.exit(cli.run(sys.argv[2:]))
