"""The module for browsers gives the answers of Python, from the same files."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import soxr
from browser import served
from tiny_model import write_tiny_model

import affekt
from affekt.errors import AudioError
from affekt.formats.registry import text_lines
from affekt.formats.summary import in_words
from affekt.results import UNCERTAIN, Segment, Track
from affekt.runtime.bundle import ASSETS
from affekt.runtime.domain import Domain
from affekt.runtime.options import TimelineOptions
from affekt.web.site import write_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RATE = 16_000  # Hz
EXACT = 1e-4  # of a probability, where nothing is resampled
RESAMPLED = 5e-4  # by the module here, by soxr in Python
NEAR = 5e-3  # where the browser decodes, or the rate is far below the model's

RUN = """async ([encoded, code, name]) => {
  const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
  const affekt = await import("./static/affekt.js");
  globalThis.loading ??= {};
  loading[name] ??= affekt.loadModel(`models/${name}/`);
  try {
    return await new Function("affekt", "model", "bytes", `return (async () => ${code})()`)(
      affekt, await loading[name], bytes);
  } catch (error) {
    return {error: error.message, name: error.name};
  }
}"""

CHANGED = """model.withBaseline(affekt.Baseline.from({affekt_baseline: {
  format_version: 1, model: "m", head: "h", count: 2, mean: [1], mean_square: 2, %s}}))"""

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def choosy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says how unlike its training data a recording is."""
    numbers = [np.array(row, dtype=np.float32) for row in ([0.1, 0.02, 0.6], [0.1, 0.05, 0.3])]
    basis = np.array([[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]], dtype=np.float32)
    domain = Domain(*numbers, basis, ((0.5, 0.2), (1.0, 0.1), (4.0, 0.01)))
    folder = tmp_path_factory.mktemp("models") / "choosy"
    return write_tiny_model(folder, name="choosy", domain=domain.to_config())


@pytest.fixture(scope="module")
def run(
    chromium: Browser,
    engine: Path,
    tiny_model: Path,
    choosy: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Run]:
    """Run an expression over ``affekt``, ``model`` and ``bytes`` in a page of the site."""
    folder = tmp_path_factory.mktemp("module") / "site"
    for directory in (ASSETS / "live", ASSETS / "base", ASSETS / "nano", tiny_model, choosy):
        write_site(directory, folder)
    with served(folder) as address:
        page: Page = chromium.new_page()
        page.goto(f"{address}/README.md")  # plain text: a page without a policy of its own

        def call(code: str, content: bytes = b"", model: str = "live") -> Any:
            return page.evaluate(RUN, [base64.b64encode(content).decode(), code, model])

        yield call


@pytest.fixture(scope="module")
def model() -> affekt.Model:
    return affekt.load_model("live")


@pytest.fixture(scope="module")
def voice(recordings: list[Path]) -> np.ndarray:
    """Five voices after one another, 16 kHz."""
    return np.concatenate([affekt.load_audio(path) for path in recordings[:5]])


