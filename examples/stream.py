"""Listen to a recording as if it came from a microphone, and print each emotion when it is known.

python examples/stream.py [recording.wav]
"""

from __future__ import annotations

import sys
from pathlib import Path

import affekt

CHUNK = 1600  # samples: 100 ms
RECORDINGS = Path(__file__).parent / "recordings"


def show(stream: affekt.Stream) -> None:
    """Print what the last chunk made known, hop by hop."""
    for answer in stream.measurements:
        print(f"{stream.duration:5.1f} s pushed, {answer.start:4.1f} s: {answer.label}")


recording = sys.argv[1] if len(sys.argv) > 1 else RECORDINGS / "english-man-angry.wav"
samples = affekt.load_audio(recording)  # float32, mono, 16 kHz
stream = affekt.load_model().stream(sample_rate=16_000)

segments = []
for start in range(0, len(samples), CHUNK):
    segments += stream.push(samples[start : start + CHUNK])
    show(stream)
segments += stream.flush()
show(stream)

for segment in segments:
    times = f"{segment.start:5.1f} to {segment.end:5.1f} s"
    print(f"{times}  {segment.label}  {segment.confidence:.0%}")
