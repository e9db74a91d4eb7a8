"""``affekt timeline``: segments for people and programs, while a recording is read."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from patience import PATIENCE

RATE = 16000  # Hz
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tiny_model: Path, tmp_path: Path) -> Run:
    def call(*words: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "affekt", "timeline", "--model", tiny_model, *words],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            timeout=PATIENCE,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    return call


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Four seconds: loud, silent, soft."""
    rng = np.random.default_rng(0)
    loudness = np.repeat([0.3, 0.3, 0.0, 0.02], RATE)
    path = tmp_path / "talk.wav"
    soundfile.write(path, loudness * rng.normal(0, 0.5, len(loudness)).clip(-1, 1), RATE)
    return path


SHORT = ("--window", "0.5", "--hop", "0.25", "--min-duration", "0.5", "--max-pause", "0.25")


def test_people_get_a_line_for_each_segment(run: Run, recording: Path) -> None:
    done = run(recording, *SHORT, "--vad", "off")
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.splitlines()
    assert first.split()[:2] == ["0:00.0", "0:02.0"]
    assert last.split()[:2] == ["0:03.0", "0:04.0"]


def test_programs_get_an_object_for_each_and_one_for_the_recording(
    run: Run, recording: Path
) -> None:
    done = run(recording, *SHORT, "--vad", "off", "--threshold", "1", "--format", "json")
    *segments, whole = map(json.loads, done.stdout.splitlines())
    assert [(one["start"], one["end"]) for one in segments] == [(0.0, 2.0), (3.0, 4.0)]
    assert {one["label"] for one in segments} == {"uncertain"}
    quality = whole.pop("quality")
    assert whole == {"file": str(recording), "duration": 4.0, "warnings": []}
    assert quality["bandwidth_hz"] == 8000


def test_poor_sound_is_told_in_every_way(run: Run, tmp_path: Path) -> None:
    samples = 4 * np.sin(2 * np.pi * 200 * np.arange(4 * RATE) / RATE)
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.clip(samples * np.tile(np.repeat([1, 0.1], 1600), 20), -1, 1), RATE)
    table = run(path, "--vad", "off").stdout
    assert "note: clipped: " in table
    assert "clipped: " not in run(path, "--vad", "off", "--format", "vtt").stdout
    assert "clipped: " in run(path, "--vad", "off", "--format", "vtt", "--warnings").stdout
    assert "clipped: " in run(path, "--vad", "off", "--format", "csv").stdout


def test_a_format_without_times_is_refused_before_the_work(run: Run, recording: Path) -> None:
    done = run(recording, "--format", "hf")
    assert done.returncode == 1
    assert done.stderr.startswith("error: hf holds one answer for a recording")
    assert len(done.stderr.splitlines()) == 1


def test_a_report_with_speakers(run: Run, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "who.csv").write_text("file,speaker\ntalk.wav,Anna\n")
    words = (recording, *SHORT, "--vad", "off", "--report", "r.html", "--speakers", "who.csv")
    done = run(*words)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "r.html").read_text()
    assert "Speaker: Anna" in page
    assert page.count('data-start="') == 2
    (tmp_path / "who.csv").write_text("name\nx\n")
    refused = run(*words)
    assert refused.returncode == 1
    assert "who.csv: expected a CSV with the columns file and speaker" in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize("suffix", [".srt", ".csv", ".TextGrid"])
