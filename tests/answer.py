"""Run graphs on recordings, for a process on another processor: writes what they answer as JSON.

python answer.py [--plain] INPUTS.npz GRAPH... > ANSWERS.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from affekt.runtime.backends import open_session
from affekt.runtime.processor import instruction_sets


def main(arguments: list[str]) -> None:
    plain = "--plain" in arguments  # as somebody without affekt would open the graph
    inputs, *graphs = (word for word in arguments if word != "--plain")
    waveforms = list(np.load(inputs).values())
    answers = {}
    for graph in graphs:
        session = onnxruntime.InferenceSession(graph) if plain else open_session(Path(graph), 1)
        port, output = session.get_inputs()[0].name, session.get_outputs()[0].name
        answers[graph] = [
            session.run([output], {port: waveform[None]})[0][0].tolist() for waveform in waveforms
        ]
    print(json.dumps({"instructions": instruction_sets(), "answers": answers}))


if __name__ == "__main__":
    main(sys.argv[1:])