def encoded(samples: np.ndarray, rate: int, kind: str = "WAV", subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def assert_same(run: Run, model: affekt.Model, content: bytes, tolerance: float) -> None:
    found = run("await model.predict(bytes.buffer)", content)
    expected = model.predict(content)
    assert found.get("error") is None
    assert found["scores"] == pytest.approx(expected.scores, abs=tolerance)
    assert found["label"] == expected.label
    assert found["confidence"] == pytest.approx(expected.confidence, abs=tolerance)
    assert found["duration"] == pytest.approx(expected.duration, abs=1e-3)


@pytest.mark.parametrize("seconds", [0.2, 0.5, 1.0, 3.0, 10.0])
def test_any_length(run: Run, model: affekt.Model, voice: np.ndarray, seconds: float) -> None:
    assert_same(run, model, encoded(voice[: int(seconds * RATE)], RATE), EXACT)


def test_a_long_recording_in_parts(run: Run, voice: np.ndarray) -> None:
    """As Python does it for models whose frames depend on the whole recording."""
    content = encoded(np.resize(voice, 12 * RATE), RATE)
    found = run("await model.predict(bytes.buffer)", content, "base")
    assert found["scores"] == pytest.approx(
        affekt.load_model("base").predict(content).scores, abs=NEAR
    )


@pytest.mark.parametrize(
    ("rate", "tolerance"),
    [(8000, NEAR), (22050, RESAMPLED), (44100, RESAMPLED), (48000, RESAMPLED)],
)
def test_any_rate_in_stereo(
    run: Run, model: affekt.Model, voice: np.ndarray, rate: int, tolerance: float
) -> None:
    mono = soxr.resample(voice[: 3 * RATE], RATE, rate)
    assert_same(run, model, encoded(np.stack([mono, 0.5 * mono], axis=1), rate), tolerance)


@pytest.mark.parametrize(
    ("kind", "subtype", "rate", "tolerance"),
    [
        ("WAV", "PCM_U8", 16000, EXACT),
        ("WAV", "PCM_24", 16000, EXACT),
        ("WAV", "FLOAT", 44100, RESAMPLED),
        ("WAVEX", "PCM_16", 16000, EXACT),
        ("FLAC", "PCM_16", 44100, NEAR),
        ("OGG", "VORBIS", 16000, NEAR),
        ("OGG", "OPUS", 48000, NEAR),
        ("MP3", "MPEG_LAYER_III", 44100, NEAR),
    ],
)
def test_any_file(
    run: Run,
    model: affekt.Model,
    voice: np.ndarray,
    kind: str,
    subtype: str,
    rate: int,
    tolerance: float,
) -> None:
    samples = soxr.resample(voice[: 2 * RATE], RATE, rate)
    assert_same(run, model, encoded(samples, rate, kind, subtype), tolerance)


@pytest.mark.parametrize(
    "options",
    [
        TimelineOptions(vad="off"),
        TimelineOptions(vad="off", window=1.0, hop=0.25, smoothing=1.0, min_duration=0.5),
        TimelineOptions(vad="off", threshold=0.6, min_duration=0.0, max_pause=0.2),
    ],
    ids=["default", "short windows", "threshold"],
)
@pytest.mark.parametrize("name", ["live", "tiny"])
def test_the_time_line(
    run: Run, tiny_model: Path, voice: np.ndarray, options: TimelineOptions, name: str
) -> None:
    model = affekt.load_model(tiny_model if name == "tiny" else "live")
    assert model.config.streamable == (name == "live")  # one streams, one runs windows again
    pause = np.zeros(5 * RATE, dtype=np.float32)  # longer than the model looks around
    content = encoded(np.concatenate([voice[: 5 * RATE + 777], pause, voice[9 * RATE :]]), RATE)
    script = {
        "window": options.window,
        "smoothing": options.smoothing,
        "minDuration": options.min_duration,
        "maxPause": options.max_pause,
    }
    if options.hop is not None:  # else that of the model
        script["hop"] = options.hop
    if options.threshold is not None:
        script["threshold"] = options.threshold
    found = run(f"await model.timeline(bytes.buffer, {script})", content, name)
    assert found.get("error") is None
    expected = {
        "measurements": list(model.measure(content, options)),
        "segments": list(model.timeline(content, options)),
    }
    assert len(expected["segments"]) > 1
    for kind, rows in expected.items():
        assert [(one["start"], one["end"], one["label"]) for one in found[kind]] == [
            (one.start, one.end, one.label) for one in rows
        ]
        for one, row in zip(found[kind], rows, strict=True):
            assert one["scores"] == pytest.approx(row.scores, abs=EXACT)


@pytest.mark.parametrize("warnings", [(), ("very quiet: -51 dBFS", 'so "quiet"')])
def test_files_are_those_of_python(run: Run, voice: np.ndarray, warnings: tuple[str, ...]) -> None:
    model = affekt.load_model("live")
    segments = tuple(model.timeline((voice, RATE), TimelineOptions(vad="off")))
    name = 'one, "two".wav'
    track = Track(name, segments, len(voice) / RATE, warnings=warnings)
    saved = {
        "name": name,
        "duration": track.duration,
        "labels": model.labels,
        "segments": [segment.to_dict() for segment in segments],
        "warnings": warnings,
    }
    code = """(async () => {
      const { FORMATS } = await import("./static/saved.js");
      const saved = JSON.parse(new TextDecoder().decode(bytes));
      return ["csv", "srt", "textgrid"].map((format) => FORMATS[format].write(saved));
    })()"""
    for format, text in zip(
        ("csv", "srt", "textgrid"), run(code, json.dumps(saved).encode()), strict=True
    ):
        assert text.splitlines() == list(text_lines(format, [track], model.labels)), format


def test_the_course_in_words_is_that_of_python(run: Run) -> None:
    courses = [
        [],
        [(0, 5, "sad")],
        [(0, 5, "sad"), (5, 10, "happy")],
        [(0, 760, "neutral"), (760, 800, "angry"), (801, 845, "angry"), (845, 900, "sad")],
        [(0, 9, UNCERTAIN), (9, 12, "sad")],
        [(0, 3600, "sad"), (3600, 3723, "calm")],
        [
            (10 * i + at, 10 * i + at + 5, name)
            for i in range(9)
            for at, name in ((0, "a"), (5, "b"))
        ],
        [
            (9 * i + at, 9 * i + at + n, x)
            for i in range(9)
            for at, n, x in ((0, 6, "a"), (6, 3, "b"))
        ],
    ]
    tracks = [[Segment(a, b, label, 0.9, {}) for a, b, label in rows] for rows in courses]
    code = """(async () => {
      const { inWords } = await import("./static/summary.js");
      return JSON.parse(new TextDecoder().decode(bytes)).map(inWords);
    })()"""
    saved = [[one.to_dict() for one in track] for track in tracks]
    assert run(code, json.dumps(saved).encode()) == [in_words(track) for track in tracks]


@pytest.mark.parametrize(
    "kind", ["plain", "quiet", "clipped", "noisy", "band-limited", "music", "short", "long"]
)
def test_warnings_are_those_of_python(
    run: Run, model: affekt.Model, voice: np.ndarray, kind: str
) -> None:
    noise = np.random.default_rng(3).normal(0, 0.1, len(voice)).astype(np.float32)
    samples = {
        "plain": voice,
        "quiet": voice * 0.003,
        "clipped": np.clip(voice * 30, -1, 1),
        "noisy": 0.1 * voice + noise,
        "band-limited": soxr.resample(soxr.resample(voice, RATE, 6000), 6000, RATE),
        "music": np.tile(np.sin(np.arange(RATE) * 0.2) * np.linspace(0.3, 0.1, RATE), 3),
        "short": voice[: RATE // 4],
        "long": np.tile(voice, 3),
    }[kind]
    content = encoded(samples, RATE)
    found = run("await model.predict(bytes.buffer)", content)
    expected = model.predict(content)
    assert found["warnings"] == list(expected.warnings)
    assert any(kind in warning for warning in found["warnings"]) == (kind != "plain")
    quality = expected.quality
    measures = [quality.rms_dbfs, quality.peak_dbfs, quality.snr_db, quality.bandwidth_hz]
    measures.append(quality.held_tones)
    names = ["rms_dbfs", "peak_dbfs", "snr_db", "bandwidth_hz", "held_tones"]
    assert [found["quality"].get(name) for name in names] == pytest.approx(measures, abs=0.01)


@pytest.mark.parametrize("name", ["live", "tiny"])
def test_a_stream_in_odd_pieces_is_the_time_line(run: Run, voice: np.ndarray, name: str) -> None:
    code = """(async () => {
      const recording = await affekt.decode(bytes);
      const samples = affekt.toMono(recording, 16000);
      const whole = await model.timeline(recording);
      const stream = model.stream();
      const pieces = {measurements: [], segments: []};
      const add = (found) => {
        for (const kind in pieces) pieces[kind].push(...found[kind]);
      };
      for (let at = 0, size = 1; at < samples.length; at += size, size = (size * 7) % 4999 + 400) {
        add(await stream.push(samples.slice(at, at + size)));
      }
      add(await stream.flush());
      return [whole, pieces];
    })()"""
    whole, pieces = run(code, encoded(voice[: 6 * RATE + 321], RATE), name)
    assert len(whole["measurements"]) == (13 if name == "live" else 7)  # hops of 0.5 s, of 1 s
    for kind, rows in whole.items():
        for row, piece in zip(rows, pieces[kind], strict=True):
            assert (piece["start"], piece["label"]) == (row["start"], row["label"])
            assert piece["scores"] == pytest.approx(row["scores"], abs=1e-6)


def test_a_resampled_stream_is_the_resampled_recording(run: Run, voice: np.ndarray) -> None:
    code = """(() => {
      const samples = new Float32Array(bytes.buffer);
      const whole = affekt.resample(samples, 44100, 16000);
      const resampler = new affekt.Resampler(44100, 16000);
      const pieces = [];
      for (let at = 0; at < samples.length; at += 997) {
        pieces.push(...resampler.push(samples.slice(at, at + 997)));
      }
      pieces.push(...resampler.flush());
      return [Array.from(whole), pieces];
    })()"""
    samples = soxr.resample(voice[:RATE], RATE, 44100)
    whole, pieces = run(code, samples.tobytes())
    assert pieces == whole
    expected = soxr.resample(samples, 44100, RATE, "HQ")
    assert len(whole) == len(expected)
    assert np.abs(np.array(whole) - expected).max() < 1e-3


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("await model.predict(bytes.buffer)", "the recording is empty"),
        ("await model.predict(new Uint8Array(4000))", "this browser cannot read the recording"),
        ("await model.predict(new Float32Array(16000))", "samples need their rate"),
        ("await model.predict(new Float32Array(16000), 16000)", "silent"),
        ("await model.predict(new Float32Array(100).fill(.1), 16000)", "too short: 0.0063 s"),
        ("await model.predict(new Float32Array(16000).fill(900), 16000)", "a sample is 900"),
        ("await model.predict(new Float32Array(16000).fill(NaN), 16000)", "a sample is NaN"),
        ("await model.probabilities(new Float64Array(16000))", "the model failed on its input"),
        ("await model.predict(new Float32Array(16000), 44.1)", "rate of 44.1 Hz is out of range"),
        ("await model.predict('voice.wav')", "expected a Blob"),
        ("model.stream({hop: 2, window: 1})", "hop is longer than window"),
        ("model.stream({windows: 1})", "unknown option windows"),
        ("await affekt.loadModel('models/nowhere/')", "config.json: the server answered 404"),
        ("affekt.Baseline.from('{\"affekt_baseline\": ')", "none of affekt, or damaged"),
        ("affekt.Baseline.from('[1]')", "none of affekt, or damaged"),
        (CHANGED % "format_version: 9", "newer than this module reads"),
        (CHANGED % "mean: [NaN]", "impossible numbers"),
        (CHANGED % "mean: []", "impossible numbers"),
        (CHANGED % "mean: [1e300]", "impossible numbers"),
        (CHANGED % "mean_square: -1", "impossible numbers"),
        (CHANGED % "count: 0.5", "impossible numbers"),
        (CHANGED % "count: 0", "of no recordings"),
        (CHANGED % "count: 3", "built with the model m, not with this live"),
    ],
)
def test_what_is_wrong_is_said(run: Run, code: str, message: str) -> None:
    found = run(code)
    assert found["name"] == "AffektError"
    assert message in found["error"]


