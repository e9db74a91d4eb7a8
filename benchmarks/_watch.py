"""What a server and its decoders take, as Linux counts it."""

from __future__ import annotations

from pathlib import Path


def processes(pid: int) -> list[int]:
    """Return a server and its decoders."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [pid, *(int(c) for task in tasks for c in (task / "children").read_text().split())]


def memory(pid: int) -> int:
    """Return the resident bytes of a server and its decoders; shared pages are counted in each."""
    sizes = [Path(f"/proc/{one}/statm").read_text().split()[1] for one in processes(pid)]
    return 4096 * sum(map(int, sizes))


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a server and its decoders."""
    fields = [
        Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split() for p in processes(pid)
    ]
    return sum(int(one[11]) + int(one[12]) for one in fields) / 100
