"""Runs the checks in four processes that this one forks, once it has run them alone: python processes.py FOLDER [deep].

Each rank writes what it found to a JSON file, after each step, so that a rank that ends leaves what it has.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import traceback
from datetime import timedelta
from itertools import chain
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[3]), str(Path(__file__).parent)]


LAZY = "accel.torch.distributed" not in sys.modules

import checks  # noqa: E402
import faults  # noqa: E402
import torch  # noqa: E402
import training  # noqa: E402
from torch import distributed  # noqa: E402

CHECKS = [name for name in dir(checks) if name.startswith("check_")]
WORLD = 4
QUICK = ("wide",)
"""Configurations of the decoder that are trained without deep."""


def found(call, *args):
    try:
        return call(*args)
    except Exception:
        return ["raised: " + traceback.format_exc()]


def alone(configs):
    """Everything in one process."""
    return {
        "lazy": LAZY,
        "checks": {name: {1: found(getattr(checks, name), None)} for name in CHECKS},
        "scores": {name: found(training.scores_of_one_process, its) for name, its in configs.items()},
        "training": {name: {"1 x 1": found(training.trained, its, None, None, 0, 1)} for name, its in configs.items()},
    }


def process(rank, folder, configs, deep):
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        store=distributed.FileStore(str(folder / "store"), WORLD),
        rank=rank,
        world_size=WORLD,
        timeout=timedelta(seconds=60),
    )
    world, pair = distributed.group.WORLD, rank // 2
    pairs = [distributed.new_group([2 * i, 2 * i + 1]) for i in range(2)]
    across = [distributed.new_group([i, i + 2]) for i in range(2)]
    three = distributed.new_group([0, 1, 2])
    other, short = (distributed.new_group(timeout=timedelta(seconds=2)) for _ in range(2))
    result = {"checks": {name: {} for name in CHECKS}, "control": {}, "training": {}, "faults": {}}

    def write():
        (folder / f"{rank}.json").write_text(json.dumps(result), encoding="utf-8")

    for name in CHECKS:
        for size, group in ((2, pairs[pair]), (3, three), (4, world)):
            if size != 3 or (deep and rank != 3):
                result["checks"][name][size] = found(getattr(checks, name), group)
    result["control"] = {size: found(checks.control, group) for size, group in ((2, pairs[pair]), (4, world))}
    for name, its in configs.items():
        result["training"][name] = {
            "1 x 2": found(training.trained, its, pairs[pair], None, 0, 1),
            "2 x 2": found(training.trained, its, pairs[pair], across[rank % 2], pair, 2),
            "1 x 4": found(training.trained, its, world, None, 0, 1),
        }
        if deep:
            result["training"][name]["4 x 1"] = found(training.trained, its, None, world, rank, 4)
            result["training"][name]["2 x 1"] = found(training.trained, its, None, pairs[pair], rank % 2, 2)
    its = training.CONFIGS["wide"]
    result["without order"] = found(training.trained_without_order, its, pairs[pair], None, 0, 1)
    write()
    for name, raised in chain(faults.disagreements(world, rank), faults.ends(other, short, world, rank)):
        result["faults"][name] = raised
        write()
    distributed.destroy_process_group()


def main(folder, deep):
    torch.set_num_threads(1)
    configs = {name: its for name, its in training.CONFIGS.items() if deep or name in QUICK}
    (folder / "alone.json").write_text(json.dumps(alone(configs)), encoding="utf-8")
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=process, args=(rank, folder, configs, deep)) for rank in range(WORLD)]
    for its in processes:
        its.start()
    for its in processes:
        its.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] == ["deep"])
