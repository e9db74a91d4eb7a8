from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tiny_corpus import sound, write_sound

pytest.importorskip("torch")

from affekt.data import Clip
from affekt.errors import AudioError, ConfigError, DataError
from affekt.features import functional_vector
from affekt.training.classic import fit as vectors
from affekt.training.classic.fit import VectorStore


def clip(folder: Path, name: str = "a", **stretch: float) -> Clip:
    file = folder / f"{name}.wav"
    if not file.exists():
        write_sound(file)
    return Clip(file, "sad", **stretch)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.npy"))


def test_it_gives_the_functionals_of_the_clip(tmp_path: Path) -> None:
    expected = functional_vector(sound("a"), 16000, "tutorial")[1]
    vector = VectorStore("tutorial").get(clip(tmp_path))
    assert vector.dtype == np.float32
    assert vector == pytest.approx(expected, rel=1e-3, abs=1e-3)  # wav rounds to 16 bit
    assert VectorStore("tutorial").matrix([clip(tmp_path), clip(tmp_path, "b")]).shape == (2, 66)


def test_a_stretch_is_a_clip_of_its_own(tmp_path: Path) -> None:
    store = VectorStore("tutorial", tmp_path / "kept")
    whole, part = store.get(clip(tmp_path)), store.get(clip(tmp_path, start=0.1, end=0.3))
    assert not np.allclose(whole, part)
    assert len(files(tmp_path / "kept")) == 2


def test_it_measures_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = VectorStore("tutorial", tmp_path / "kept").get(clip(tmp_path))
    monkeypatch.setattr(vectors, "functional_vector", None)  # measuring again would raise
    again = VectorStore("tutorial", tmp_path / "kept").get(clip(tmp_path))
    assert np.array_equal(first, again)


def test_a_replaced_recording_is_measured_again(tmp_path: Path) -> None:
    store = VectorStore("tutorial", tmp_path / "kept")
    first = store.get(clip(tmp_path))
    path = write_sound(tmp_path / "a.wav", sound("something else", seconds=0.7))
    os.utime(path, ns=(1, 1))
    assert not np.allclose(store.get(clip(tmp_path)), first)


def test_other_code_measures_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    VectorStore("tutorial", tmp_path / "kept").get(clip(tmp_path))
    monkeypatch.setattr(vectors, "_code_version", lambda: "later")
    VectorStore("tutorial", tmp_path / "kept").get(clip(tmp_path))
    assert len(files(tmp_path / "kept")) == 2


def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    VectorStore("tutorial").get(clip(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_what_cannot_be_read_is_left_out_unless_it_is_much(tmp_path: Path) -> None:
    good = [clip(tmp_path, f"{number}") for number in range(10)]
    bad = Clip(tmp_path / "gone.wav", "sad")
    seen: list[int] = []
    store = VectorStore("tutorial")
    assert store.prepare([*good, bad], lambda what, done, total: seen.append(done)) == good
    assert seen == list(range(1, 12))
    with pytest.raises(DataError, match=r"1 of 2 clips cannot be read.*gone\.wav"):
        store.prepare([good[0], bad])
    with pytest.raises(AudioError, match=r"gone\.wav"):
        store.get(bad)


def test_an_unknown_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no feature set 'best'"):
        VectorStore("best").get(clip(tmp_path))
