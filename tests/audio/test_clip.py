"""A clip carries what the model hears and the levels of the recording itself."""

from __future__ import annotations

import numpy as np
import pytest

from affekt.audio import SAMPLE_RATE, decode, load_audio, load_clip
from affekt.errors import AudioError


@pytest.mark.parametrize("kind", ["wav-16", "flac", "ogg", "mp3", "m4a", "webm"])
def test_what_is_too_long_is_refused_in_every_format(kind, encode):
    rng = np.random.default_rng(1)
    content = encode(kind, rng.normal(0, 0.1, 48000 * 3).astype(np.float32), 48000)
    with pytest.raises(AudioError, match=r"longer than 2 s; give a shorter part"):
        decode(content, max_duration=2)
    samples, rate = decode(content, max_duration=4)
    assert len(samples) / rate == pytest.approx(3, abs=0.1)


def test_levels_are_those_before_resampling(encode):
    tone = np.clip(2 * np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000), -1, 1)
    content = encode("wav-16", tone.astype(np.float32), 48000)
    clip = load_clip(content)
    assert np.array_equal(clip.waveform, load_audio(content))
    assert len(clip.waveform) == SAMPLE_RATE
    assert clip.quality.clipped_fraction > 0.5
    with pytest.raises(AudioError, match="longer than 0.5 s"):
        load_clip(content, max_duration=0.5)
