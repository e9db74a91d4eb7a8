"""The corpora beside RAVDESS, EMO-DB and CREMA-D: official layouts, compact copies, quirks."""

from __future__ import annotations

import hashlib
import logging
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_corpus import (
    OFFICIAL_NAMES,
    OFFICIAL_TABLES,
    make_compact,
    make_official,
    tar_folder,
    write_sound,
    zip_folder,
)

from affekt.data import CORPORA, load_corpus, open_data, read_manifest, write_manifest
from affekt.data.corpora.compact import is_compact
from affekt.data.fetch import fetch
from affekt.data.root import corpora_root, corpus_folder
from affekt.data.splits import leaking_speakers, split_speakers
from affekt.errors import DataError
from affekt.results import DIMENSIONS

COMPACT = {
    "savee": (480, 4),
    "emotale": (800, 18),
    "ased": (637, 62),
    "emotiontts_ko": (300, 15),
    "turev": (440, 6),
    "indian_emospeech": (822, 106),
    "emogator": (910, 344),
    "baved": (464, 59),
    "banglaser_ext": (246, 15),
}
"""Clips and speakers of the compact copies, without labels in doubt."""

DOWNLOADED = ("emozionalmente", "subesco", "banglaser", "mesd", "emouerj", "jl_corpus")
DOWNLOADED += ("thorsten_emotional",)

RATED = ("iemocap", "msp_podcast", "msp_improv")
"""Whose labels and ratings stand in tables, not in the names of the recordings."""

EXPECTED = {
    "savee": [
        ("angry", "DC", "male", "en"),
        ("neutral", "KL", "male", "en"),
        ("surprised", "KL", "male", "en"),
    ],
    "emotale": [("angry", "001", "", "da"), ("boredom", "019", "", "en")],
    "ased": [
        ("angry", "39-45", "male", "am"),
        ("happy", "23-25", "male", "am"),
        ("neutral", "01", "female", "am"),
    ],
    "emotiontts_ko": [
        ("neutral", "ema", "female", "ko"),
        ("sad", "nek", "male", "ko"),
        ("angry", "nek", "male", "ko"),
    ],
    "turev": [("angry", "1157", "", "tr"), ("calm", "1234", "", "tr")],
    "indian_emospeech": [
        ("calm", "", "", "hi"),
        ("angry", "04e398ad", "", "en"),
        ("fearful", "04e398ad", "", "en"),
    ],
    "emogator": [("angry", "000002", "", ""), ("surprised", "000002", "", "")],
    "baved": [("high", "0", "male", "ar"), ("low", "46", "male", "ar")],
    "banglaser_ext": [("disgust", "48", "female", "bn"), ("fearful", "41", "male", "bn")],
    "emozionalmente": [
        ("happy", "anna", "female", "it"),
        ("neutral", "anna", "female", "it"),
        ("fearful", "bruno", "male", "it"),
    ],
    "subesco": [("neutral", "F02", "female", "bn"), ("surprised", "M02", "male", "bn")],
    "banglaser": [("happy", "01", "male", "bn"), ("surprised", "34", "female", "bn")],
    "iemocap": [("happy", "Ses01F", "female", "en"), ("frustrated", "Ses01M", "male", "en")],
    "msp_podcast": [("contempt", "127", "male", "en"), ("undecided", "", "", "en")],
    "msp_improv": [("angry", "F01", "female", "en"), ("undecided", "M02", "male", "en")],
    "mesd": [("angry", "", "", "es"), ("happy", "", "female", "es")],
    "emouerj": [("happy", "m01", "male", "pt"), ("angry", "w04", "female", "pt")],
    "jl_corpus": [("angry", "female1", "female", "en"), ("sad", "male2", "male", "en")],
    "thorsten_emotional": [
        ("disgust", "thorsten", "male", "de"),
        ("neutral", "thorsten", "male", "de"),
    ],
}


@pytest.fixture
def corpora_folder(data_root: Path) -> Path:
    folder = corpora_root(data_root)
    if not (folder / "savee").is_dir():
        pytest.skip("needs the development corpora in a folder 'corpora' beside the data")
    return folder


