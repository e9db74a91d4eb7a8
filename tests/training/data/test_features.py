from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_corpus import RATE, write_sound

torch = pytest.importorskip("torch")

from affekt.data import Clip  # noqa: E402
from affekt.errors import AudioError, DataError  # noqa: E402
from affekt.models.frontend import FrontendConfig, LogMel  # noqa: E402
from affekt.training.data.features import FeatureStore, pad  # noqa: E402

FRONTEND = FrontendConfig(hop_length=160, n_mels=40)  # 10 ms


@pytest.fixture
def store() -> FeatureStore:
    """One of its own for each test, so that nothing is known beforehand."""
    return FeatureStore(FRONTEND)


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype("f4")


def clip(path: Path, **fields: object) -> Clip:
    return Clip(path, "sad", **fields)  # type: ignore[arg-type]


def test_silent_clips_are_left_out_and_too_many_of_them_are_refused(
    store: FeatureStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    voices = [clip(write_sound(tmp_path / f"{number}.wav")) for number in range(12)]
    silent = clip(write_sound(tmp_path / "silent.wav", np.zeros(RATE, dtype=np.float32)))
    with caplog.at_level(logging.WARNING, "affekt.training"):
        assert store.prepare([*voices, silent], (1.0,)) == voices
    assert "silent.wav: it is silent" in caplog.text
    with pytest.raises(
        DataError, match=r"1 of 2 clips cannot be read, .*silent\.wav: it is silent"
    ):
        store.prepare([voices[0], silent], (1.0,))


def test_features_are_what_the_frontend_of_the_model_computes(
    store: FeatureStore, tmp_path: Path
) -> None:
    import soundfile

    path = write_sound(tmp_path / "a.wav")
    samples, _ = soundfile.read(path, dtype="float32")
    expected = LogMel(FRONTEND)(torch.from_numpy(samples)[None])[0].numpy()
    found = store.get(clip(path))
    assert found.dtype == np.float16
    assert found.shape == (40, len(samples) // 160 + 1)
    assert np.allclose(found, expected, atol=5e-3)


def test_a_stretch_has_the_features_of_that_stretch_alone(
    store: FeatureStore, tmp_path: Path
) -> None:
    whole = np.concatenate([tone(300), tone(2000)])
    path = write_sound(tmp_path / "whole.wav", whole)
    part = write_sound(tmp_path / "part.wav", whole[int(0.5 * RATE) : int(1.75 * RATE)])
    found = store.get(clip(path, start=0.5, end=1.75))
    assert np.array_equal(found, store.get(clip(part)))
    assert store.get(clip(path, start=1.5)).shape[1] == 51
    assert store.get(clip(path, end=0.25)).shape[1] == 26
    assert store.get(clip(path)).shape[1] == 201


def test_a_stretch_beyond_the_end_is_refused(store: FeatureStore, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", tone(300))
    with pytest.raises(AudioError, match=r"a\.wav: nothing between 2\.0 and 3\.0 s"):
        store.get(clip(path, start=2.0, end=3.0))


def test_what_is_the_same_audio_is_read_once(store: FeatureStore, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav")
    store.get(clip(path))
    path.unlink()
    relabelled = replace(clip(path), emotion="happy", speaker="b", split="test")
    assert store.get(relabelled).shape == (40, 51)
    with pytest.raises(AudioError):
        store.get(clip(path, start=0.1))  # another stretch
    with pytest.raises(AudioError):
        store.get(clip(path), speed=0.9)  # another speed


@pytest.mark.parametrize("speed", [0.8, 1.25])
def test_speed_changes_duration_and_pitch_together(
    speed: float, store: FeatureStore, tmp_path: Path
) -> None:
    path = write_sound(tmp_path / "a.wav", tone(1000))
    played = store.get(clip(path), speed)
    assert played.shape[1] == pytest.approx(101 / speed, abs=1)
    as_recorded = write_sound(tmp_path / "b.wav", tone(1000 * speed))
    expected = store.get(clip(as_recorded)).mean(axis=1).argmax()
    assert played.mean(axis=1).argmax() == expected
    assert expected != store.get(clip(path)).mean(axis=1).argmax()


def test_unreadable_clips_are_left_out_and_named(
    store: FeatureStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips = [clip(write_sound(tmp_path / f"{number}.wav")) for number in range(19)]
    (tmp_path / "broken.wav").write_text("no sound at all")
    seen: list[tuple[str, int, int]] = []
    with caplog.at_level(logging.WARNING, logger="affekt.training"):
        readable = store.prepare(
            [*clips, clip(tmp_path / "broken.wav")], (1.0,), lambda *step: seen.append(step)
        )
    assert readable == clips
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["left out"]
    assert "broken.wav" in caplog.text
    assert seen[-1] == ("reading audio", 20, 20)
    assert len(seen) == 20


def test_more_than_a_tenth_unreadable_is_refused(store: FeatureStore, tmp_path: Path) -> None:
    clips = [clip(write_sound(tmp_path / f"{number}.wav")) for number in range(8)]
    missing = clip(tmp_path / "gone.wav")
    with pytest.raises(DataError, match=r"1 of 9 clips cannot be read, the first: .*gone\.wav"):
        store.prepare([*clips, missing], (1.0,))


def test_statistics_are_those_of_all_frames(store: FeatureStore, tmp_path: Path) -> None:
    paths = [tmp_path / "short.wav", tmp_path / "long.wav"]
    clips = [
        clip(write_sound(path, tone(500, seconds)))
        for path, seconds in zip(paths, (0.3, 1.1), strict=True)
    ]
    values = np.concatenate([store.get(c).astype(np.float64) for c in clips], axis=1)
    mean, deviation = store.statistics(clips)
    assert mean == pytest.approx(values.mean())
    assert deviation == pytest.approx(values.std())


def test_padding_keeps_every_frame_and_says_how_many() -> None:
    items = [np.full((3, 2), 5.0, dtype=np.float16), np.full((3, 4), 7.0, dtype=np.float16)]
    stacked, lengths = pad(items, fill=-1.0)
    assert stacked.dtype == np.float32
    assert lengths.tolist() == [2, 4]
    assert stacked[0].tolist() == [[5, 5, -1, -1]] * 3
    assert stacked[1].tolist() == [[7, 7, 7, 7]] * 3
