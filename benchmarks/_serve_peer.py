"""The peer of benchmarks/serve.py: what a tutorial would serve wav2vec2 with.

    python benchmarks/_serve_peer.py PORT

FastAPI, an upload, soundfile, the feature extractor and model of transformers, all cores of torch.
The weights are random: they take as long as trained ones.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import soundfile
import torch
import uvicorn
from fastapi import FastAPI, File, UploadFile
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
)

LABELS = ("angry", "disgust", "fearful", "happy", "neutral", "sad")

app = FastAPI()
config = Wav2Vec2Config()
config.num_labels = len(LABELS)
extractor: Any = Wav2Vec2FeatureExtractor
extractor = extractor(return_attention_mask=False)
model: Any = Wav2Vec2ForSequenceClassification(config)
model.eval()


@app.post("/predict")
def predict(file: UploadFile = File()) -> dict[str, Any]:  # noqa: B008  as FastAPI has it
    """Judge a wav file at 16 kHz."""
    samples, rate = soundfile.read(io.BytesIO(file.file.read()), dtype="float32")
    inputs = extractor(samples, sampling_rate=rate, return_tensors="pt")
    with torch.inference_mode():
        scores = model(**inputs).logits.softmax(-1)[0].numpy()
    best = int(np.argmax(scores))
    return {"label": LABELS[best], "scores": dict(zip(LABELS, map(float, scores), strict=True))}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
