"""The picture shows the right frequency at the right time, and both lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affekt.augment.picture import HOP_MS, RANGE_DB, draw, spectrogram_db

RATE = 16_000


def test_a_tone_is_where_it_should_be() -> None:
    samples = np.zeros(RATE, dtype=np.float32)
    time = np.arange(RATE // 2) / RATE
    samples[RATE // 2 :] = 0.5 * np.sin(2 * np.pi * 2000 * time)
    spectrum = spectrogram_db(samples, RATE)
    assert spectrum.shape[1] == 1000 // HOP_MS
    bin_hz = RATE / 2 / (spectrum.shape[0] - 1)
    assert spectrum[:, 150].argmax() * bin_hz == pytest.approx(2000, abs=bin_hz)
    assert spectrum[:, 50].max() < spectrum[:, 150].max() - RANGE_DB


def test_any_two_lengths_can_be_drawn(tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib.image")
    rng = np.random.default_rng(0)
    for number, lengths in enumerate(((1, 1), (RATE, 10), (100, RATE), (RATE, RATE))):
        one, other = (rng.normal(0, 0.1, length).astype(np.float32) for length in lengths)
        draw(one, other, RATE, "title", tmp_path / f"{number}.png")
        assert matplotlib.imread(tmp_path / f"{number}.png").std() > 0.05  # not an empty page


def test_silence_can_be_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    silence = np.zeros(RATE, dtype=np.float32)
    draw(silence, silence, RATE, "silence", tmp_path / "silence.png")
    assert (tmp_path / "silence.png").stat().st_size > 1000
