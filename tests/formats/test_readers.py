"""Every time line format is read back with a reader of that format that is not ours."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from affekt.errors import AffektError, MissingExtraError
from affekt.formats.frame import to_frame
from affekt.formats.label_studio import labelling_config
from affekt.formats.registry import FORMATS, holding_several, text_lines
from affekt.formats.rows import INPUT_COLUMNS
from affekt.results import AudioQuality, Outcome, Prediction, Segment, Track, as_track

LABELS = ("angry", "happy", "sad")
ODD = 'tab\there, "quotes", a --> b,\nnew line; <b>&amp; \x07 grün'
QUALITY = AudioQuality(12.3, -23.4567, -1.5, 0.0021, False, snr_db=9.876, bandwidth_hz=3400.0)


def segment(start: float, end: float, label: str, *warnings: str, **scores: float) -> Segment:
    full = {name: scores.get(name, 0.0) for name in LABELS}
    return Segment(start, end, label, max(full.values()), full, warnings=warnings)


TRACK = Track(
    file='takes/one "a" <&>.wav',
    segments=(
        segment(0.25, 1.5, "angry", happy=0.1, angry=0.7, sad=0.2),
        segment(1.5, 3600.0004, "uncertain", ODD, angry=0.4, happy=0.3, sad=0.3),
        segment(3661.2345, 3662.0, "sad", "short: 0.1 s", sad=1.0),
    ),
    duration=3700.5,
    quality=QUALITY,
    warnings=("clipped: 0.2% of the samples at full scale", ODD),
)
EMPTY = Track("empty.wav", duration=2.0)
BROKEN = Track("broken.wav", error="broken.wav: it is cut short")
TIMES = [(0.25, 1.5), (1.5, 3600.0), (3661.234, 3662.0)]
NAMES = ["angry", "uncertain", "sad"]


def text(name: str, *results: Track | Outcome) -> str:
    lines = text_lines(name, results, LABELS, warnings=True)
    return "".join(f"{line}\n" for line in lines)


def written(path: Path, name: str, *results: Track | Outcome) -> str:
    path.write_text(text(name, *results), encoding="utf-8")
    return str(path)


def test_srt_is_read_by_srt() -> None:
    srt = pytest.importorskip("srt")
    cues = list(srt.parse(text("srt", TRACK), ignore_errors=False))
    times = [(cue.start.total_seconds(), cue.end.total_seconds()) for cue in cues]
    assert times == TIMES
    assert cues[0].content.splitlines()[0] == "angry 70%"
    assert "clipped: 0.2%" in cues[0].content  # what holds for the recording
    assert 'tab here, "quotes", a → b, new line' in cues[1].content
    assert [cue.index for cue in cues] == [1, 2, 3]
    assert text("srt", EMPTY) == ""


def test_vtt_is_read_by_webvtt(tmp_path: Path) -> None:
    webvtt = pytest.importorskip("webvtt")
    captions = webvtt.read(written(tmp_path / "a.vtt", "vtt", TRACK))
    assert [(one.start, one.end) for one in captions] == [
        ("00:00:00.250", "00:00:01.500"),
        ("00:00:01.500", "01:00:00.000"),
        ("01:01:01.234", "01:01:02.000"),
    ]
    assert [one.text for one in captions] == ["angry 70%", "uncertain 40%", "sad 100%"]
    notes = "\n".join(captions.header_comments + [c for one in captions for c in one.comments])
    assert "SNR 10 dB, bandwidth 3400 Hz" in notes
    assert "warning: clipped: 0.2%" in notes
    assert "a → b" in notes
    assert len(webvtt.read(written(tmp_path / "b.vtt", "vtt", EMPTY))) == 0


def test_audacity_labels_are_three_columns() -> None:
    rows = list(csv.reader(io.StringIO(text("audacity", TRACK)), "excel-tab", quoting=3))
    assert {len(row) for row in rows} == {3}
    ranges = [(float(a), float(b)) for a, b, words in rows if not words.startswith("!")]
    assert ranges == TIMES
    warnings = {words: (float(a), float(b)) for a, b, words in rows if words.startswith("!")}
    assert next(iter(warnings)).startswith("! quality: level -23.5 dBFS")
    assert warnings["! warning: short: 0.1 s"] == TIMES[2]
    assert text("audacity", EMPTY) == ""


@pytest.mark.parametrize("track", [TRACK, EMPTY, BROKEN])
def test_textgrid_is_read_by_praat(tmp_path: Path, track: Track) -> None:
    parselmouth = pytest.importorskip("parselmouth")
    path = written(tmp_path / "a.TextGrid", "textgrid", track)
    grid = parselmouth.read(path)
    call = parselmouth.praat.call
    count = call(grid, "Get number of intervals", 1)
    words = [call(grid, "Get label of interval", 1, index + 1) for index in range(count)]
    assert [word for word in words if word] == [one.label for one in track.segments]
    assert call(grid, "Get end time") == pytest.approx(track.duration or 0.001)


def test_textgrid_is_read_by_praatio(tmp_path: Path) -> None:
    textgrid = pytest.importorskip("praatio.textgrid")
    path = written(tmp_path / "a.TextGrid", "textgrid", TRACK)
    grid = textgrid.openTextgrid(path, includeEmptyIntervals=False)
    numbers = ("valence", "arousal", "dominance")
    assert grid.tierNames == ("emotion", "confidence", *numbers, "warnings", "recording")
    assert [entry.label for entry in grid.getTier("emotion").entries] == NAMES
    times = [(entry.start, entry.end) for entry in grid.getTier("emotion").entries]
    assert times == TIMES
    assert [float(entry.label) for entry in grid.getTier("confidence").entries] == [0.7, 0.4, 1.0]
    warnings = [entry.label for entry in grid.getTier("warnings").entries]
    assert '"quotes", a --> b, new line' in warnings[0].replace('""', '"')
    points = [entry.label for entry in grid.getTier("recording").entries]
    assert points[1] == "warning: clipped: 0.2% of the samples at full scale"


def test_rttm_is_read_by_pyannote(tmp_path: Path) -> None:
    database = pytest.importorskip("pyannote.database.util")
    path = written(tmp_path / "a.rttm", "rttm", TRACK, EMPTY, BROKEN, as_track(OUTCOME))
    found = database.load_rttm(path)
    assert set(found) == {'takes/one_"a"_<&>', "one"}
    tracks = list(found['takes/one_"a"_<&>'].itertracks(yield_label=True))
    assert [label for _, _, label in tracks] == NAMES
    times = [(round(turn.start, 3), round(turn.end, 3)) for turn, _, _ in tracks]
    assert times == TIMES
    for line in Path(path).read_text().splitlines():
        assert len(line.split()) == 10


@pytest.mark.parametrize("track", [TRACK, EMPTY, BROKEN])
def test_eaf_is_read_by_pympi(tmp_path: Path, track: Track) -> None:
    pympi = pytest.importorskip("pympi")
    path = written(tmp_path / "a.eaf", "eaf", track)
    document = pympi.Elan.Eaf(path)
    cues = sorted(document.get_annotation_data_for_tier("emotion"))
    assert [cue[2] for cue in cues] == [one.label for one in track.segments]
    if track is TRACK:
        assert [(cue[0] / 1000, cue[1] / 1000) for cue in cues] == TIMES
        (odd, short) = sorted(document.get_annotation_data_for_tier("warnings"))
        assert odd[2].startswith('tab here, "quotes", a --> b, new line; <b>&amp;')
        assert short[2] == "short: 0.1 s"
    root = ElementTree.parse(path).getroot()
    told = {one.get("NAME"): one.text for one in root.iter("PROPERTY")}
    assert ("quality" in told) == (track.quality is not None)
    media = document.get_linked_files()[0]["MEDIA_URL"]
    assert media.startswith("file:///")
    assert " " not in media


def test_label_studio_has_the_shape_of_its_documentation() -> None:
    tasks = json.loads(text("label-studio", TRACK, EMPTY, BROKEN))
    assert [task["data"]["audio"] for task in tasks] == [TRACK.file, "empty.wav", "broken.wav"]
    assert tasks[0]["data"]["warnings"][1] == ODD
    assert tasks[0]["data"]["quality"]["snr_db"] == 9.88
    assert tasks[2]["data"]["error"] == BROKEN.error
    assert "predictions" not in tasks[1]
    (prediction,) = tasks[0]["predictions"]
    config = ElementTree.fromstring(labelling_config(LABELS))
    control, audio = config[0], config[1]
    offered = {label.get("value") for label in control}
    for region, times in zip(prediction["result"], TIMES, strict=True):
        assert region["from_name"] == control.get("name")
        assert region["to_name"] == control.get("toName") == audio.get("name")
        assert region["type"] == control.tag.lower()
        assert (region["value"]["start"], region["value"]["end"]) == times
        assert set(region["value"]["labels"]) <= offered
    assert text("label-studio") == "[\n]\n"


OUTCOME = Outcome(
    "one.wav",
    Prediction(
        label="happy",
        confidence=0.75,
        scores={"angry": 0.05, "happy": 0.75, "sad": 0.2},
        embedding=np.zeros(2, np.float32),
        duration=2.5,
        warnings=("short: 0.30 s",),
        quality=QUALITY,
    ),
)


def test_hf_is_what_the_pipeline_gives() -> None:
    first, second = map(json.loads, text("hf", OUTCOME, BROKEN).splitlines())
    assert first == [
        {"label": "happy", "score": 0.75},
        {"label": "sad", "score": 0.2},
        {"label": "angry", "score": 0.05},
    ]
    assert second == []


@pytest.mark.parametrize("name", ["csv", "tsv"])
def test_tables_are_read_by_pandas(name: str) -> None:
    pandas = pytest.importorskip("pandas")
    separator = {"csv": ",", "tsv": "\t"}[name]
    table = pandas.read_csv(io.StringIO(text(name, TRACK, EMPTY, BROKEN)), sep=separator)
    assert list(table["label"][:3]) == NAMES
    assert table["end"][2] == 3662.0
    assert table["start"][2] == 3661.2345
    assert table["file"][0] == TRACK.file
    assert "tab here" in table["warnings"][1]
    assert table["snr_db"][0] == 9.88
    assert list(table["error"].dropna()) == [BROKEN.error]
    assert len(table) == 5
    one = pandas.read_csv(
        io.StringIO(text(name, OUTCOME, Outcome("x", error="bad"))), sep=separator
    )
    assert one["happy"][0] == 0.75
    assert one["bandwidth_hz"][0] == 3400
    assert one["error"][1] == "bad"


def test_json_lines_of_a_time_line() -> None:
    rows = [json.loads(line) for line in text("json", TRACK, BROKEN).splitlines()]
    assert [row.get("label") for row in rows] == [*NAMES, None, None]
    assert rows[1]["warnings"] == [ODD]
    assert rows[1]["end"] == 3600.0004
    assert rows[3]["quality"]["clipped_fraction"] == 0.0021
    assert rows[3]["warnings"] == list(TRACK.warnings)
    broken = {"file": "broken.wav", "duration": 0, "error": BROKEN.error, "warnings": []}
    assert rows[4] == broken


def test_frame_is_a_table_of_audformat() -> None:
    audformat = pytest.importorskip("audformat")
    frame = to_frame([TRACK, EMPTY, BROKEN, OUTCOME])
    audformat.assert_index(frame.index)
    assert audformat.index_type(frame.index) == "segmented"
    assert list(frame["label"].dropna()) == [*NAMES, "happy"]
    starts = frame.index.get_level_values("start").total_seconds()
    assert list(starts) == [0.25, 1.5, 3661.2345, 0, 0, 0]
    assert frame["angry"].iloc[0] == 0.7
    assert set(INPUT_COLUMNS) <= set(frame.columns)
    assert frame["error"].iloc[4] == BROKEN.error
    assert len(to_frame([])) == 0


def test_frame_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'affekt\[tables\]'"):
        to_frame([TRACK])


@pytest.mark.parametrize("name", sorted(set(FORMATS) - set(holding_several())))
def test_a_format_for_one_recording_refuses_two(name: str) -> None:
    with pytest.raises(AffektError, match=f"the format {name} holds one recording a file"):
        text(name, TRACK, EMPTY)


def test_hf_refuses_a_time_line() -> None:
    with pytest.raises(AffektError, match="the format hf holds one answer for a recording, not 3"):
        text("hf", TRACK)


def test_an_unknown_format() -> None:
    with pytest.raises(AffektError, match="no output format 'xml': choose one of json, csv"):
        text("xml", TRACK)


@pytest.mark.parametrize("name", ["srt", "vtt", "audacity", "textgrid", "rttm", "eaf"])
def test_what_overlaps_is_refused(name: str) -> None:
    both = (segment(0, 2, "angry", angry=1.0), segment(1, 3, "sad", sad=1.0))
    with pytest.raises(AffektError, match=r"two segments overlap at 1 s"):
        text(name, Track("a.wav", both, 3.0))


@pytest.mark.parametrize("name", FORMATS)
def test_order_and_slivers(name: str) -> None:
    """What is out of order is sorted where the format wants it; what rounds to nothing goes."""
    parts = (segment(1, 1.0003, "sad", sad=1.0), segment(0.5, 1, "angry", angry=1.0))
    if name == "hf":
        parts = parts[1:]
    assert "angry" in text(name, Track("a.wav", parts, 3.0))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written_as_it_comes(name: str, tmp_path: Path) -> None:
    """Any text can be encoded: names of files may hold bytes of another encoding."""
    odd = Track("caf\udce9.wav", TRACK.segments[:1], 2.0, warnings=("caf\udce9",))
    content = text(name, odd).encode("utf-8", "backslashreplace")
    assert b"angry" in content


def test_a_prediction_becomes_a_track() -> None:
    track: Any = as_track(OUTCOME)
    assert track.segments[0].end == track.duration == 2.5
    assert track.warnings == ("short: 0.30 s",)
    assert as_track(TRACK) is TRACK
