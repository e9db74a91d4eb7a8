"""Run by a Python that has mediapipe: what its audio classifier answers, as one line of JSON.

python mediapipe_labels.py model.tflite recording.wav
"""

from __future__ import annotations

import json
import sys
import wave

import numpy as np
from mediapipe.tasks.python import BaseOptions
from mediapipe.tasks.python.audio import AudioClassifier, AudioClassifierOptions
from mediapipe.tasks.python.components.containers import AudioData


def main(model: str, recording: str) -> None:
    """Classify a wav file of 16 bit, and print label and score of the first window."""
    with wave.open(recording) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768
    options = AudioClassifierOptions(base_options=BaseOptions(model_asset_path=model))
    with AudioClassifier.create_from_options(options) as classifier:
        audio = AudioData.create_from_array(samples.astype(np.float32), rate)
        first = classifier.classify(audio)[0]
    heads = {head.head_name: head.categories for head in first.classifications}
    scores = {item.category_name: item.score for item in heads["probabilities"]}
    print(json.dumps({"heads": sorted(heads), "scores": scores}))


if __name__ == "__main__":
    main(*sys.argv[1:])
