"""A command of affekt that halts itself at an exact event, for a test to interrupt it there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

_SCRIPT = """
import os, signal, sys
from importlib import import_module
from pathlib import Path

# A shell that starts the tests in the background has them ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
event, when = sys.argv[1:3]
module, _, name = event.partition(":")
*holders, last = name.split(".")
owner = import_module(module)
for holder in holders:
    owner = getattr(owner, holder)
function, halted, calls = getattr(owner, last), False, 0

def watched(*args, **options):
    global halted, calls
    result = function(*args, **options)
    calls += 1
    if not halted and eval(when, {"Path": Path, "args": args, "calls": calls}):
        halted = True
        os.kill(os.getpid(), signal.SIGSTOP)
    return result

setattr(owner, last, watched)
sys.argv = ["affekt", *sys.argv[3:]]
from affekt.cli import main
main()
"""


def start_halted(event: str, when: str, *words: object, **options: Any) -> subprocess.Popen[str]:
    """Start ``affekt WORDS`` and wait until it has halted.

    Parameters
    ----------
    event : str
        A function, as ``module:name``, that the command calls.
    when : str
        Python's expression: after which of the calls it halts, from their ``args`` and the number
        of ``calls`` so far.
    words : object
        Of the command line.
    options : Any
        Of the process.
    """
    command = [sys.executable, "-c", _SCRIPT, event, when, *map(str, words)]
    process = subprocess.Popen(command, text=True, **options)
    found = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    if found is None or found.si_code != os.CLD_STOPPED:
        raise AssertionError(f"it ended before {event}: {process.communicate()}")
    return process


def interrupt(process: subprocess.Popen[str], number: signal.Signals, group: bool = False) -> None:
    """Send a halted process a signal, or all processes of its group, and let it go on."""
    for one in (number, signal.SIGCONT):
        if group:
            os.killpg(process.pid, one)
        else:
            process.send_signal(one)
