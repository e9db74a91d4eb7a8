"""Write what augmentations do: each transform by itself, and a chain as a recipe has it.

Usage: python examples/augment.py recording.wav folder [noise-folder [room-folder]]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile

from affekt.audio import SAMPLE_RATE, load_audio
from affekt.augment import TRANSFORMS, WaveformTransform, chain, get_transform
from affekt.augment.picture import draw

CHAIN = [
    {"name": "time_stretch", "probability": 0.7, "min_rate": 0.9, "max_rate": 1.1},
    {"name": "vocal_tract_length", "probability": 0.7},
    {"name": "codec", "probability": 0.5, "kinds": ["phone", "opus"]},
]
"""The same tables that a recipe holds as ``[[augment.waveform]]``."""


def main(recording: str, folder: str, *sounds: str) -> None:
    """Write before, after and pictures of every transform that needs no more than was given."""
    samples = load_audio(recording)
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    soundfile.write(out / "before.wav", samples, SAMPLE_RATE)
    given = dict(zip(("background_noise", "room_impulse_response"), sounds, strict=False))
    for name in TRANSFORMS:
        if name in given:
            write(get_transform(name, {"folder": given[name]}), samples, out / name)
        elif name not in ("background_noise", "room_impulse_response"):
            write(get_transform(name, {}), samples, out / name)
    for number in range(3):
        write(chain(CHAIN, "CHAIN"), samples, out / f"chain-{number}", seed=number)
    print(f"open {out}/ and listen")


def write(transform: WaveformTransform, samples: np.ndarray, place: Path, seed: int = 0) -> None:
    """Write what a transform makes of a recording, and a picture of both."""
    after = transform(samples, SAMPLE_RATE, np.random.default_rng(seed))
    soundfile.write(place.with_suffix(".wav"), after, SAMPLE_RATE)
    draw(samples, after, SAMPLE_RATE, place.name, place.with_suffix(".png"))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
