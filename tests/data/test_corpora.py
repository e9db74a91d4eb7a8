from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tiny_corpus import (
    make_cremad,
    make_emodb,
    make_ravdess,
    sound,
    wav_bytes,
    with_pad_chunk,
    write_sound,
)

from affekt.audio import load_audio
from affekt.data import CORPORA, load_corpus
from affekt.errors import DataError

PER_EMOTION = {
    "ravdess": {"neutral": 96} | dict.fromkeys(
        ("angry", "calm", "disgust", "fearful", "happy", "sad", "surprised"), 192
    ),
    "emodb": {"angry": 127, "boredom": 81, "disgust": 46, "fearful": 69, "happy": 71,
              "neutral": 79, "sad": 62},
    "cremad": {"neutral": 1087} | dict.fromkeys(
        ("angry", "disgust", "fearful", "happy", "sad"), 1271
    ),
}  # fmt: skip
PER_GENDER = {
    "ravdess": {"female": 720, "male": 720},
    "emodb": {"female": 302, "male": 233},
    "cremad": {"female": 3512, "male": 3930},
}


@pytest.mark.parametrize("name", list(PER_EMOTION))
def test_the_real_corpora_are_read_whole(data_root: Path, name: str) -> None:
    corpus, clips = CORPORA[name], load_corpus(name, data_root)
    assert len(clips) == corpus.clips
    assert Counter(clip.emotion for clip in clips) == PER_EMOTION[name]
    assert Counter(clip.gender for clip in clips) == PER_GENDER[name]
    assert tuple(sorted(PER_EMOTION[name])) == corpus.emotions
    assert len({clip.speaker_id for clip in clips}) == corpus.speakers
    assert {clip.language for clip in clips} == {corpus.language}
    assert {clip.corpus for clip in clips} == {name}
    assert [clip.name for clip in clips] == sorted({clip.name for clip in clips})
    assert all(clip.file.is_file() for clip in clips)


def test_real_intensities(data_root: Path) -> None:
    ravdess = Counter(clip.intensity for clip in load_corpus("ravdess", data_root))
    cremad = Counter(clip.intensity for clip in load_corpus("cremad", data_root))
    assert ravdess == {"normal": 768, "strong": 672}
    assert cremad == {"": 6077, "low": 455, "medium": 455, "high": 455}


def test_real_strengths(data_root: Path) -> None:
    clips = {clip.name: clip for clip in load_corpus("cremad", data_root)}
    # Somebody heard the label wherever its strength is known, and nobody where it is not.
    assert all((clip.strength is None) == (clip.agreement == 0) for clip in clips.values())
    known = [clip for clip in clips.values() if clip.strength is not None]
    assert len(known) == 6343
    assert all(0 <= clip.strength <= 1 for clip in known)
    assert clips["1001_IEO_NEU_XX"].strength == pytest.approx(0.691)
    assert clips["1001_IEO_HAP_LO"].strength == pytest.approx(0.42667, abs=1e-5)
    # What the actors meant to be stronger is heard to be so.
    means = [
        np.mean([clip.strength for clip in known if clip.intensity == level])
        for level in ("low", "medium", "high")
    ]
    assert means[0] + 0.05 < means[1] < means[2] - 0.05


def test_real_votes_and_recognition_rates(data_root: Path) -> None:
    cremad = {clip.name: clip for clip in load_corpus("cremad", data_root)}
    assert all(clip.votes is not None for clip in cremad.values())
    assert all(sum((clip.votes or {}).values()) == pytest.approx(1) for clip in cremad.values())
    assert cremad["1001_IEO_NEU_XX"].votes == pytest.approx(
        {"angry": 0, "disgust": 0, "fearful": 0, "happy": 1 / 11, "neutral": 10 / 11, "sad": 0}
    )
    heard = np.mean([clip.agreement or 0.0 for clip in cremad.values()])
    assert heard == pytest.approx(0.41, abs=0.02)  # the published recognition from voice alone
    emodb = {clip.name: clip for clip in load_corpus("emodb", data_root)}
    assert emodb["03a01Fa"].recognition == 0.9
    assert min(clip.recognition or 0.0 for clip in emodb.values()) >= 0.8  # how they were chosen


def test_ravdess_in_its_official_layout(tmp_path: Path) -> None:
    make_ravdess(tmp_path / "ravdess" / "Audio_Speech_Actors_01-24")  # unpacked in a folder
    neutral, angry, surprised = load_corpus("ravdess", tmp_path)
    assert (neutral.emotion, neutral.intensity, neutral.speaker) == ("neutral", "normal", "01")
    assert (angry.emotion, angry.intensity, angry.gender) == ("angry", "strong", "male")
    assert (surprised.emotion, surprised.gender, surprised.language) == (
        "surprised",
        "female",
        "en",
    )
    assert surprised.speaker_id == "ravdess/02"
    stereo = load_audio(neutral.file)
    assert stereo.shape == (8000,)
    assert np.isfinite(stereo).all()