@pytest.mark.parametrize("seconds", [0.3, 0.5, 0.8, 2.0, 6.0])
def test_what_is_unlike_the_training_data_is_so_in_both(
    run: Run, choosy: Path, voice: np.ndarray, seconds: float
) -> None:
    content = encoded(voice[: int(seconds * RATE)], RATE)
    found = run("await model.predict(bytes.buffer)", content, "choosy")
    expected = affekt.load_model(choosy).predict(content)
    if seconds < 0.5:
        assert found.get("ood_score") is expected.ood_score is None
    else:
        assert found["ood_score"] == pytest.approx(expected.ood_score, rel=1e-3)
    assert found["warnings"] == list(expected.warnings)


SAME = 1e-5  # of a probability


def before(baseline: affekt.Baseline) -> bytes:
    """The text of a baseline, to be sent to the browser before a recording."""
    return json.dumps(baseline.to_dict()).encode() + b"\0"


SPLIT = """const end = bytes.indexOf(0);
const own = model.withBaseline(affekt.Baseline.from(new TextDecoder().decode(bytes.slice(0, end))));
const sound = bytes.slice(end + 1);"""


@pytest.mark.parametrize(("name", "tolerance"), [("live", SAME), ("base", NEAR)])
def test_a_baseline_of_python_gives_the_answers_of_python(
    run: Run, recordings: list[Path], voice: np.ndarray, name: str, tolerance: float
) -> None:
    """The base model answers apart in WebAssembly; what a baseline changes is the same."""
    model = affekt.load_model(name)
    baseline = model.baseline(recordings[:6] * 3)
    content = encoded(voice[: 3 * RATE], RATE)
    code = f"""(async () => {{
      {SPLIT}
      return [await model.predict(sound), await own.predict(sound)];
    }})()"""
    plain, found = run(code, before(baseline) + content, name)
    expected = model.predict(content, baseline=baseline)
    assert found["scores"] == pytest.approx(dict(expected.scores), abs=tolerance)
    assert found["label"] == expected.label
    assert max(abs(plain["scores"][x] - found["scores"][x]) for x in plain["scores"]) > 1e-3


