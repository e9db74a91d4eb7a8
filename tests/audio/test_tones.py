"""Tones that hold their pitch: music has them, a voice and noise have not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soxr

from affekt.audio import check_audio, load_audio
from affekt.audio.tones import ToneMeter, held_tones
from affekt.runtime.warnings import MUSIC_TONES, describe_warnings

RATE = 16000
RECORDINGS = sorted(
    file
    for file in (Path(__file__).parents[2] / "examples" / "recordings").iterdir()
    if file.suffix in {".wav", ".flac", ".ogg", ".mp3"}
)


def melody(seconds: float = 4.0, rate: int = RATE) -> np.ndarray:
    """Notes of a scale with overtones, one after the other, over a bass."""
    times = np.arange(int(seconds * rate)) / rate
    notes = 220 * 2 ** (np.array([0, 4, 7, 12, 7, 4, 2, 5])[(times / 0.4).astype(int) % 8] / 12)
    phase = 2 * np.pi * np.cumsum(notes) / rate
    tune = sum(np.sin(k * phase) / k for k in range(1, 6))
    return (0.1 * (tune + np.sin(2 * np.pi * 110 * times))).astype(np.float32)


def share(samples: np.ndarray, rate: int = RATE) -> float:
    return check_audio(samples.astype(np.float32), rate).held_tones or 0.0


def warned(samples: np.ndarray, unlike: float | None = None) -> bool:
    warnings = describe_warnings(check_audio(samples.astype(np.float32), RATE), ood_score=unlike)
    return any(warning.startswith("music: ") for warning in warnings)


def test_music_is_named() -> None:
    assert share(melody()) > 2 * MUSIC_TONES
    assert warned(melody())


@pytest.mark.parametrize("name", RECORDINGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("noise_db", [None, -20, -10])
def test_speech_is_not(name: Path, noise_db: float | None) -> None:
    samples = load_audio(name)
    if noise_db is not None:
        noise = np.random.default_rng(1).normal(size=len(samples))
        samples = samples + samples.std() * 10 ** (noise_db / 20) * noise
    assert not warned(samples)


def test_noise_is_not() -> None:
    assert share(np.random.default_rng(2).normal(0, 0.1, 4 * RATE)) < 0.05


def test_what_is_unlike_speech_needs_less() -> None:
    music = melody()
    noise = np.random.default_rng(3).normal(0, 1, len(music))
    mixed = music + 0.18 * noise / noise.std()
    assert 0.12 < share(mixed) < MUSIC_TONES
    assert (warned(mixed), warned(mixed, 0.5), warned(mixed, 2.0)) == (False, False, True)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_any_rate_gives_the_same(rate: int) -> None:
    assert share(soxr.resample(melody(), RATE, rate), rate) == pytest.approx(
        share(melody()), abs=0.05
    )


def test_blocks_give_what_the_whole_does() -> None:
    music = np.tile(melody(), 8)
    whole, cut = ToneMeter(), ToneMeter()
    whole.push(music, RATE)
    for start in range(0, len(music), 700):  # as decoders give them: shorter than a frame
        cut.push(music[start : start + 700], RATE)
    assert cut.share() == whole.share()


def test_channels_are_mixed() -> None:
    music = melody()
    assert share(np.stack([music, music], axis=1)) == pytest.approx(share(music))


def test_too_short_or_silent_to_tell() -> None:
    assert check_audio(melody(0.2), RATE).held_tones is None
    assert check_audio(np.zeros(RATE, np.float32), RATE).held_tones is None
    assert held_tones(np.zeros(3, np.float32), 1000) == (0.0, 0.0)
