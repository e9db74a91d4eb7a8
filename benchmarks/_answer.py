"""Run models on sounds and write what they answer: for a process on another processor or runtime.

    python _answer.py [--plain] [--rounds N] SOUNDS.npz GRAPH... > ANSWERS.json

A graph is a file in ONNX or LiteRT. ``--plain`` opens it as a program without affekt would, with
no options of ours. ``--rounds`` also takes the time of the first sound, on one thread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from affekt.runtime.devices import instruction_sets


def main() -> None:
    """Write the answers to stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sounds", type=Path)
    parser.add_argument("graphs", type=Path, nargs="+")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--rounds", type=int, default=0)
    options = parser.parse_args()
    sounds = list(np.load(options.sounds).values())
    answers, milliseconds = {}, {}
    for graph in options.graphs:
        run = runner(graph, options.plain)
        answers[str(graph)] = [run(sound[None])[0].tolist() for sound in sounds]
        if options.rounds:
            milliseconds[str(graph)] = median_ms(run, sounds[0][None], options.rounds)
    told = {
        "instructions": instruction_sets(),
        "runtime": runtime(options.graphs[0]),
        "answers": answers,
        "ms": milliseconds,
    }
    print(json.dumps(told))


def runner(graph: Path, plain: bool) -> Callable[[np.ndarray], Any]:
    """What maps waveforms to the first output of a graph."""
    import onnxruntime

    from affekt.runtime.backends import open_backend
    from affekt.runtime.bundle import Bundle
    from affekt.runtime.session import open_session

    if graph.suffix == ".tflite":
        backend = open_backend(Bundle(graph, None), threads=1)
        return lambda waveforms: backend.run(waveforms)["probabilities"]
    if plain:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(graph, options)
    else:
        session = open_session(graph, threads=1)
    (port,), output = session.get_inputs(), session.get_outputs()[0].name
    return lambda waveforms: session.run([output], {port.name: waveforms})[0]


def median_ms(run: Callable[[np.ndarray], Any], waveforms: np.ndarray, rounds: int) -> float:
    """Median time of the processor for one run, in ms."""
    times = []
    for _ in range(rounds):
        started = time.process_time()
        run(waveforms)
        times.append(1000 * (time.process_time() - started))
    return round(statistics.median(times), 3)


def runtime(graph: Path) -> str:
    """Name and version of what runs a file."""
    from importlib.metadata import version

    package = "ai-edge-litert" if graph.suffix == ".tflite" else "onnxruntime"
    return f"{package} {version(package)}"


if __name__ == "__main__":
    main()
