"""Who speaks, in every format that has a place for it, read back by a reader that is not ours."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from affekt.formats.registry import FORMATS, text_lines
from affekt.results import Segment, Track, summarise_speakers
from affekt.turns import Turn, read_speakers

LABELS = ("angry", "happy", "sad")
ANNA, BEN = 'Anna <&> "Ö"', "Ben"


def segment(start: float, end: float, label: str, speaker: str, *warnings: str) -> Segment:
    scores = {name: 0.7 if name == label else 0.15 for name in LABELS}
    return Segment(start, end, label, 0.7, scores, speaker=speaker, warnings=warnings)


SEGMENTS = (
    segment(0, 2, "angry", ANNA, "unlike speech: 1.1"),
    segment(2, 4, "sad", ANNA, "unlike speech: 1.2"),
    segment(3, 5, "happy", BEN),  # while Anna speaks
    segment(5.5, 6, "sad", ""),
    segment(6, 8, "angry", ANNA),
)
TRACK = Track("talk one.wav", SEGMENTS, 10.0, speakers=summarise_speakers(SEGMENTS, [ANNA]))
SPEAKERS = [one.speaker for one in SEGMENTS]
TIMES = [(one.start, one.end) for one in SEGMENTS]


def text(name: str, *, warnings: bool = False) -> str:
    lines = text_lines(name, [TRACK], LABELS, warnings=warnings)
    return "".join(f"{line}\n" for line in lines)


def written(folder: Path, name: str) -> Path:
    path = folder / f"talk{FORMATS[name].suffix}"
    path.write_text(text(name), encoding="utf-8")
    return path


def test_vtt_has_voices(tmp_path: Path) -> None:
    webvtt = pytest.importorskip("webvtt")
    captions = list(webvtt.read(str(written(tmp_path, "vtt"))))
    voices = ['Anna &lt;&amp;&gt; "Ö"' if name == ANNA else name for name in SPEAKERS]
    assert [one.voice or "" for one in captions] == voices
    assert [one.text for one in captions][:3] == ["angry 70%", "sad 70%", "happy 70%"]
    assert 'speaker Anna <&> "Ö": mixed:' not in text("vtt")  # angry is most of it
    assert "by their own baseline)" in text("vtt")


def test_srt_and_audacity_have_them_before_the_emotion() -> None:
    srt = pytest.importorskip("srt")
    cues = list(srt.parse(text("srt")))
    words = [f"{name}: " if name else "" for name in SPEAKERS]
    expected = [f"{who}{one.label} 70%" for who, one in zip(words, SEGMENTS, strict=True)]
    assert [cue.content for cue in cues] == expected
    rows = list(csv.reader(io.StringIO(text("audacity")), "excel-tab", quoting=3))
    assert [row[2] for row in rows] == expected
    assert [(float(a), float(b)) for a, b, _ in rows] == TIMES


def test_a_warning_is_told_once_and_only_if_asked_for() -> None:
    for name in ("srt", "vtt", "audacity"):
        assert "unlike" not in text(name)
        assert text(name, warnings=True).count("unlike speech: 1.1") == 1
        assert "1.2" not in text(name, warnings=True)
    row = next(line for line in text("audacity", warnings=True).split("\n") if "unlike" in line)
    assert row == "0.000000\t4.000000\t! warning: unlike speech: 1.1"
    assert text("csv").count("unlike speech") == 2  # programs get what each segment has


def test_rttm_is_read_by_pyannote_and_comes_back(tmp_path: Path) -> None:
    database = pytest.importorskip("pyannote.database.util")
    path = written(tmp_path, "rttm")
    (annotation,) = database.load_rttm(str(path)).values()
    tracks = list(annotation.itertracks(yield_label=True))
    names = [name.replace(" ", "_") for name in SPEAKERS]
    labels = [label if isinstance(label, str) else "" for _, _, label in tracks]  # NaN for <NA>
    assert labels == names
    turns = [
        Turn(*times, name, one.label)
        for times, name, one in zip(TIMES, names, SEGMENTS, strict=True)
    ]
    assert read_speakers(path).turns_of("talk one.wav", alone=False) == turns
    emotions = [line.split()[6] for line in path.read_text().splitlines()]
    assert emotions == [one.label for one in SEGMENTS]


def test_textgrid_has_tiers_for_each(tmp_path: Path) -> None:
    parselmouth = pytest.importorskip("parselmouth")
    textgrid = pytest.importorskip("praatio.textgrid")
    path = written(tmp_path, "textgrid")
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    found = {
        name: [(one.start, one.end, one.label) for one in grid.getTier(name).entries]
        for name in grid.tierNames
        if name.startswith("emotion")
    }
    assert len(found) == 3
    assert found["emotion Ben"] == [(3, 5, "happy")]
    assert found["emotion"] == [(5.5, 6, "sad")]
    assert [one[2] for one in next(iter(found.values()))] == ["angry", "sad", "angry"]
    call = parselmouth.praat.call
    praat = parselmouth.read(str(path))
    count = call(praat, "Get number of tiers")
    assert f"emotion {ANNA}" in [call(praat, "Get tier name", index + 1) for index in range(count)]


def test_eaf_has_participants(tmp_path: Path) -> None:
    pympi = pytest.importorskip("pympi")
    document = pympi.Elan.Eaf(str(written(tmp_path, "eaf")))
    names = {name for name in document.get_tier_names() if name.startswith("emotion")}
    assert names == {f"emotion {ANNA}", "emotion Ben", "emotion"}
    for name in names:
        speaker = name.removeprefix("emotion").strip()
        assert document.get_parameters_for_tier(name).get("PARTICIPANT", "") == speaker
        cues = sorted(document.get_annotation_data_for_tier(name))
        expected = [one for one in SEGMENTS if one.speaker == speaker]
        assert [(one.start, one.end, one.label) for one in expected] == [
            (cue[0] / 1000, cue[1] / 1000, cue[2]) for cue in cues
        ]


def test_tables_json_and_label_studio(tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(text("csv"))))
    assert [row["speaker"] for row in rows] == SPEAKERS
    *lines, whole = map(json.loads, text("json").splitlines())
    assert [line.get("speaker", "") for line in lines] == SPEAKERS
    anna, ben = whole["speakers"]
    assert anna == {
        "speaker": ANNA,
        "seconds": 6.0,
        "segments": 3,
        "shares": {"angry": 0.666667, "sad": 0.333333},
        "adapted": True,
    }
    assert (ben["speaker"], ben["adapted"]) == (BEN, False)
    (task,) = json.loads(text("label-studio"))
    regions = task["predictions"][0]["result"]
    assert [one.get("meta", {}).get("speaker", "") for one in regions] == SPEAKERS
    assert task["data"]["speakers"] == whole["speakers"]
    for name in ("json", "csv", "label-studio"):
        path = written(tmp_path, name)
        turns = [
            Turn(*times, one.speaker, "" if name == "label-studio" else one.label)
            for times, one in zip(TIMES, SEGMENTS, strict=True)
        ]
        assert read_speakers(path).turns_of("talk one.wav", alone=True) == turns, name


def test_one_who_speaks_over_themself_has_a_further_tier() -> None:
    parts = (segment(0, 2, "sad", BEN), segment(1, 3, "angry", BEN))
    track = Track("a.wav", parts, 3.0, speakers=summarise_speakers(parts))
    for name in ("textgrid", "eaf"):
        lines = "\n".join(text_lines(name, [track], LABELS))
        assert 'emotion Ben"' in lines
        assert 'emotion Ben 2"' in lines