@pytest.mark.parametrize("name", list(EXPECTED))
def test_official_layouts(tmp_path: Path, name: str) -> None:
    make_official(name, tmp_path / name)
    clips = load_corpus(name, tmp_path)
    found = [(clip.emotion, clip.speaker, clip.gender, clip.language) for clip in clips]
    assert sorted(found) == sorted(EXPECTED[name])
    assert {clip.corpus for clip in clips} == {name}
    assert {clip.emotion for clip in clips} <= set(CORPORA[name].emotions)


@pytest.mark.parametrize(
    "name", sorted(set(EXPECTED) - {"emozionalmente", "thorsten_emotional", *RATED})
)
def test_misnamed_recordings_are_refused(tmp_path: Path, name: str) -> None:
    first = write_sound(make_official(name, tmp_path / name) / OFFICIAL_NAMES[name][0])
    first.rename(first.with_stem("what is this"))
    with pytest.raises(DataError, match=f"{name}: 1 recordings in .* not named .*what is this"):
        load_corpus(name, tmp_path)


@pytest.mark.parametrize("name", list(COMPACT))
def test_the_real_compact_copies(corpora_folder: Path, data_root: Path, name: str) -> None:
    clips = load_corpus(name, data_root)
    assert (len(clips), len({clip.speaker for clip in clips} - {""})) == COMPACT[name]
    corpus = CORPORA[name]
    assert {clip.emotion for clip in clips} == set(corpus.emotions) - set(corpus.unsettled)
    assert ", ".join(sorted({clip.language for clip in clips})) == corpus.language
    assert {clip.corpus for clip in clips} == {name}
    assert open_data(name, data_root) == clips


@pytest.mark.parametrize("name", list(COMPACT))
def test_names_say_what_the_compact_tables_say(
    corpora_folder: Path, tmp_path: Path, name: str
) -> None:
    """The official layout is read from names alone: two sources for the same facts."""
    audio = corpora_folder / name / "audio"
    inner = tmp_path / "AudioData" if name == "savee" else tmp_path
    for file in audio.rglob("*.ogg"):
        link = inner / file.relative_to(audio)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    if name == "emotale":
        (tmp_path / "annotations.csv").symlink_to(corpora_folder / name / "annotations.csv")
    by_table = {c.file.relative_to(audio): c for c in CORPORA[name].read(corpora_folder / name)}
    by_name = {c.file.relative_to(inner): c for c in CORPORA[name].read(tmp_path)}
    assert by_table.keys() == by_name.keys()
    for place, clip in by_table.items():
        gender = "" if name == "emotale" else clip.gender  # only a table has those of EmoTale
        rated = {one: getattr(by_name[place], one) for one in DIMENSIONS}
        for one, value in rated.items():  # the table rounds them
            assert value == pytest.approx(getattr(clip, one), abs=3e-4)
        assert replace(by_name[place], file=clip.file) == replace(clip, gender=gender, **rated)


def test_labels_in_doubt_are_left_out(
    corpora_folder: Path, data_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "affekt.data"):
        clips = load_corpus("ased", data_root)
    assert Counter(c.emotion for c in clips) == {"neutral": 236, "happy": 204, "angry": 197}
    assert "ased: left out 404 clips labelled fearful and sad" in caplog.text


def test_a_hash_of_several_users_is_no_speaker(corpora_folder: Path, data_root: Path) -> None:
    clips = load_corpus("indian_emospeech", data_root)
    anonymous = [clip for clip in clips if "-d14a028c" in clip.file.stem]
    assert len(anonymous) == 66
    assert {clip.speaker for clip in anonymous} == {""}


def test_speakers_that_share_recordings_are_never_split(
    corpora_folder: Path, data_root: Path
) -> None:
    for seed in range(5):
        split = split_speakers(load_corpus("ased", data_root), seed=seed)
        assert leaking_speakers(split) == {}
        for pair in (("23", "25"), ("39", "45")):
            own = [clip for clip in split if clip.file.stem.rsplit("-", 1)[1] in pair]
            assert own
            assert len({clip.split for clip in own}) == 1


