"""The default number of threads: other libraries' variable, the process's affinity, its control groups' quota."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import accel
from accel.backends import cpu
from accel.backends.cpu_quota import quota


def tree(root: Path, groups: str, mounts: list[str], files: dict[str, str]) -> Path:
    """A file system in which this process is in these control groups, with these files in them."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups, encoding="utf-8")
    lines = [f"{30 + i} 23 0:{28 + i} {mount}" for i, mount in enumerate(mounts)]
    (root / "proc/self/mountinfo").write_text("\n".join(lines), encoding="utf-8")
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n", encoding="utf-8")
    return root


V2 = "/ /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw"
V1 = "/ /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct"

TREES = {
    "none": ("", [], {}, None),
    "version 2, a container": ("0::/", [V2], {"sys/fs/cgroup/cpu.max": "150000 100000"}, 1.5),
    "version 2, no limit": ("0::/", [V2], {"sys/fs/cgroup/cpu.max": "max 100000"}, None),
    "version 2, the smallest on the way": (
        "0::/a/b/c",
        [V2],
        {
            "sys/fs/cgroup/a/cpu.max": "300000 100000",
            "sys/fs/cgroup/a/b/cpu.max": "400000 200000",
            "sys/fs/cgroup/a/b/c/cpu.max": "max 100000",
            "sys/fs/cgroup/other/cpu.max": "10000 100000",
        },
        2.0,
    ),
    "version 1": (
        "5:memory:/x\n4:cpu,cpuacct:/docker/1a2b",
        [V1],
        {
            "sys/fs/cgroup/cpu,cpuacct/docker/1a2b/cpu.cfs_quota_us": "50000",
            "sys/fs/cgroup/cpu,cpuacct/docker/1a2b/cpu.cfs_period_us": "100000",
        },
        0.5,
    ),
    "version 1, no limit": (
        "4:cpu:/",
        [V1],
        {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
        None,
    ),
    "version 1, the host's path in a container": (
        "4:cpu,cpuacct:/docker/1a2b/inner",
        [V1.replace("/ ", "/docker/1a2b ", 1)],
        {
            "sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "300000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
        3.0,
    ),
    "version 2, another namespace's path": ("0::/../elsewhere", [V2], {"sys/fs/cgroup/cpu.max": "100000 50000"}, 2.0),
    "both": (
        "4:cpu:/\n0::/",
        [V1, V2.replace("cgroup rw", "cgroup/unified rw", 1)],
        {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "700000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/unified/cpu.max": "800000 100000",
        },
        7.0,
    ),
    "nonsense": ("0::/", [V2], {"sys/fs/cgroup/cpu.max": "100000 0"}, None),
}


@pytest.mark.parametrize("name", TREES)
def test_quota(tmp_path, name):
    groups, mounts, files, wanted = TREES[name]
    assert quota(tree(tmp_path, groups, mounts, files)) == wanted


@pytest.mark.parametrize(("allowed", "cores"), [(None, 6), (0.3, 1), (1.0, 1), (1.5, 2), (4.0, 4), (64.0, 6)])
def test_the_quota_bounds_the_default_number_of_threads(monkeypatch, allowed, cores):
    monkeypatch.setattr(cpu, "quota", lambda: allowed)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert cpu.threads(accel.config.current()) == cores


@pytest.mark.parametrize(
    ("text", "count"),
    [("3", 3), ("4,2", 4), (" 5 ", 5), ("", 2), ("0", 2), ("-1", 2), ("many", 2), ("2147483648", 2), ("9" * 5000, 2)],
)
def test_another_librarys_variable_is_heeded_or_ignored(monkeypatch, text, count):
    monkeypatch.setattr(cpu, "usable_cores", lambda: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert cpu.threads(accel.config.current()) == count


def test_the_largest_number_of_threads_is_served():
    with accel.config(num_threads=2**31 - 1):
        assert float(accel.sum(accel.ones(100_000))) == 100_000