def test_songs_and_films_beside_ravdess_are_passed_over(tmp_path: Path) -> None:
    make_ravdess(tmp_path / "ravdess")
    for name in ("03-02-03-01-01-01-01.wav", "01-01-03-01-01-01-01.mp4", "._03-01-01.wav"):
        (tmp_path / "ravdess" / "Actor_01" / name).write_bytes(b"")
    assert len(load_corpus("ravdess", tmp_path)) == 3


def test_copies_of_a_clip_count_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_ravdess(tmp_path / "ravdess")
    make_ravdess(tmp_path / "ravdess" / "audio_speech_actors_01-24")
    with caplog.at_level(logging.WARNING, "affekt.data"):
        clips = load_corpus("ravdess", tmp_path)
    assert [clip.file.parts[-3] for clip in clips] == ["ravdess"] * 3
    assert "ravdess: left out 3 files that repeat the name of another" in caplog.text


def test_a_corpus_in_part_is_read_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_ravdess(tmp_path / "ravdess")
    with caplog.at_level(logging.WARNING, "affekt.data"):
        load_corpus("ravdess", tmp_path)
    assert "ravdess: only 3 of 1440 clips are in" in caplog.text


@pytest.mark.parametrize(
    "name",
    [
        "Actor_01/03-01-09-01-01-01-01.wav",  # no such emotion
        "Actor_01/03-01-05-01-01-01.wav",  # a field is missing
        "Actor_25/03-01-05-01-01-01-25.wav",  # no such actor
        "Actor_02/03-01-05-01-01-01-01.wav",  # in another actor's folder
        "Actor_01/03-01-05-01-01-01-01 (1).wav",  # a browser's second copy
    ],
)
def test_misnamed_ravdess_is_refused(tmp_path: Path, name: str) -> None:
    make_ravdess(tmp_path / "ravdess")
    write_sound(tmp_path / "ravdess" / name)
    with pytest.raises(DataError, match="1 recordings in .* not named Actor_AA/03-01-EE") as caught:
        load_corpus("ravdess", tmp_path)
    assert name in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-8-sig"])
def test_emodb_in_its_official_layout(tmp_path: Path, encoding: str) -> None:
    make_emodb(tmp_path / "emodb", encoding=encoding)
    happy, afraid, angry = load_corpus("emodb", tmp_path)
    assert (happy.emotion, happy.gender, happy.recognition) == ("happy", "male", 0.9)
    assert (afraid.emotion, afraid.gender, afraid.recognition) == ("fearful", "female", None)
    assert (angry.emotion, angry.speaker, angry.recognition) == ("angry", "16", 1.0)
    assert happy.language == "de"


def test_the_pad_chunk_before_the_samples_is_no_sound(tmp_path: Path) -> None:
    make_emodb(tmp_path / "emodb")
    padded = load_corpus("emodb", tmp_path)[1].file
    assert b"PAD " in padded.read_bytes()[:64]
    samples = load_audio(padded)
    assert samples.shape == (8000,)
    np.testing.assert_allclose(samples, sound("14a07Aa"), atol=1e-4)
    assert len(with_pad_chunk(wav_bytes("x"))) == len(wav_bytes("x")) + 4052


def test_emodb_without_its_listening_test(tmp_path: Path) -> None:
    (make_emodb(tmp_path / "emodb") / "listener_recognition.txt").unlink()
    assert {clip.recognition for clip in load_corpus("emodb", tmp_path)} == {None}


@pytest.mark.parametrize("row", ["3\t03a01Ab.wav", "3\t03a01Ab.wav\tviel\t1", "3\tx.wav\t101,0\t1"])
def test_a_damaged_listening_test_is_refused(tmp_path: Path, row: str) -> None:
    table = make_emodb(tmp_path / "emodb") / "listener_recognition.txt"
    table.write_text(f"Nr.\tSatz\terkannt\tnatuerlich\n{row}\n", encoding="utf-8")
    with pytest.raises(DataError, match="row 2: the third field is not a percentage"):
        load_corpus("emodb", tmp_path)


@pytest.mark.parametrize("name", ["03a01Xa", "04a01Fa", "03a01F", "happy"])
def test_misnamed_emodb_is_refused(tmp_path: Path, name: str) -> None:
    write_sound(make_emodb(tmp_path / "emodb") / "wav" / f"{name}.wav")
    with pytest.raises(DataError, match=rf"not named SSTTTEv .*: {name}\.wav"):
        load_corpus("emodb", tmp_path)


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3"])
def test_any_container_will_do(tmp_path: Path, extension: str) -> None:
    write_sound(tmp_path / "emodb" / f"16b10Wb.{extension}")  # and no wav/ folder
    assert [clip.emotion for clip in load_corpus("emodb", tmp_path)] == ["angry"]


