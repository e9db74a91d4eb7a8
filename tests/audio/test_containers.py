"""Every container and codec from every kind of source: the answer and the times of a WAV."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_sources import KINDS as SOURCES
from audio_sources import opened
from container_kinds import KINDS, Kind, encode
from numpy.typing import NDArray

from affekt.audio import SAMPLE_RATE, load_audio
from affekt.runtime import Model, load_model

LARGEST_DIFFERENCE = 0.01
"""Of any score from that of the WAV."""
LARGEST_SHIFT = 0.02  # seconds

VOICE = Path(__file__).parents[2] / "examples" / "recordings" / "english-man-angry.wav"


@lru_cache(maxsize=1)
def model() -> Model:
    return load_model("live")


def scores_of(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.array(list(model().predict((samples, SAMPLE_RATE)).scores.values()))


@lru_cache(maxsize=8)
def recording(channels: int, rate: int) -> NDArray[np.float32]:
    """A voice on every channel, each quieter than the one before: [samples, channels]."""
    levels = 1 - np.arange(channels) / (2 * channels)
    return np.outer(load_audio(VOICE, sample_rate=rate), levels).astype(np.float32)


@lru_cache(maxsize=32)
def expected(channels: int, rate: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """What the same recording as a WAV holds, and its answer."""
    file = io.BytesIO()
    soundfile.write(file, recording(channels, rate), rate, format="WAV", subtype="FLOAT")
    samples = load_audio(file.getvalue())
    return samples, scores_of(samples)


def shift_between(found: NDArray[np.float32], samples: NDArray[np.float32]) -> float:
    """Seconds by which one is later than the other."""
    size = 2 * max(len(found), len(samples))
    product = np.fft.rfft(found, size) * np.conj(np.fft.rfft(samples, size))
    lag = int(np.fft.irfft(product, size).argmax())
    return (lag - size if lag > size // 2 else lag) / SAMPLE_RATE


def faults(kind: Kind, channels: int, rate: int, folder: Path) -> Iterator[str]:
    """Yield what is wrong with one case."""
    content = encode(kind, recording(channels, rate), rate)
    path = folder / "recording"
    path.write_bytes(content)
    samples, scores = expected(channels, rate)
    found = None
    for source in SOURCES:
        with opened(source, content, path) as one:
            loaded = load_audio(one)
        if found is None:
            found = loaded
        elif not np.array_equal(found, loaded):
            yield f"{source} gives other samples than {SOURCES[0]}"
    assert found is not None
    shift = shift_between(found, samples)
    if abs(shift) > LARGEST_SHIFT + kind.delay / rate:
        yield f"{shift * 1000:+.0f} ms late"
    longer = (len(found) - len(samples)) / SAMPLE_RATE
    least = -LARGEST_SHIFT - kind.delay / rate
    if not least <= longer <= LARGEST_SHIFT + (kind.padding + kind.delay) / rate:
        yield f"{longer * 1000:+.0f} ms longer"
    if kind.exact and (difference := np.abs(scores_of(found) - scores).max()) > LARGEST_DIFFERENCE:
        yield f"a score differs by {difference:.3f}"


CASES = [
    (kind, *list(kind.cases())[5 * number % len(list(kind.cases()))])
    for number, kind in enumerate(KINDS)
]
"""One case of each kind: other channels and another rate than those beside it."""


@pytest.mark.parametrize(
    ("kind", "channels", "rate"), CASES, ids=lambda one: getattr(one, "name", one)
)
def test_a_case_of_each_kind(kind: Kind, channels: int, rate: int, tmp_path: Path) -> None:
    assert list(faults(kind, channels, rate, tmp_path)) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_all_channels_and_rates(kind: Kind, tmp_path: Path) -> None:
    cases = list(kind.cases())
    wrong = {}
    for channels, rate in cases:
        if found := list(faults(kind, channels, rate, tmp_path)):
            wrong[channels, rate] = found
    print(f"| {kind.name} | {len(cases)} | {len(cases) - len(wrong)} |")
    assert wrong == {}
