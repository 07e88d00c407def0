"""What this process may use of the machine: cores and memory, by affinity and container limits."""

from __future__ import annotations

import functools
import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Cores that the process may run on, at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _container_cores()))


def available_memory() -> float:
    """Bytes that could be allocated now; infinite where the system does not say."""
    return min(_free_memory(), _container_memory())


@functools.cache
def _container_cores() -> int:
    """Whole cores of the container's time share, rounded up."""
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()
    except (OSError, ValueError):
        quota, period = _read(_CGROUP / "cpu/cpu.cfs_quota_us"), _read(_CGROUP / "cpu/cpu.cfs_period_us")
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return 1 << 20
    return math.ceil(int(quota) / int(period))


def _container_memory() -> float:
    for limit, used, reclaimable in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        most, current = _read(_CGROUP / limit), _read(_CGROUP / used)
        if most.isdigit() and current.isdigit():
            statistics = dict(
                line.split() for line in _read((_CGROUP / limit).with_name("memory.stat")).splitlines() if " " in line
            )
            return int(most) - int(current) + int(statistics.get(reclaimable, 0))
    return math.inf


def _free_memory() -> float:
    for line in _read(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return math.inf


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
