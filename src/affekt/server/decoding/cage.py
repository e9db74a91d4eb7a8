"""What a decoder process gives up before it is given a stranger's file."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Callable

_ALLOWED = (
    *("read", "readv", "write", "writev", "recvfrom", "sendto", "recvmsg", "sendmsg"),
    *("poll", "ppoll", "select", "pselect6", "close", "fstat", "newfstatat", "lseek", "_llseek"),
    *("brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "membarrier"),
    *("futex", "futex_time64", "set_robust_list", "rseq", "sched_yield", "sched_getaffinity"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "sigreturn"),
    *("setitimer", "getitimer", "restart_syscall", "nanosleep", "clock_nanosleep"),
    *("clock_gettime", "clock_gettime64", "clock_getres", "gettimeofday", "time", "times"),
    *("getrusage", "getrlimit", "ugetrlimit", "setrlimit", "getpid", "gettid", "getrandom"),
    *("exit", "exit_group", "sysinfo", "getcpu", "uname"),
)
"""System calls that decoding needs: memory, time, and the socket that is already open."""

# libseccomp's constants, from seccomp.h
_ALLOW = 0x7FFF0000
_FAIL = 0x00050000  # with the number of an error
_EQUAL, _MASKED_EQUAL = 4, 7
_CLONE_THREAD = 0x00010000


class _Compare(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


def confine(memory: int) -> bool:
    """Limit memory to what is in use plus ``memory`` bytes; forbid files, connections, processes.

    Returns
    -------
    bool
        Whether the system filters this process's calls; without, limits alone hold it.
    """
    load_filter = _make_filter() if sys.platform == "linux" else None
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[0])
        limit = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))  # the superuser may start some none the less
    silence()
    # No descriptor below the limit is free after this: nothing can be opened or connected.
    highest = max(int(name) for name in os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else 16
    for number in range(3, highest + 1):
        _occupy(number)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, highest + 1))
    return load_filter is not None and load_filter()


def silence() -> None:
    """Have nothing more come to the log: libraries write there what they think of their input."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    os.close(quiet)


def _occupy(number: int) -> None:
    """Keep a descriptor in use, so that no new file takes it."""
    try:
        os.fstat(number)
    except OSError:
        os.dup2(0, number)


def _make_filter() -> Callable[[], bool] | None:
    """Return what has the kernel refuse, with EPERM, every call that decoding does not need."""
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_load.argtypes = (ctypes.c_void_p,)
    library.seccomp_rule_add_array.argtypes = (
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint),
        ctypes.POINTER(_Compare),
    )
    rules = library.seccomp_init(_FAIL | 1)  # 1: EPERM

    def add(action: int, name: str, *compared: _Compare) -> None:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # of this machine's architecture
            array = (_Compare * len(compared))(*compared)
            library.seccomp_rule_add_array(rules, action, number, len(compared), array)

    for name in _ALLOWED:
        add(_ALLOW, name)
    add(_ALLOW, "prlimit64", _Compare(0, _EQUAL, 0, 0))  # its own limits
    add(_ALLOW, "clone", _Compare(0, _MASKED_EQUAL, _CLONE_THREAD, _CLONE_THREAD))
    add(_FAIL | 38, "clone3")  # ENOSYS: the C library then calls clone
    return lambda: bool(library.seccomp_load(rules) == 0)