def test_cremad_in_its_official_layout(tmp_path: Path) -> None:
    folder = make_cremad(tmp_path / "cremad")
    write_sound(folder / "AudioMP3" / "1001_IEO_ANG_HI.mp3")  # the same clip once more
    angry, neutral, sad = load_corpus("cremad", tmp_path)
    assert (angry.emotion, angry.intensity, angry.gender) == ("angry", "high", "male")
    assert angry.file.parent.name == "AudioWAV"
    assert angry.votes == {
        "angry": 0.6, "disgust": 0.2, "fearful": 0, "happy": 0, "neutral": 0.2, "sad": 0
    }  # fmt: skip
    assert (neutral.intensity, neutral.agreement) == ("", 0.9)
    assert (sad.gender, sad.speaker_id, sad.votes) == ("female", "cremad/1091", None)
    assert [clip.strength for clip in (angry, neutral, sad)] == [0.625, 0.7025, None]


def test_cremad_finds_its_tables_where_the_repository_keeps_them(tmp_path: Path) -> None:
    folder = make_cremad(tmp_path / "cremad")
    (folder / "processedResults").mkdir()
    (folder / "tabulatedVotes.csv").rename(folder / "processedResults" / "tabulatedVotes.csv")
    assert load_corpus("cremad", tmp_path)[0].agreement == 0.6


def test_cremad_without_its_tables(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = make_cremad(tmp_path / "cremad")
    for table in folder.glob("*.csv"):
        table.unlink()
    with caplog.at_level(logging.WARNING, "affekt.data"):
        clips = load_corpus("cremad", tmp_path)
    assert {(clip.gender, clip.votes, clip.strength) for clip in clips} == {("", None, None)}
    assert "tabulatedVotes.csv is not in" in caplog.text


VOTES = (
    '"","A","D","F","H","N","S","fileName","meanAngerResp","meanDisgustResp","meanFearResp",'
    '"meanHappyResp","meanNeutralResp","meanSadResp"'
)


@pytest.mark.parametrize(
    ("table", "text", "message"),
    [
        ("tabulatedVotes.csv", '"","A","fileName"\n', "lacks one of the columns fileName, A, D, F"),
        ("VideoDemographics.csv", '"ActorID","Age","Sex"\n1001,51\n', "row 2: 2 fields, not 3"),
        ("VideoDemographics.csv", "", "lacks one of the columns Sex"),
        (
            "tabulatedVotes.csv",
            '"","A","D","F","H","N","S","fileName"\n"100001",1,0,0,0,0,0,"a"\n',
            "lacks one of the columns .* meanAngerResp",
        ),
        (
            "tabulatedVotes.csv",
            f'{VOTES}\n"100001",x,0,0,0,0,0,"a",50,-1,-1,-1,-1,-1\n',
            "row 100001: votes are not numbers",
        ),
        (
            "tabulatedVotes.csv",
            f'{VOTES}\n"100001",1,0,0,0,0,0,"a",101,-1,-1,-1,-1,-1\n',
            "row 100001: a strength is above 100",
        ),
    ],
)
def test_damaged_tables_are_refused(tmp_path: Path, table: str, text: str, message: str) -> None:
    (make_cremad(tmp_path / "cremad") / table).write_text(text)
    with pytest.raises(DataError, match=message):
        load_corpus("cremad", tmp_path)


def test_git_lfs_pointers_are_not_audio(tmp_path: Path) -> None:
    pointer = make_cremad(tmp_path / "cremad") / "AudioWAV" / "1001_IEO_ANG_HI.wav"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    with pytest.raises(DataError, match="1 files in .* are Git LFS pointers.*git lfs pull"):
        load_corpus("cremad", tmp_path)


@pytest.mark.parametrize("name", ["1001_IEO_BOR_XX", "1092_IEO_ANG_XX", "1001_XYZ_ANG_XX", "a"])
def test_misnamed_cremad_is_refused(tmp_path: Path, name: str) -> None:
    write_sound(make_cremad(tmp_path / "cremad") / "AudioWAV" / f"{name}.wav")
    with pytest.raises(DataError, match=rf"not named AAAA_SSS_EEE_LL .*: {name}\.wav"):
        load_corpus("cremad", tmp_path)


def test_an_unknown_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown corpus 'meld': expected one of ased, .*cremad"):
        load_corpus("meld", tmp_path)


def test_licences_say_whether_commercial_use_is_allowed() -> None:
    use: dict[str, set[str]] = {}
    for name, corpus in CORPORA.items():
        use.setdefault(corpus.commercial_use, set()).add(name)
    assert use["unclear"] == {"emodb"}
    assert use["yes"] == {
        *("cremad", "emozionalmente", "subesco", "banglaser", "mesd", "emouerj", "jl_corpus"),
        *("thorsten_emotional", "emogator"),
    }
    assert use["no"] == set(CORPORA) - use["yes"] - use["unclear"]