@pytest.mark.parametrize("learn", [False, True])
@pytest.mark.parametrize("name", ["live", "nano"])
def test_streams_with_a_baseline_are_those_of_python(
    run: Run, recordings: list[Path], voice: np.ndarray, learn: bool, name: str
) -> None:
    model = affekt.load_model(name)
    baseline = model.baseline(recordings[:6] * 3)
    samples = voice[: 9 * RATE]
    stream = model.stream(
        TimelineOptions(window=1.0, hop=0.5, vad="off"), baseline=baseline, learn=learn
    )
    stream.push(samples)
    expected = list(stream.measurements)
    stream.flush()
    expected += stream.measurements
    code = f"""(async () => {{
      {SPLIT}
      const stream = own.stream({{window: 1, hop: 0.5, learn: {str(learn).lower()}}});
      const samples = new Float32Array(sound.buffer);
      const found = [];
      for (let at = 0; at < samples.length; at += 7777) {{
        found.push(...(await stream.push(samples.slice(at, at + 7777))).measurements);
      }}
      found.push(...(await stream.flush()).measurements);
      return [found, stream.baseline.toJSON()];
    }})()"""
    found, learnt = run(code, before(baseline) + samples.tobytes(), name)
    for one, row in zip(found, expected, strict=True):
        assert one["scores"] == pytest.approx(dict(row.scores), abs=SAME)
    assert stream.baseline is not None
    again = affekt.Baseline.from_dict(learnt)
    assert again.count == stream.baseline.count == baseline.count + (8 if learn else 0)
    np.testing.assert_allclose(again.mean, stream.baseline.mean, atol=1e-4)
    assert again.mean_square == pytest.approx(stream.baseline.mean_square, rel=1e-3)