def test_levels_of_expression_pass_through_manifests(tmp_path: Path) -> None:
    make_official("baved", tmp_path / "baved")
    clips = load_corpus("baved", tmp_path)
    write_manifest(clips, tmp_path / "baved.csv")
    assert [clip.emotion for clip in read_manifest(tmp_path / "baved.csv")] == ["high", "low"]
    foreign = (tmp_path / "baved.csv").read_text().replace(",baved,", ",,")
    (tmp_path / "own.csv").write_text(foreign)
    assert [clip.emotion for clip in read_manifest(tmp_path / "own.csv")] == ["high", "low"]


def test_what_listeners_heard_in_emozionalmente(tmp_path: Path) -> None:
    make_official("emozionalmente", tmp_path / "emozionalmente")
    joy, neutral, _ = load_corpus("emozionalmente", tmp_path)
    assert joy.votes == {"happy": 0.75, "surprised": 0.25}
    assert joy.agreement == 0.75
    assert neutral.votes is None


def test_emozionalmente_without_its_tables(tmp_path: Path) -> None:
    metadata = make_official("emozionalmente", tmp_path / "emozionalmente") / "emozionalmente"
    write_sound(metadata / "audio" / "unlisted.wav")
    with pytest.raises(DataError, match=r"does not list 1 of the recordings, .* unlisted\.wav"):
        load_corpus("emozionalmente", tmp_path)
    samples = metadata / "metadata" / "samples.csv"
    samples.write_text(samples.read_text().replace("joy", "love"))
    with pytest.raises(DataError, match="unknown emotion 'love'"):
        load_corpus("emozionalmente", tmp_path)
    samples.write_text("file_name,actor\n")
    with pytest.raises(DataError, match="lacks the column emotion_expressed"):
        load_corpus("emozionalmente", tmp_path)
    samples.unlink()
    with pytest.raises(DataError, match=r"no metadata/samples\.csv"):
        load_corpus("emozionalmente", tmp_path)


