"""How long a prediction takes in a new process, on a machine that may have other work to do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

LONGEST = 0.7  # seconds
LONGEST_OWN = 0.25  # seconds beyond importing what a prediction stands on
STANDS_ON = "import onnxruntime, numpy, soundfile"
USUAL_IMPORTS = 0.15  # seconds for STANDS_ON where those limits were set
ATTEMPTS = 15


def assert_quick(imports: Callable[[], object], predict: Callable[[], object]) -> None:
    """Assert that a prediction is quick enough.

    The least of several runs is what a program takes; the rest is what else the machine did. On a
    slower machine, known by the imports alone, everything may take as much longer.

    Parameters
    ----------
    imports, predict : callable
        Run ``STANDS_ON``, or a prediction, in a process of their own, and wait for its end.
    """
    bare, whole = [], []
    for attempt in range(ATTEMPTS):
        bare.append(seconds(imports))
        whole.append(seconds(predict))
        own, slowness = min(whole) - min(bare), max(1.0, min(bare) / USUAL_IMPORTS)
        if attempt and min(whole) < LONGEST * slowness and own < LONGEST_OWN * slowness:
            break
    print(f"cold: {min(whole):.2f} s, {own:.2f} s beyond the imports; {slowness:.2f} x the usual")
    assert min(whole) < LONGEST * slowness
    assert own < LONGEST_OWN * slowness


def seconds(run: Callable[[], object]) -> float:
    """Return how long a process takes, or took of the processor where others made it wait."""
    start, before = time.perf_counter(), os.times()
    run()
    elapsed, after = time.perf_counter() - start, os.times()
    busy = after.children_user + after.children_system
    busy -= before.children_user + before.children_system
    return min(elapsed, busy) if os.name == "posix" else elapsed