def test_a_baseline_of_the_browser_is_that_of_python(run: Run, model: affekt.Model) -> None:
    files = [encoded(part, RATE) for part in np.random.default_rng(0).normal(0, 0.1, (3, RATE))]
    size = len(files[0])
    code = f"""(async () => {{
      const files = [0, 1, 2].map((i) => bytes.slice(i * {size}, (i + 1) * {size}));
      const whole = await model.baseline(files);
      const parts = [await model.baseline(files.slice(0, 1)), await model.baseline(files.slice(1))];
      return [whole.toJSON(), parts[0].merged(parts[1]).toJSON()];
    }})()"""
    expected = model.baseline(files)
    for text in run(code, b"".join(files)):
        found = affekt.Baseline.from_dict(text)
        assert (found.model, found.head, found.count) == (expected.model, expected.head, 3)
        np.testing.assert_allclose(found.mean, expected.mean, atol=1e-4)
        assert found.mean_square == pytest.approx(expected.mean_square, rel=1e-3)


def test_a_model_without_a_head_knows_no_baselines(run: Run) -> None:
    found = run("await model.baseline([])", model="tiny")
    assert "keeps no 'emotion_head'" in found["error"]


def test_python_refuses_what_the_module_refuses(model: affekt.Model) -> None:
    with pytest.raises(AudioError, match="silent"):
        model.predict((np.zeros(RATE, dtype=np.float32), RATE))
