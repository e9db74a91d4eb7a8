"""The ratio asked for, from any folder; what cannot be used is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from voice import RATE, vowel

from affekt.augment import BackgroundNoise
from affekt.augment.background_noise import loop, mix
from affekt.errors import ConfigError, DataError


def snr_db(clean: np.ndarray, noisy: np.ndarray) -> float:
    noise = noisy.astype(np.float64) - clean
    return float(10 * np.log10(np.mean(clean.astype(np.float64) ** 2) / np.mean(noise**2)))


def tone(frequency: float, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def share_of(samples: np.ndarray, frequency: float) -> float:
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    line = round(frequency * len(samples) / RATE)
    return float(power[line - 4 : line + 5].sum() / power.sum())


@pytest.mark.parametrize("wanted", [-5.0, 0.0, 12.5, 40.0])
def test_the_snr_is_the_one_asked_for(noise_folder: Path, wanted: float) -> None:
    given = vowel()
    noisy = BackgroundNoise(str(noise_folder), min_snr_db=wanted, max_snr_db=wanted)(
        given, RATE, np.random.default_rng(0)
    )
    assert snr_db(given, noisy) == pytest.approx(wanted, abs=0.1)


def test_the_snr_holds_for_real_noise(data_root: Path) -> None:
    folder = data_root / "noise"
    if not folder.is_dir():
        pytest.skip("needs background sounds in noise/")
    transform = BackgroundNoise(str(folder), kinds=("noise",), min_snr_db=10, max_snr_db=10)
    for seed in range(20):
        given = vowel(seconds=2.5)
        noisy = transform(given, RATE, np.random.default_rng(seed))
        assert snr_db(given, noisy) == pytest.approx(10, abs=0.1)


def test_ratios_are_drawn_from_the_range(noise_folder: Path) -> None:
    given = vowel()
    transform = BackgroundNoise(str(noise_folder), min_snr_db=3, max_snr_db=20)
    drawn = [snr_db(given, transform(given, RATE, np.random.default_rng(s))) for s in range(60)]
    assert 2.99 < min(drawn) < 5
    assert 18 < max(drawn) < 20.01


def test_a_flat_folder_of_any_rate(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "hum.ogg", np.repeat(tone(1000), 1), RATE)
    time = np.arange(3 * 44_100) / 44_100
    soundfile.write(tmp_path / "hum.flac", 0.3 * np.sin(2 * np.pi * 1000 * time), 44_100)
    (tmp_path / "readme.txt").write_text("two hums")
    given = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    for seed in range(4):
        noisy = BackgroundNoise(str(tmp_path), min_snr_db=0, max_snr_db=0)(
            given, RATE, np.random.default_rng(seed)
        )
        assert share_of(noisy - given, 1000) > 0.9


def test_kinds_are_kept_to(noise_folder: Path) -> None:
    for kind, frequency in (("noise", 500), ("music", 1000), ("speech", 2000)):
        for file in (noise_folder / kind).rglob("*.wav"):
            soundfile.write(file, tone(frequency, 3), RATE)
    given = vowel()

    def added(seed: int, **options: object) -> np.ndarray:
        transform = BackgroundNoise(str(noise_folder), **options)  # type: ignore[arg-type]
        return transform(given, RATE, np.random.default_rng(seed)) - given

    for seed in range(5):
        assert share_of(added(seed, kinds=("music",)), 1000) > 0.9
    # Without a choice, all kinds come, each about as often.
    heard = [
        next(f for f in (500, 1000, 2000) if share_of(noise, f) > 0.9)
        for noise in (added(seed) for seed in range(40))
    ]
    assert min(heard.count(f) for f in (500, 1000, 2000)) >= 5


def test_speech_is_several_voices(tmp_path: Path) -> None:
    (tmp_path / "speech").mkdir()
    frequencies = [400 + 173 * i for i in range(12)]
    for frequency in frequencies:
        soundfile.write(tmp_path / "speech" / f"{frequency}.wav", tone(frequency, 2), RATE)
    transform = BackgroundNoise(str(tmp_path), min_voices=4, max_voices=4)
    voices = set()
    for seed in range(10):
        noise = transform(vowel(), RATE, np.random.default_rng(seed)) - vowel()
        voices.add(sum(share_of(noise, frequency) > 0.05 for frequency in frequencies))
    assert voices == {4}


def test_short_noise_is_repeated_without_a_gap(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "short.wav", rng.normal(0, 0.1, RATE // 4), RATE)
    noise = BackgroundNoise(str(tmp_path))(vowel(seconds=3), RATE, rng) - vowel(seconds=3)
    level = np.sqrt(np.convolve(noise**2, np.ones(800) / 800, "valid"))
    assert level.min() > 0.6 * level.max()


@pytest.mark.parametrize("length", [1, 50, 399, 400, 401, 3999, 4000, 4001, 40_000])
def test_a_loop_has_the_length_and_no_click(length: int) -> None:
    sound = tone(100, 0.25) + 0.5
    looped = loop(sound, length, RATE)
    assert looped.shape == (length,)
    assert np.abs(np.diff(looped)).max(initial=0) < 3 * np.abs(np.diff(sound)).max()


def test_places_are_drawn_from_a_long_sound(tmp_path: Path) -> None:
    time = np.arange(10 * RATE) / RATE
    sweep = 0.3 * np.sin(2 * np.pi * (200 * time + 150 * time**2))
    soundfile.write(tmp_path / "sweep.wav", sweep, RATE)
    transform, given = BackgroundNoise(str(tmp_path)), np.full(RATE, 1e-3, dtype=np.float32)
    centres = set()
    for seed in range(10):
        power = np.abs(np.fft.rfft(transform(given, RATE, np.random.default_rng(seed)) - given))
        centres.add(int(power.argmax()) // 200)
    assert len(centres) > 4


def test_silent_stretches_are_passed_over(tmp_path: Path) -> None:
    sound = np.zeros(60 * RATE)
    sound[50 * RATE : 50 * RATE + 800] = tone(1000, 0.05)
    soundfile.write(tmp_path / "rare.flac", sound, RATE)
    transform, given = BackgroundNoise(str(tmp_path), min_snr_db=10, max_snr_db=10), vowel()
    for seed in range(3):
        noisy = transform(given, RATE, np.random.default_rng(seed))
        assert snr_db(given, noisy) == pytest.approx(10, abs=0.1)


def test_a_silent_clip_stays_silent(noise_folder: Path) -> None:
    given = np.zeros(RATE, dtype=np.float32)
    noisy = BackgroundNoise(str(noise_folder))(given, RATE, np.random.default_rng(0))
    assert not noisy.any()


def test_mixing_silence_changes_nothing() -> None:
    assert (mix(vowel(), np.zeros(RATE, dtype=np.float32), 10) == vowel()).all()


def test_a_missing_folder(tmp_path: Path) -> None:
    transform = BackgroundNoise(str(tmp_path / "nothing"))
    with pytest.raises(DataError, match="background_noise: no folder .*nothing; check the path"):
        transform(vowel(), RATE, np.random.default_rng(0))


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no sounds")
    with pytest.raises(DataError, match=r"background_noise: no sounds in .*; expected .*\.wav"):
        BackgroundNoise(str(tmp_path))(vowel(), RATE, np.random.default_rng(0))


def test_a_missing_kind(noise_folder: Path, tmp_path: Path) -> None:
    transform = BackgroundNoise(str(tmp_path), kinds=("music",))
    with pytest.raises(DataError, match="no folder .*music"):
        transform(vowel(), RATE, np.random.default_rng(0))


def test_a_silent_sound_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "nothing.wav", np.zeros(RATE), RATE)
    with pytest.raises(DataError, match=r"background_noise: .*nothing.wav is silent; remove it"):
        BackgroundNoise(str(tmp_path))(vowel(), RATE, np.random.default_rng(0))


def test_a_broken_sound_is_no_broken_clip(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF and then nothing")
    with pytest.raises(DataError, match=r"background_noise: .*broken.wav"):
        BackgroundNoise(str(tmp_path))(vowel(), RATE, np.random.default_rng(0))


def test_impossible_options() -> None:
    with pytest.raises(ConfigError, match="unknown kind 'traffic': expected noise, music, speech"):
        BackgroundNoise("sounds", kinds=("traffic",))
    with pytest.raises(ConfigError, match="min_snr_db 30 is above max_snr_db 5"):
        BackgroundNoise("sounds", min_snr_db=30, max_snr_db=5)
    with pytest.raises(ConfigError, match="voices from 0 to 7 is outside"):
        BackgroundNoise("sounds", min_voices=0)