def test_a_name_chooses_the_format(run: Run, recording: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"talk{suffix}"
    done = run(recording, *SHORT, "--vad", "off", "--out", out)
    assert done.returncode == 0, done.stderr
    assert out.read_text().startswith({".srt": "1\n00:00:00", ".csv": "file,"}.get(suffix, "File"))


def test_stdin_is_read(run: Run, recording: Path) -> None:
    named = run(recording, "--vad", "off")
    piped = run("-", "--vad", "off", stdin=recording.read_bytes())
    assert piped.stdout == named.stdout != ""


def test_what_is_before_a_fault_is_kept(run: Run, recording: Path, tmp_path: Path) -> None:
    """A packet stream cut in the middle of a damaged stretch."""
    flac = tmp_path / "damaged.flac"
    samples, _ = soundfile.read(recording)
    soundfile.write(flac, np.tile(samples, 20), RATE)
    content = flac.read_bytes()
    flac.write_bytes(content[: len(content) // 2] + b"\xff" * (len(content) // 2))
    done = run(flac, recording, *SHORT, "--vad", "off", "--format", "json")
    rows = list(map(json.loads, done.stdout.splitlines()))
    own = [row for row in rows if row["file"] == str(flac)]
    assert len(own) > 5
    assert "damaged" in own[-1]["error"] or "cut short" in own[-1]["error"]
    assert [row for row in rows if row["file"] == str(recording)][-1]["duration"] == 4.0
    assert done.returncode == 1
    assert "1 of 2 recordings could not be read to their end" in done.stderr


def test_a_mistake_is_one_line(run: Run, recording: Path, tmp_path: Path) -> None:
    for words, message in [
        ([recording, "--hop", "5"], "hop (5 s) is longer than window (3 s)"),
        ([tmp_path / "none.wav"], "no such file"),
        ([recording, "--out", recording], "is one of the recordings"),
    ]:
        done = run(*words)
        assert done.returncode == 1
        line = done.stderr.splitlines()[-1]
        assert line.startswith("error: ")
        assert message in line


def turns(folder: Path, text: str) -> Path:
    (folder / "turns.rttm").write_text(text)
    return folder / "turns.rttm"


RTTM = """SPEAKER talk 1 0.000 1.000 <NA> <NA> Anna <NA> <NA>
SPEAKER talk 1 1.000 0.750 <NA> <NA> Ben <NA> <NA>
SPEAKER talk 1 3.250 0.750 <NA> <NA> Anna <NA> <NA>
"""


def test_rttm_goes_through_and_comes_back(run: Run, recording: Path, tmp_path: Path) -> None:
    done = run(recording, "--speakers", turns(tmp_path, RTTM), "--format", "rttm")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    before = [line.split() for line in RTTM.splitlines()]
    assert [row[2:5] + row[7:8] for row in rows] == [row[2:5] + row[7:8] for row in before]
    table = run(recording, "--speakers", "turns.rttm").stdout
    assert table.splitlines()[0].split()[:3] == ["0:00.0", "0:01.0", "Anna"]
    assert "speaker Anna: " in table


def test_speakers_in_a_report_have_a_row_each(run: Run, recording: Path, tmp_path: Path) -> None:
    words = ("--speakers", turns(tmp_path, RTTM), "--report", "r.html", "--plot", "p.png")
    pytest.importorskip("matplotlib")
    done = run(recording, *words)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "r.html").read_text()
    assert '<span class="name">Anna</span><div class="ribbon">' in page
    assert '<span class="name">Ben</span><div class="ribbon">' in page
    assert page.count('data-start="') == 3
    assert (tmp_path / "p.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (RTTM.replace("talk", "other"), ""),  # the only one it tells of
        (RTTM + RTTM.replace("talk", "other"), ""),
        (RTTM.replace("talk", "a") + RTTM.replace("talk", "b"), "tells of a, b, not of "),
        (RTTM.replace(" 1 0", " 1 70").replace(" 1 1", " 1 71").replace(" 1 3", " 1 73"), "later"),
        ("SPEAKER talk 1 0 x <NA> <NA> A\n", "turns.rttm, line 1: 0 and x are no start"),
    ],
)
def test_turns_of_others(run: Run, recording: Path, tmp_path: Path, text: str, told: str) -> None:
    done = run(recording, "--speakers", turns(tmp_path, text))
    assert done.returncode == bool(told)
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert bool(done.stdout.count("Anna")) != bool(told)


def test_a_transcript_is_written_back(run: Run, recording: Path, tmp_path: Path) -> None:
    srt = pytest.importorskip("srt")
    text = (
        "1\n00:00:00,000 --> 00:00:01,000\nHow are you?\n\n"
        "2\n00:00:02,100 --> 00:00:02,900\n(silence)\n\n"
        "3\n00:00:03,000 --> 00:00:09,000\nLonger than\nthe recording\n\n"
    )
    (tmp_path / "talk.srt").write_text(text)
    done = run(recording, "--transcript", "talk.srt", "--out", "out.srt", "--threshold", "0")
    assert done.returncode == 0, done.stderr
    assert "note: turns: 1 leave the recording" in done.stderr
    assert "note: turns: 1 have no sound and no answer, at 2.1 s" in done.stderr
    before, after = list(srt.parse(text)), list(srt.parse((tmp_path / "out.srt").read_text()))
    assert [(one.start, one.end) for one in after] == [(one.start, one.end) for one in before]
    assert after[1].content == "(silence)"
    for index in (0, 2):
        mark, words = after[index].content.split("\n", 1)
        assert words == before[index].content
        assert mark.startswith("[")
    rows = run(recording, "--transcript", "talk.srt", "--format", "csv").stdout.splitlines()
    assert len(rows) == 3
    refused = run(recording, recording, "--transcript", "talk.srt")
    assert "--transcript is of one recording: name one" in refused.stderr
    same = run(recording, "--transcript", "talk.srt", "--out", "talk.srt")
    assert "talk.srt is one of the recordings" in same.stderr
    assert (tmp_path / "talk.srt").read_text() == text


def test_logs_tell_how_far_it_is(
    tiny_model: Path,
    recording: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from affekt.cli import _common, build_app

    monkeypatch.setattr(_common, "SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger("affekt")  # which the command sets up, here for this test alone
    monkeypatch.setattr(logger, "handlers", list(logger.handlers))
    monkeypatch.setattr(logger, "propagate", logger.propagate)
    for more in ([], ["--speakers", str(turns(tmp_path, RTTM))]):
        words = ["timeline", "--model", str(tiny_model), "--vad", "off", str(recording)]
        words += ["--format", "json", "--report", "r.html", *more]
        build_app(words)(words, standalone_mode=False)
        told = capsys.readouterr()
        assert f"timeline: 0:04 of 0:04 of {recording} is read" in told.err
        assert f"report: 0:04 of 0:04 of {recording} is read" in told.err
        assert "is read" not in told.out
