"""Turns from the files that diarisation and annotation tools write."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from affekt.errors import ConfigError, DataError
from affekt.turns import Turn, joined_turns, read_speakers, seconds_of_overlap

TURNS = [Turn(0.0, 1.5, "ANNA"), Turn(1.5, 4.25, "BEN"), Turn(4.0, 6.0, "ANNA")]
TASK = {
    "data": {"audio": "/data/upload/1/0a1b2c3d-talk.wav"},
    "annotations": [
        {
            "result": [
                {
                    "from_name": "speakers",
                    "type": "labels",
                    "value": {"start": one.start, "end": one.end, "labels": [one.speaker]},
                }
                for one in TURNS
            ]
            + [{"from_name": "text", "type": "textarea", "value": {"text": ["hello"]}}]
        }
    ],
}
ROWS = [{"start": one.start, "end": one.end, "speaker": one.speaker} for one in TURNS]
CONTENT: dict[str, Any] = {
    "whisperx": {
        "segments": [{**row, "text": " hm", "words": []} for row in ROWS],
        "word_segments": [{"word": "hm", "start": 0.0, "end": 0.2, "speaker": "BEN"}],
    },
    "pyannote": {"diarization": ROWS, "exclusive_diarization": ROWS[:1]},
    "pyannote's service": {"jobId": "x", "output": {"diarization": ROWS}},
    "list": ROWS,
    "label studio": [TASK],
    "label studio, short": [
        {"audio": "talk.wav", "label": [{**r, "labels": [r["speaker"]]} for r in ROWS]}
    ],
    "label studio, predicted": [{"data": TASK["data"], "predictions": TASK["annotations"]}],
}


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("kind", CONTENT)
def test_json(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, "turns.json", json.dumps(CONTENT[kind]))
    assert read_speakers(path).turns_of("takes/talk.wav", alone=True) == TURNS


def test_rttm_of_pyannote(tmp_path: Path) -> None:
    core = pytest.importorskip("pyannote.core")
    said = core.Annotation(uri="talk")
    for index, turn in enumerate(TURNS):
        said[core.Segment(turn.start, turn.end), index] = turn.speaker
    text = ";; a comment\nSPKR-INFO talk 1 <NA> <NA> <NA> unknown ANNA <NA> <NA>\n"
    path = written(tmp_path, "turns.rttm", text + said.to_rttm())
    assert read_speakers(path).turns_of("talk.wav", alone=False) == TURNS


def test_segments_of_audformat(tmp_path: Path) -> None:
    audformat = pytest.importorskip("audformat")
    index = audformat.segmented_index(
        ["talk.wav"] * 3 + ["other.wav"], [0, 1.5, 4, 0], [1.5, 4.25, 6, None]
    )
    frame = index.to_frame(index=False).assign(speaker=["ANNA", "BEN", "ANNA", "CARL"])
    frame.to_csv(tmp_path / "segments.csv", index=False)
    speakers = read_speakers(tmp_path / "segments.csv")
    assert speakers.turns_of("talk.wav", alone=False) == TURNS
    assert speakers.turns_of("other.wav", alone=False) == [Turn(0, math.inf, "CARL")]
    assert speakers.turns_of("third.wav", alone=False) == []


def test_a_csv_without_times_tells_who_speaks_in_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, "who.csv", "file,speaker\na.wav,Anna\n")
    speakers = read_speakers(path)
    assert not speakers.timed
    assert speakers.speaker_of(str(tmp_path / "a.wav")) == "Anna"
    assert speakers.speaker_of(str(tmp_path / "b.wav")) == ""


def test_recordings_are_told_apart_by_name_then_by_path(tmp_path: Path) -> None:
    rows = "one/talk.wav,0,1,A\ntwo/talk.wav,0,1,B\nonce more.wav,0,1,C\nv.2,0,1,D\n"
    path = written(tmp_path, "s.csv", f"file,start,end,speaker\n{rows}")
    speakers = read_speakers(path)

    def who(file: str) -> str:
        return speakers.turns_of(file, alone=True)[0].speaker

    assert who(str(tmp_path / "two" / "talk.wav")) == "B"
    assert who("anywhere/once_more.flac") == "C"
    assert who("v.2.wav") == "D"
    with pytest.raises(ConfigError, match=r"2 recordings are called like talk.wav: one/talk.wav"):
        who("talk.wav")
    with pytest.raises(DataError, match=r"tells of one/talk.wav, .*, not of v.wav: rename"):
        who("v.wav")


def test_names_of_other_systems_and_alphabets(tmp_path: Path) -> None:
    name = "Jo\u00a0\u2028e\u0301"
    line = f"SPEAKER gru\u0308n 1 0 1 <NA> <NA> {name} <NA>\tend\r\n"
    speakers = read_speakers(written(tmp_path, "a.rttm", line + line.replace("gru", "b")))
    assert speakers.turns_of("gr\u00fcn.wav", alone=False) == [Turn(0, 1, name)]


def test_turns_without_a_recording_are_of_one(tmp_path: Path) -> None:
    speakers = read_speakers(written(tmp_path, "t.json", json.dumps(ROWS)))
    with pytest.raises(ConfigError, match="does not tell of which recording its turns are"):
        speakers.turns_of("a.wav", alone=False)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.rttm", "SPEAKER a 1 0.5\n", r"a.rttm, line 1: expected SPEAKER and at least seven"),
        ("a.rttm", "hello\n", r"line 1: expected SPEAKER .*got 'hello'"),
        ("a.rttm", "\nSPEAKER a 1 x 1 <NA> <NA> A <NA> <NA>\n", r"line 2: x and 1 are no start"),
        ("a.rttm", "SPEAKER a 1 3 -1 <NA> <NA> A <NA>\n", r"from 3 s to 2 s ends before it begins"),
        ("a.rttm", "SPEAKER a 1 nan 1 <NA> <NA> A <NA>\n", r"line 1: a turn from nan s"),
        ("a.json", "{", r"a.json: it is no JSON"),
        ("a.json", "{}", r"a.json: no turns are found: expected the keys diarization"),
        ("a.json", '[{"start": "x", "end": 1}]', r"a.json\[0\]: .*in seconds, got 'x'"),
        ("a.json", '{"segments": [3]}', r"a.json, segments\[0\]: expected a turn"),
        ("a.csv", "file,start,end,speaker\na,x,1,A\n", r"a.csv, row 2: 'x' is no time"),
        ("a.csv", "file,start,end\na,0,1\n", r"a.csv: expected a CSV with the columns file and sp"),
        ("a.xml", "<a/>", r"a.xml: .xml is the ending of no file of turns"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_speakers(written(tmp_path, name, text))


def test_a_missing_file_and_a_binary_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.rttm: cannot be read: No such file"):
        read_speakers(tmp_path / "none.rttm")
    (tmp_path / "a.rttm").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"a.rttm: it is no text in UTF-8"):
        read_speakers(tmp_path / "a.rttm")


def test_turns_without_a_speaker_stay(tmp_path: Path) -> None:
    path = written(tmp_path, "a.rttm", "SPEAKER a 1 0 1 <NA> <NA> <NA> <NA> <NA>\n")
    assert read_speakers(path).turns_of("a.wav", alone=True) == [Turn(0, 1, "")]


def test_one_speaker_over_themself_is_joined_others_are_not() -> None:
    turns = [
        Turn(0, 5, "A"),
        Turn(1, 2, "A"),
        Turn(4, 6, "A"),
        Turn(3, 7, "B"),
        Turn(5, 6),
        Turn(5, 7),
    ]
    found, gone = joined_turns(turns)
    assert gone == 2
    assert found == [Turn(0, 6, "A"), Turn(3, 7, "B"), Turn(5, 6), Turn(5, 7)]
    assert seconds_of_overlap([Turn(0, 4, "A"), Turn(3, 7, "B"), Turn(3.5, 5, "C")]) == 2.0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.rttm", "SPEAKER talk 1 1 2 <NA> angry Anna 0.9 <NA>\n"),
        ("a.csv", "file,start,end,emotion,speaker\ntalk.wav,1,3,angry,Anna\n"),
        ("a.json", '[{"start": 1, "end": 3, "speaker": "Anna", "emotion": "angry"}]'),
        (
            "a.jsonl",
            '{"start": 1, "end": 3, "speaker": "Anna", "label": "angry", "scores": {"angry": 1}}',
        ),
        ("b.json", '[{"start": 1, "end": 3, "speaker": "Anna", "emotion": {"label": "angry"}}]'),
    ],
)
def test_emotions_of_turns(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    (turns,) = read_speakers(tmp_path / name, truth=True).turns.values()
    assert turns == [Turn(1, 3, "Anna", "angry")]


def test_a_truth_needs_no_speakers_and_finds_its_recordings(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("file,start,end,emotion\nsub/x.wav,0 days 00:00:01,3,sad\n")
    truth = read_speakers(tmp_path / "a.csv", truth=True)
    assert truth.turns == {"sub/x.wav": [Turn(1, 3, "", "sad")]}
    with pytest.raises(DataError, match="expected a CSV with the columns file and speaker"):
        read_speakers(tmp_path / "a.csv")
    with pytest.raises(DataError, match="no recordings are called x"):
        truth.recording_of("x")
    for name in ("x.txt", "x.wav"):
        (tmp_path / name).touch()
    assert truth.recording_of("x") == tmp_path / "x.wav"
    (tmp_path / "x.mp3").touch()
    with pytest.raises(DataError, match="2 recordings are called x"):
        truth.recording_of("x")
    (tmp_path / "b.csv").write_text("file,speaker\nx.wav,Anna\n")
    with pytest.raises(DataError, match="the columns file, start, end and emotion"):
        read_speakers(tmp_path / "b.csv", truth=True)
