"""How strongly an emotion is shown: in every answer of a model that says it, else in none."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import affekt as command
from tiny_network import FRONTEND, RATE, tiny_network, voice

import affekt
from affekt import Measurement, Segment, TimelineOptions
from affekt.export import ModelMetadata, write_model_directory
from affekt.formats.registry import FORMATS, text_lines
from affekt.results import Outcome, Track, as_track
from affekt.server.routes.audio import as_json
from affekt.server.utterances import utterance

OPTIONS = TimelineOptions(window=1.0, hop=0.25, min_duration=0.5, threshold=0.0, vad="off")
LABELS = ("angry", "sad")
SHOWN = ("json", "csv", "tsv", "srt", "vtt", "audacity", "textgrid", "eaf", "label-studio")


@pytest.fixture(scope="module", params=["local", "level"], ids=["streams", "runs windows again"])
def model_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    frontend = replace(FRONTEND, normalisation=request.param, level_past=0.5, level_future=0.2)
    network = tiny_network(frontend=frontend, heads=("intensity",))
    folder = tmp_path_factory.mktemp(request.param)
    write_model_directory(network, folder, ModelMetadata(name="strong", clips={}))
    return folder


def test_time_line_stream_and_predict_agree(model_folder: Path) -> None:
    model, samples = affekt.load_model(model_folder, threads=1), voice(4.0)
    whole = model.predict((samples, RATE))
    wide = replace(OPTIONS, window=8.0, hop=8.0)
    (one,) = model.timeline((samples, RATE), wide)
    assert whole.intensity is not None
    assert one.intensity == pytest.approx(whole.intensity, abs=1e-4)

    segments = list(model.timeline((samples, RATE), OPTIONS))
    measured = list(model.measure((samples, RATE), OPTIONS))
    strengths = {one.intensity for one in measured}
    assert None not in strengths
    assert len(strengths) > 5
    for segment in segments:
        inside = [m for m in measured if segment.start <= m.start < segment.end]
        mean = np.average([m.intensity for m in inside], weights=[m.end - m.start for m in inside])
        assert segment.intensity == pytest.approx(mean, abs=1e-6)

    stream = model.stream(OPTIONS, provisional=True)
    pushed: list[Segment] = []
    early: list[Measurement] = []
    for start in range(0, len(samples), 1000):
        pushed += stream.push(samples[start : start + 1000])
        early += stream.provisional
    pushed += stream.flush()
    assert [s.intensity for s in pushed] == pytest.approx([s.intensity for s in segments])
    assert early
    assert None not in {one.intensity for one in early}


def test_a_model_without_it_says_nothing() -> None:
    model, samples = affekt.load_model(threads=1), voice(4.0)
    assert model.predict((samples, RATE)).intensity is None
    assert {one.intensity for one in model.timeline((samples, RATE), OPTIONS)} == {None}
    assert {one.intensity for one in model.measure((samples, RATE), OPTIONS)} == {None}


def track(intensity: float | None) -> Track:
    segment = Segment(0.0, 2.0, "sad", 0.75, {"angry": 0.25, "sad": 0.75}, intensity=intensity)
    return Track("a.wav", (segment,), duration=2.0)


@pytest.mark.parametrize("name", SHOWN)
def test_formats_show_it_where_it_is_known(name: str) -> None:
    text = "\n".join(text_lines(name, [track(0.625)], LABELS))
    assert "0.625" in text or "intensity 62%" in text
    silent = "\n".join(text_lines(name, [track(None)], LABELS))
    assert "0.625" not in silent
    assert "intensity" not in silent or name in ("csv", "tsv")  # columns are always the same


def test_every_format_is_accounted_for() -> None:
    assert {*FORMATS} - {*SHOWN} == {"rttm", "hf"}  # which have no place for it


def test_a_prediction_is_written_with_it(model_folder: Path) -> None:
    model = affekt.load_model(model_folder, threads=1)
    answer = model.predict((voice(2.0), RATE))
    assert as_track(Outcome("a.wav", answer)).segments[0].intensity == answer.intensity
    body = as_json("strong", answer, [track(0.5).segments[0]], ["segment", "utterance"])
    assert body["intensity"] == pytest.approx(answer.intensity, abs=1e-6)
    assert body["segments"][0]["intensity"] == body["utterances"][0]["intensity"] == 0.5
    assert "intensity" not in track(None).segments[0].to_dict()


def test_an_utterance_has_the_mean() -> None:
    strong, faint = track(0.9).segments[0], track(0.1).segments[0]
    both = utterance([strong, replace(faint, start=2.0, end=3.0)])
    assert both.intensity == pytest.approx((2 * 0.9 + 0.1) / 3)


def test_the_commands_show_it(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wav, page = tmp_path / "a.wav", tmp_path / "a.html"
    soundfile.write(wav, voice(3.0), RATE)
    model = ["--model", str(model_folder)]
    (row,) = csv.DictReader(io.StringIO(command(capsys, "predict", wav, *model, "-f", "csv").out))
    said = json.loads(command(capsys, "predict", wav, *model, "-f", "json").out)
    assert float(row["intensity"]) == said["intensity"]
    found = command(capsys, "timeline", wav, *model, "--report", page, "--vad", "off")
    assert "intensity" in found.out
    assert "intensity</th>" in page.read_text()
