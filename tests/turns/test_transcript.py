"""Transcripts: an emotion for each sentence in a copy, and the words untouched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from affekt.errors import ConfigError, DataError
from affekt.results import Segment
from affekt.turns import Turn, read_transcript, with_speakers

SRT = (
    "1\r\n00:00:00,500 --> 00:00:02,000\r\nHow <i>are</i> you --> today?\r\nFine.\r\n\r\n"
    "2\r\n00:01:02,000 --> 01:00:03,250 X1:40 X2:600\r\nGrün & [laughs]\r\n"
)
VTT = """WEBVTT - a title
Kind: captions

STYLE
::cue { color: red }

NOTE a remark

first
00:00.500 --> 00:02.000 line:0
<v.loud Anna>Hello</v>

01:02.000 --> 01:00:03.250
<v Ben>Two lines
&lt;here&gt;

"""
WHISPERX = {
    "segments": [
        {"start": 0.5, "end": 2.0, "text": " Hello ", "speaker": "A", "avg_logprob": -0.25},
        {"text": " not aligned ", "words": []},
        {"start": 62, "end": 3603.25, "text": " Grün", "words": [{"word": "Grün", "score": 0.123}]},
    ],
    "word_segments": [],
    "language": "de",
}
TIMES = [(0.5, 2.0), (62.0, 3603.25)]


def answer(label: str) -> Segment:
    return Segment(0, 1, label, 0.814, {label: 0.814, "other": 0.186})


def filled(path: Path, text: str, answers: dict[int, Segment]) -> str:
    path.write_bytes(text.encode())
    return "".join(f"{line}\n" for line in read_transcript(path).lines(answers))


def test_srt_as_srt_reads_it(tmp_path: Path) -> None:
    srt = pytest.importorskip("srt")
    found = filled(tmp_path / "a.srt", SRT, {0: answer("angry"), 1: answer("sad")})
    before, after = list(srt.parse(SRT)), list(srt.parse(found))
    for old, new, label in zip(before, after, ("angry", "sad"), strict=True):
        assert (old.start, old.end, old.proprietary) == (new.start, new.end, new.proprietary)
        assert new.content == f"[{label} 81%]\n{old.content}"


def test_nothing_else_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    found = filled(path, SRT, {1: answer("sad")})
    assert found.replace("[sad 81%]\r\n", "") == SRT
    assert filled(path, SRT, {}) == SRT
    # A second time, an emotion takes the place of the first one.
    again = filled(path, found, {0: answer("angry"), 1: answer("calm")})
    assert again == filled(path, SRT, {0: answer("angry"), 1: answer("calm")})


def test_vtt_as_webvtt_reads_it(tmp_path: Path) -> None:
    webvtt = pytest.importorskip("webvtt")
    path = tmp_path / "a.vtt"
    found = filled(path, VTT, {0: answer("angry"), 1: answer("sad")})
    before = webvtt.from_string(VTT)
    after = webvtt.from_string(found)
    for old, new, label in zip(before, after, ("angry", "sad"), strict=True):
        assert (old.start, old.end, old.identifier) == (new.start, new.end, new.identifier)
        assert new.raw_text == f"<c.{label}>[{label} 81%]</c>\n{old.raw_text}"
    assert filled(path, VTT, {}) == VTT
    read = read_transcript(path)
    assert [one.speaker for one in read.turns] == ["Anna", "Ben"]
    assert [(one.start, one.end) for one in read.turns] == TIMES


@pytest.mark.parametrize("content", [WHISPERX, WHISPERX["segments"]])
def test_json_keeps_all_that_it_had(tmp_path: Path, content: object) -> None:
    path = tmp_path / "a.json"
    found = json.loads(filled(path, json.dumps(content), {0: answer("angry"), 1: answer("sad")}))
    items = found["segments"] if isinstance(found, dict) else found
    emotions = [item.pop("emotion", None) for item in items]
    assert found == content
    assert emotions[1] is None
    assert emotions[2]["label"] == "sad"
    assert emotions[2]["scores"] == {"sad": 0.814, "other": 0.186}
    read = read_transcript(path)
    assert [(one.start, one.end) for one in read.turns] == TIMES
    assert read.turns[0].speaker == "A"


def test_speakers_come_from_turns_that_overlap_most() -> None:
    turns = [Turn(0, 3, "A"), Turn(3, 6, "B"), Turn(5, 6, "A")]
    sentences = [Turn(2, 5.5), Turn(9, 10, "C")]
    assert with_speakers(sentences, turns) == [Turn(2, 5.5, "B"), Turn(9, 10, "C")]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.srt", "1\n00:00:01 --> 00:00:02,000\nHello\n", r"a.srt, line 2: .* are no times"),
        ("a.srt", "1\n00:00:03,000 --> 00:00:02,000\nHello\n", r"line 2: .*ends before it begins"),
        ("a.srt", "Hello\n", r"a.srt: it holds no sentences with times"),
        ("a.json", '{"text": "Hello"}', r"a.json: it is no transcript of whisper"),
        ("a.json", '[{"start": "0", "end": 1}]', r"segments\[0\]: a turn has a start and an end"),
        ("a.json", f'[{{"start": 1{"0" * 400}, "end": 1}}]', r"segments\[0\]: int too large"),
        ("a.json", '[{"start": 1, "end": Infinity}]', r"segments\[0\]: a sentence ends at"),
        ("a.json", "[", r"a.json: it is no JSON"),
    ],
)
def test_bad_transcripts_are_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read_transcript(tmp_path / name)


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a.docx: a transcript ends in .srt, .vtt, .json"):
        read_transcript(tmp_path / "a.docx")