@pytest.mark.parametrize(
    ("name", "ratings"),
    [
        ("iemocap", [(0.5, 1.0, -0.25), (-1.0, 0.0, 0.0)]),
        ("msp_podcast", [(-1.0, 1.0, 0.0), (0.2, -0.5, 0.0)]),
        ("msp_improv", [(-0.5, 1.0, 0.5), (1.0, 0.0, None)]),  # activation 1 is the highest
    ],
)
def test_ratings_are_brought_from_minus_one_to_one(
    tmp_path: Path, name: str, ratings: list[tuple[float | None, ...]]
) -> None:
    make_official(name, tmp_path / name)
    found = [(c.valence, c.arousal, c.dominance) for c in load_corpus(name, tmp_path)]
    for one, other in zip(found, ratings, strict=True):
        assert one == pytest.approx(other)
    write_manifest(load_corpus(name, tmp_path), tmp_path / "all.csv")
    assert [clip.valence for clip in read_manifest(tmp_path / "all.csv")] == pytest.approx(
        [row[0] for row in ratings]
    )


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("iemocap", "[4.0000,", "[9.0000,", "F000: the rating 9.0000 is not from 1 to 5"),
        ("iemocap", "\texc\t", "\twow\t", "is no turn with its label and three ratings"),
        ("iemocap", "Ses01F_impro01_M001", "Ses01F_impro01_M009", "has a label for 1 rec.*M001"),
        ("msp_podcast", ",C,", ",Q,", "unknown label 'Q': expected one of A, C, D"),
        ("msp_podcast", ",7.0,", ",high,", "0008.wav: the rating 'high' is not a number"),
        ("msp_podcast", "EmoVal", "Val", "lacks the column EmoVal"),
        ("msp_improv", "avi; A;", "avi; Z;", "is no turn with its label and ratings"),
        ("msp_improv", "S03H-M02", "S03H-M04", "no label for 1 recordings, the first is MSP-"),
    ],
)
def test_faults_of_rated_corpora_are_named(
    tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    folder = make_official(name, tmp_path / name)
    table = folder / next(iter(OFFICIAL_TABLES[name]))
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        load_corpus(name, tmp_path)
    table.unlink()
    with pytest.raises(DataError, match=name):
        load_corpus(name, tmp_path)


def test_what_raters_of_iemocap_heard(tmp_path: Path) -> None:
    make_official("iemocap", tmp_path / "iemocap")
    first, second = load_corpus("iemocap", tmp_path)
    assert first.votes == {"happy": 0.75, "surprised": 0.25}  # without the actor's own
    assert second.votes == {"frustrated": 1.0}


def test_parts_of_msp_podcast(tmp_path: Path) -> None:
    make_official("msp_podcast", tmp_path / "msp_podcast")
    assert [clip.split for clip in load_corpus("msp_podcast", tmp_path)] == ["test", "train"]


def test_a_recording_of_savee_or_thorsten_in_no_known_folder(tmp_path: Path) -> None:
    write_sound(tmp_path / "savee" / "XY" / "a01.wav")
    with pytest.raises(DataError, match="no folder of a speaker: expected DC, JE, JK, KL"):
        load_corpus("savee", tmp_path)
    write_sound(tmp_path / "thorsten_emotional" / "shouted" / "0aaf.wav")
    with pytest.raises(DataError, match="in none of the folders amused, angry"):
        load_corpus("thorsten_emotional", tmp_path)


def test_savee_in_one_folder(tmp_path: Path) -> None:
    write_sound(tmp_path / "savee" / "ALL" / "DC_sa03.wav")
    (clip,) = load_corpus("savee", tmp_path)
    assert (clip.speaker, clip.emotion) == ("DC", "sad")


class TestPlaces:
    """A corpus lies in the data root, else in the second folder."""

    def test_beside_the_data_root(self, tmp_path: Path) -> None:
        make_official("emouerj", tmp_path / "corpora" / "emouerj")
        assert len(load_corpus("emouerj", tmp_path / "data")) == 2
        make_official("emouerj", tmp_path / "data" / "emouerj")
        assert corpus_folder("emouerj", tmp_path / "data") == tmp_path / "data" / "emouerj"

    def test_where_the_environment_says(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_official("emouerj", tmp_path / "more" / "emouerj")
        monkeypatch.setenv("AFFEKT_CORPORA", str(tmp_path / "more"))
        monkeypatch.setenv("AFFEKT_DATA", str(tmp_path / "data"))
        assert len(load_corpus("emouerj")) == 2

    def test_nowhere(self, tmp_path: Path) -> None:
        with pytest.raises(
            DataError, match="neither in .*data nor in .*corpora: get it with 'affekt"
        ):
            load_corpus("emouerj", tmp_path / "data")
        with pytest.raises(DataError, match=r"get it from http://kahlan\.eps\.surrey"):
            load_corpus("savee", tmp_path / "data")


class TestCompact:
    """Faults of a compact folder are found before anything is trained."""

    ROWS = (
        {"file": "audio/DC/a01.ogg", "speaker": "savee-DC", "emotion": "angry", "gender": "male"},
        {"file": "audio/KL/a01.ogg", "speaker": "savee-KL", "emotion": "sad", "gender": "male"},
    )

    def make(self, tmp_path: Path, **changes: str) -> Path:
        rows = [{**self.ROWS[0]}, {**self.ROWS[1], **changes}]
        return make_compact("savee", tmp_path / "savee", rows)

    def test_it_is_whole_by_its_own_list(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert is_compact(self.make(tmp_path))
        first, second = load_corpus("savee", tmp_path, whole=True)
        assert (first.speaker_id, first.emotion) == ("savee/DC", "angry")
        assert (second.speaker_id, second.emotion) == ("savee/KL", "sad")
        assert caplog.text == ""

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"emotion": ""}, r"row 3: audio/KL/a01\.ogg has no emotion"),
            ({"emotion": "rather odd"}, "clips rather odd, which is no label of savee"),
            ({"speaker": ""}, r"1 clips have no speaker, the first is a01\.ogg"),
            ({"corpus": "emodb"}, "lists clips of 'emodb'"),
        ],
    )
    def test_faulty_rows(self, tmp_path: Path, changes: dict[str, str], message: str) -> None:
        self.make(tmp_path, **changes)
        with pytest.raises(DataError, match=message):
            load_corpus("savee", tmp_path)

    def test_recordings_without_a_label(self, tmp_path: Path) -> None:
        write_sound(self.make(tmp_path) / "audio" / "KL" / "a02.ogg")
        with pytest.raises(DataError, match=r"no label for 1 recordings, .* audio/KL/a02\.ogg"):
            load_corpus("savee", tmp_path)

    def test_labels_without_a_recording(self, tmp_path: Path) -> None:
        (self.make(tmp_path) / "audio" / "KL" / "a01.ogg").unlink()
        with pytest.raises(DataError, match="1 of 2 files do not exist"):
            load_corpus("savee", tmp_path)

    def test_one_speaker_under_two_spellings_is_one(self, tmp_path: Path) -> None:
        composed, decomposed = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
        assert composed != decomposed
        rows = [
            {**self.ROWS[0], "speaker": composed},
            {**self.ROWS[1], "speaker": decomposed},
        ]
        make_compact("savee", tmp_path / "savee", rows)
        assert {clip.speaker for clip in load_corpus("savee", tmp_path)} == {"Zoë"}


