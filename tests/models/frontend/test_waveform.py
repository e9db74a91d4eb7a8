"""The frontend that is no spectrum: samples in pieces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_network import WAVEFORM, voice

from affekt.errors import ConfigError
from affekt.models.frontend import FrontendConfig, Waveform, build_frontend


@pytest.mark.parametrize("samples", [1, 319, 320, 321, 16_000, 16_001])
def test_the_pieces_are_the_waveform_with_zeros_behind(samples: int) -> None:
    frontend = build_frontend(replace(WAVEFORM, normalisation="global"))
    assert isinstance(frontend, Waveform)
    sounds = torch.randn(2, samples)
    pieces = frontend(sounds)
    assert pieces.shape == (2, 320, -(-samples // 320))
    flat = pieces.transpose(1, 2).flatten(1)
    torch.testing.assert_close(flat[:, :samples], sounds / 0.05)
    assert not flat[:, samples:].any()
    assert torch.equal(frontend.features(pieces), pieces)


def test_level_is_mean_0_and_variance_1_whatever_the_loudness() -> None:
    frontend = build_frontend(WAVEFORM)
    sound = torch.from_numpy(voice(1.0)[None])
    plain = frontend(sound)
    assert plain.mean().abs() < 1e-4
    assert plain.square().mean() == pytest.approx(1, abs=1e-3)
    torch.testing.assert_close(frontend(3 * sound + 0.1), plain, rtol=0, atol=5e-3)


def test_silence_stays_silent() -> None:
    found = build_frontend(WAVEFORM)(torch.full((1, 1000), 0.25))
    assert np.abs(found.numpy()).max() < 1e-2


def test_what_it_says_of_itself() -> None:
    assert WAVEFORM.channels == 320
    assert WAVEFORM.frames_per_second == 50
    assert WAVEFORM.one_scale
    assert not WAVEFORM.spectral
    assert not WAVEFORM.streamable
    assert FrontendConfig().spectral


@pytest.mark.parametrize("normalisation", ["local", "utterance", "pcen"])
def test_normalisations_of_a_spectrum_are_refused(normalisation: str) -> None:
    message = f"frontend: a waveform has the normalisation level or global, got '{normalisation}'"
    with pytest.raises(ConfigError, match=message):
        FrontendConfig(kind="waveform", normalisation=normalisation)
