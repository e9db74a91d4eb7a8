"""One baseline, one recording: the same answer from files, time lines, streams, server, browser."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from command_line import affekt as command
from live_server import Server

import affekt
from affekt.client import Client
from affekt.runtime.options import TimelineOptions

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RATE = 16_000  # Hz
SAME = 1e-5  # of a probability
WINDOWS = {"window": 2.0, "hop": 0.5}

IN_THE_BROWSER = """async ([recording, text]) => {
  const { Baseline, loadModel } = await import("/static/affekt.js");
  const model = (await loadModel("/models/default/")).withBaseline(Baseline.from(text));
  const bytes = Uint8Array.from(atob(recording), (letter) => letter.charCodeAt(0));
  const { scores } = await model.predict(bytes);
  const { measurements } = await model.timeline(bytes, { window: 2, hop: 0.5 });
  return { scores, measurements };
}"""


def scores(rows: Any) -> list[dict[str, float]]:
    return [dict(one.scores if hasattr(one, "scores") else one["scores"]) for one in rows]


def assert_same(found: list[dict[str, float]], expected: list[dict[str, float]]) -> None:
    assert len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=SAME)


def test_one_baseline_gives_one_answer(
    server: Server,
    chromium: Browser,
    engine: Path,
    recordings: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model, file, kept = affekt.load_model(), tmp_path / "voice.wav", tmp_path / "me.json"
    model.baseline(recordings[:6] * 3).save(kept)
    baseline = affekt.Baseline.load(kept)
    samples = np.concatenate([affekt.load_audio(one) for one in recordings[:3]])
    soundfile.write(file, samples, RATE)
    heard = affekt.load_audio(file)
    client = Client(server.url)
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(server.url)
        content = base64.b64encode(file.read_bytes()).decode()
        browser = page.evaluate(IN_THE_BROWSER, [content, kept.read_text(encoding="utf-8")])

    whole = scores([model.predict(file, baseline=baseline)])
    assert whole != scores([model.predict(file)])
    words = ("predict", file, "--baseline", kept, "--format", "json")
    assert_same(scores(map(json.loads, command(capsys, *words).out.splitlines())), whole)
    assert_same(scores([client.predict(file, baseline=baseline)]), whole)
    assert_same(scores([browser]), whole)
    assert_same(scores([model.with_baseline(baseline).predict(file.read_bytes())]), whole)

    # Windows: the browser has no detector of speech, the server the one that is installed.
    plain = TimelineOptions(vad="off", **WINDOWS)
    expected = scores(model.measure(file, plain, baseline=baseline))
    assert_same(scores(browser["measurements"]), expected)
    words = ("stream", "--simulate", file, "--speed", "1000", "--vad", "off", "--window", "2")
    words = (*words, "--hop", "0.5", "--baseline", kept, "--format", "json", "--hops")
    rows = [json.loads(line) for line in command(capsys, *words).out.splitlines()]
    hops = [row for row in rows if row.get("provisional") is False]
    assert_same(scores(hops), expected)

    live = TimelineOptions(**WINDOWS)
    stream = model.stream(live, baseline=baseline)
    measured = []
    for part in np.array_split(heard, 7):
        stream.push(part)
        measured += stream.measurements
    stream.flush()
    expected = scores(measured + stream.measurements)
    assert_same(scores(model.measure(file, live, baseline=baseline)), expected)
    events = client.stream([pcm_bytes_exactly(file)], session=WINDOWS, baseline=baseline)
    results = [event for event in events if event["type"] == "measurement.result"]
    assert_same(scores(results), expected)


def pcm_bytes_exactly(file: Path) -> bytes:
    """The samples of a wav file of 16 bits, as they are."""
    samples, _ = soundfile.read(io.BytesIO(file.read_bytes()), dtype="int16")
    return bytes(samples.astype("<i2").tobytes())
