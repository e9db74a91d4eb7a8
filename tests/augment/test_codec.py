"""What each line takes away, and that it takes no time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from voice import RATE, measure_pitch, vowel

from affekt.audio import load_audio
from affekt.augment import Codec
from affekt.augment.codec import CODECS, band_pass, mu_law, through, through_phone
from affekt.errors import ConfigError

EVERY = [(name, kbps) for name, facts in CODECS.items() for kbps in facts.kbps]


def lag(given: np.ndarray, changed: np.ndarray, low: float = 400, high: float = 3000) -> int:
    """By how many samples ``changed`` comes later, from where the two agree best."""
    size = 2 * len(given)
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    cross = np.fft.rfft(changed, size) * np.fft.rfft(given, size).conj()
    agreement = np.fft.irfft(cross * ((frequency > low) & (frequency < high)))
    best = int(agreement.argmax())
    return best - size if best > size // 2 else best


def band_db(samples: np.ndarray, low: float, high: float) -> float:
    frequency = np.fft.rfftfreq(len(samples), 1 / RATE)
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(10 * np.log10(power[(frequency >= low) & (frequency < high)].sum() + 1e-20))


def noise(seconds: float = 2.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize(("codec", "kbps"), EVERY)
def test_nothing_is_delayed(codec: str, kbps: float, recordings: list[Path]) -> None:
    given = load_audio(recordings[0])
    changed = through(given, RATE, codec, kbps)
    assert len(changed) == len(given)
    assert abs(lag(given, changed)) <= 4  # a quarter of a millisecond


@pytest.mark.parametrize(("codec", "kbps"), EVERY)
def test_it_is_still_the_same_voice(codec: str, kbps: float) -> None:
    given = vowel(150.0, seconds=1.5)
    changed = through(given, RATE, codec, kbps)
    assert measure_pitch(changed) == pytest.approx(150, rel=0.01)
    assert np.sqrt(np.mean(changed**2)) == pytest.approx(np.sqrt(np.mean(given**2)), rel=0.3)


def test_fewer_bits_are_worse(recordings: list[Path]) -> None:
    given = load_audio(recordings[0])
    for codec, facts in CODECS.items():
        if codec == "gsm":
            continue  # it models the voice; its error in samples says little
        errors = [
            np.mean((through(given, RATE, codec, kbps) - given) ** 2)
            for kbps in (min(facts.kbps), max(facts.kbps))
        ]
        assert errors[0] > 1.5 * errors[1]


def test_phones_are_narrow() -> None:
    given = noise()
    for changed in (through_phone(given, RATE), through(given, RATE, "gsm", 12.2)):
        assert band_db(changed, 4100, 8000) < band_db(given, 4100, 8000) - 40
    heard = through_phone(given, RATE)
    assert band_db(heard, 0, 120) < band_db(given, 0, 120) - 20
    assert abs(band_db(heard, 400, 3300) - band_db(given, 400, 3300)) < 0.5


def test_the_phone_does_not_delay() -> None:
    assert lag(noise(), through_phone(noise(), RATE)) == 0


def test_mu_law_has_eight_bits_and_fine_steps_where_it_is_quiet() -> None:
    ramp = np.linspace(-1, 1, 100_001).astype(np.float32)
    coded = mu_law(ramp)
    assert len(np.unique(coded)) == 255  # zero has no sign
    error = np.abs(coded - ramp)
    assert error[np.abs(ramp) < 0.01].max() < 5e-4
    assert error.max() < 0.025
    assert (mu_law(np.array([0.0, 1.0, -1.0, 3.0], dtype=np.float32)) == [0, 1, -1, 1]).all()


def test_mu_law_is_g711_but_for_its_straight_segments() -> None:
    # G.711 replaces the curve by eight straight segments, with 38 dB for a strong signal.
    tone = (0.5 * np.sin(np.arange(16_000) * 0.123)).astype(np.float32)
    snr_db = 10 * np.log10(np.mean(tone**2) / np.mean((mu_law(tone) - tone) ** 2))
    assert 36 < snr_db < 40


def test_a_band_is_kept_as_it_is() -> None:
    time = np.arange(RATE) / RATE
    inside = np.sin(2 * np.pi * 1000 * time).astype(np.float32)
    outside = np.sin(2 * np.pi * 6000 * time).astype(np.float32)
    kept = band_pass(inside + outside, 300, 3400, RATE)[500:-500]
    np.testing.assert_allclose(kept, inside[500:-500], atol=0.01)


def test_every_kind_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = set()
    from affekt.augment import codec as module

    monkeypatch.setattr(module, "through_phone", lambda x, rate: drawn.add("phone") or x)
    monkeypatch.setattr(module, "through", lambda x, rate, kind, kbps: drawn.add((kind, kbps)) or x)
    generator = np.random.default_rng(0)
    for _ in range(600):
        Codec()(vowel(seconds=0.1), RATE, generator)
    assert drawn == {"phone", *EVERY}


def test_rates_are_kept_to() -> None:
    assert Codec(("opus",), min_kbps=7, max_kbps=13)._bit_rates("opus") == [8, 12]
    with pytest.raises(ConfigError, match=r"codec: gsm has no rate from 16 to 32 .* 4.75, 5.15"):
        Codec(min_kbps=16)
    Codec(("phone",), min_kbps=16)  # has a rate of its own


def test_what_is_beyond_full_scale_is_cut() -> None:
    loud = 8 * vowel()
    for kind in ("phone", "mp3", "opus", "gsm"):
        changed = Codec((kind,))(loud, RATE, np.random.default_rng(0))
        assert np.abs(changed).max() < 2.5


def test_impossible_options() -> None:
    with pytest.raises(ConfigError, match="unknown kind 'fax': expected phone, gsm, mp3, opus"):
        Codec(("fax",))
    with pytest.raises(ConfigError, match="kinds is empty"):
        Codec(())


def test_a_build_without_the_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace
    from types import MappingProxyType

    from affekt.augment import codec as module

    without = {"gsm": replace(CODECS["gsm"], encoder="libnothing")}
    monkeypatch.setattr(module, "CODECS", MappingProxyType(without))
    with pytest.raises(ConfigError, match="this PyAV has no libnothing: leave 'gsm' out of kinds"):
        through(vowel(), RATE, "gsm", 12.2)
