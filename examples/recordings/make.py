"""Make the sample recordings of this folder with espeak-ng, a rule-based speech synthesiser.

    apt-get install espeak-ng
    python examples/recordings/make.py

No person speaks in them. Each imitates a manner of speaking by pitch, pitch range, rate and
loudness alone; see README.md. Running this again overwrites the files.
"""

from __future__ import annotations

import io
import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import soundfile
import soxr

SAMPLE_RATE = 16_000  # Hz
PAUSE = 0.15  # seconds before and after


@dataclass(frozen=True)
class Manner:
    """How one recording is spoken.

    ``rate`` is in words per minute; ``pitch`` runs from 0 to 99; ``melody`` is the SSML range of
    the pitch; ``peak`` is the largest sample, from 0 to 1.
    """

    file: str
    voice: str
    text: str
    rate: int
    pitch: int
    melody: str
    peak: float


MANNERS = (
    Manner(
        "english-man-neutral.wav", "en-gb+m3", "The train to the coast leaves at nine.",
        rate=150, pitch=40, melody="medium", peak=0.35,
    ),
    Manner(
        "english-woman-happy.flac", "en-us+f2", "They said yes! We are going to the sea!",
        rate=185, pitch=75, melody="x-high", peak=0.6,
    ),
    Manner(
        "english-man-angry.wav", "en-us+m7", "I told you twice! Get that thing out of here!",
        rate=215, pitch=60, melody="high", peak=0.95,
    ),
    Manner(
        "english-woman-sad.ogg", "en-gb+f4", "Nobody came. The house is empty now.",
        rate=105, pitch=25, melody="x-low", peak=0.15,
    ),
    Manner(
        "german-woman-fearful.mp3", "de+f3", "Da ist jemand an der Tür, mach das Licht aus!",
        rate=230, pitch=90, melody="high", peak=0.4,
    ),
    Manner(
        "german-man-neutral.wav", "de+m1", "Der Zug an die Küste fährt um neun Uhr.",
        rate=155, pitch=40, melody="medium", peak=0.35,
    ),
)  # fmt: skip


def speak(manner: Manner) -> np.ndarray:
    """Return the speech of espeak-ng as float32 [samples] at ``SAMPLE_RATE``."""
    ssml = f'<speak><prosody range="{manner.melody}">{escape(manner.text)}</prosody></speak>'
    command = [
        "espeak-ng", "-v", manner.voice, "-s", str(manner.rate), "-p", str(manner.pitch),
        "-m", "--stdout", ssml,
    ]  # fmt: skip
    spoken = subprocess.run(command, check=True, capture_output=True).stdout
    samples, rate = soundfile.read(io.BytesIO(spoken), dtype="float32")
    samples = soxr.resample(samples, rate, SAMPLE_RATE)
    heard = np.flatnonzero(np.abs(samples) > 1e-3)
    samples = samples[heard[0] : heard[-1] + 1]
    pause = np.zeros(int(PAUSE * SAMPLE_RATE), dtype=np.float32)
    return np.concatenate([pause, samples * (manner.peak / np.abs(samples).max()), pause])


def main() -> None:
    """Write every recording beside this file."""
    folder = Path(__file__).parent
    for manner in MANNERS:
        samples = speak(manner)
        soundfile.write(folder / manner.file, samples, SAMPLE_RATE)
        size = (folder / manner.file).stat().st_size
        print(f"{manner.file}: {len(samples) / SAMPLE_RATE:.1f} s, {size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
