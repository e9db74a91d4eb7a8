from __future__ import annotations

from pathlib import Path

import pytest
from tiny_corpus import make_emodb, write_sound

from affekt.data import Clip, data_root, open_data, write_manifest
from affekt.errors import DataError


def test_the_data_root_is_the_option_then_the_variable_then_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFEKT_DATA", str(tmp_path / "variable"))
    assert data_root(tmp_path / "option") == tmp_path / "option"
    assert data_root() == tmp_path / "variable"
    monkeypatch.setenv("AFFEKT_DATA", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_root().parts[-2:] == ("affekt", "data")
    assert data_root("~/x") == Path.home() / "x"


def test_a_corpus_by_its_name(tmp_path: Path) -> None:
    make_emodb(tmp_path / "emodb")
    assert [clip.corpus for clip in open_data("emodb", tmp_path)] == ["emodb"] * 3


def test_a_corpus_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="affekt data get ravdess"):
        open_data("ravdess", tmp_path)
    (tmp_path / "ravdess").mkdir()
    with pytest.raises(DataError, match="holds no clips of ravdess.*affekt data get ravdess"):
        open_data("ravdess", tmp_path)


def test_a_manifest(tmp_path: Path) -> None:
    clip = Clip(write_sound(tmp_path / "a.wav"), "sad")
    write_manifest([clip], tmp_path / "clips.csv")
    assert open_data(tmp_path / "clips.csv") == [clip]
    assert open_data(str(tmp_path / "clips.csv")) == [clip]


def test_a_folder_per_emotion(tmp_path: Path) -> None:
    write_sound(tmp_path / "Happiness" / "one.wav")
    write_sound(tmp_path / "sad" / "anna" / "two.flac")
    (tmp_path / "sad" / "notes.txt").write_text("not a recording")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "readme.md").write_text("no recordings here either")
    assert open_data(tmp_path) == [
        Clip(tmp_path / "Happiness" / "one.wav", "happy"),
        Clip(tmp_path / "sad" / "anna" / "two.flac", "sad", speaker="anna"),
    ]


def test_folders_may_have_any_name(tmp_path: Path) -> None:
    for name in ("aengstlich", "hungry", "Tre\u0300s e\u0301mu"):
        write_sound(tmp_path / name / "a.wav")
    assert {clip.emotion for clip in open_data(tmp_path)} == {"fearful", "hungry", "Très ému"}


def test_folders_that_are_one_word_in_two_spellings(tmp_path: Path) -> None:
    for name in ("Hungry", "hungry_", "HUNGRY"):
        write_sound(tmp_path / name / "a.wav")
    with pytest.raises(DataError, match="'HUNGRY' and 'Hungry' differ only in case or accents"):
        open_data(tmp_path)


@pytest.mark.parametrize("place", ["a.wav", "happy/anna/monday/a.wav"])
def test_recordings_out_of_place_are_refused(tmp_path: Path, place: str) -> None:
    write_sound(tmp_path / place)
    with pytest.raises(DataError, match="neither in emotion/ nor in emotion/speaker/"):
        open_data(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    with pytest.raises(DataError, match="holds no recordings"):
        open_data(tmp_path)


def test_nothing_of_that_name(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"'ravdes' is neither a corpus \(.*cremad, emodb, .*ravdess"
    ):
        open_data("ravdes", tmp_path)