@pytest.mark.parametrize("name", DOWNLOADED)
def test_downloads(tmp_path: Path, server: Any, name: str) -> None:
    """From a server on this machine, in the official layout."""
    corpus = CORPORA[name]
    (official,) = corpus.downloads
    pack = tar_folder if official.path.endswith(".tgz") else zip_folder
    archive = pack(make_official(name, tmp_path / "packed"), server.folder / official.path)
    checksum = f"md5:{hashlib.md5(archive.read_bytes()).hexdigest()}" if official.checksum else ""
    downloads = (replace(official, checksum=checksum),)
    small = replace(corpus, clips=len(EXPECTED[name]), downloads=downloads)
    clips = fetch(small, tmp_path / "data", mirror=server.url)
    assert len(clips) == len(EXPECTED[name])
    assert clips == load_corpus(name, tmp_path / "data")
    assert not (tmp_path / "data" / name / official.path).exists()
    asked = len(server.asked)
    fetch(small, tmp_path / "data", mirror=server.url)
    assert len(server.asked) == asked


def test_the_official_homes() -> None:
    urls = {name: CORPORA[name].downloads[0].url for name in DOWNLOADED}
    assert urls["emozionalmente"].startswith("https://zenodo.org/records/12616095/files/")
    assert urls["subesco"].startswith("https://zenodo.org/records/4526477/files/")
    assert urls["emouerj"].startswith("https://zenodo.org/records/5427549/files/")
    assert urls["thorsten_emotional"].startswith("https://zenodo.org/records/5525023/files/")
    assert urls["banglaser"].endswith("/t9h6p943xy-5.zip")
    assert urls["mesd"].endswith("/cy34mh68j9-5.zip")
    assert urls["jl_corpus"].startswith("https://www.kaggle.com/")
    assert all(CORPORA[name].commercial_use == "yes" for name in DOWNLOADED)


def test_a_corpus_that_has_to_be_asked_for(tmp_path: Path, server: Any) -> None:
    with pytest.raises(DataError, match="savee cannot be downloaded by affekt: ask for it") as told:
        fetch(CORPORA["savee"], tmp_path, mirror=server.url)
    assert str(tmp_path / "savee") in str(told.value)
    assert server.asked == []
    make_compact("savee", tmp_path / "savee", list(TestCompact.ROWS))
    assert len(fetch(CORPORA["savee"], tmp_path, mirror=server.url)) == 2
