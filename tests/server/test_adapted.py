"""A model adapted to examples, in the server and in the browser: the answers of Python."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from browser import served
from live_server import pcm_bytes

import affekt
from affekt.client import Client
from affekt.data import Clip
from affekt.runtime import TimelineOptions
from affekt.web.site import write_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SAME = 1e-5  # of a probability
BROWSER = 1e-4

PREDICT = """async ([encoded, name]) => {
  const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
  const {loadModel} = await import("./static/affekt.js");
  const model = await loadModel(`models/${name}/`);
  const {segments} = await model.timeline(bytes.slice().buffer);
  return {answer: await model.predict(bytes.buffer), segments};
}"""


@pytest.fixture(scope="module")
def adapted(recordings: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A streaming model for three labels, one of them known to the model that it comes from."""
    words = ("frustré", "つかれた", "happy")
    examples = [
        Clip(file, words[number % 3], f"voice {number}") for number, file in enumerate(recordings)
    ]
    folder = tmp_path_factory.mktemp("adapted") / "own"
    affekt.load_model("live", threads=1).adapt(examples, folder)
    return folder


def test_the_server_answers_as_python(
    start: Callable[..., Any], adapted: Path, recordings: list[Path]
) -> None:
    model = affekt.load_model(adapted)
    with start("--model", str(adapted)) as server:
        client = Client(server.url)
        for file in recordings[:3]:
            found, expected = client.predict(file), model.predict(file)
            assert found.scores == pytest.approx(dict(expected.scores), abs=SAME)
            assert found.label == expected.label
        samples = np.concatenate([affekt.load_audio(file) for file in recordings[:3]])
        heard = np.frombuffer(pcm_bytes(samples), "<i2")
        events = client.stream([pcm_bytes(part) for part in np.array_split(samples, 7)])
        results = [event for event in events if event["type"] == "measurement.result"]
        measured = list(model.measure((heard, 16000)))
        for event, one in zip(results, measured, strict=True):
            assert event["scores"] == pytest.approx(dict(one.scores), abs=SAME)


def test_the_browser_answers_as_python(
    chromium: Browser, engine: Path, adapted: Path, recordings: list[Path], tmp_path: Path
) -> None:
    write_site(adapted, tmp_path / "site")
    model, file = affekt.load_model(adapted), tmp_path / "voice.wav"
    sound = np.concatenate([affekt.load_audio(one) for one in recordings[:3]])
    soundfile.write(file, sound, 16000)
    with served(tmp_path / "site") as address:
        page = chromium.new_page()
        page.goto(f"{address}/README.md")
        content = base64.b64encode(file.read_bytes()).decode()
        found = page.evaluate(PREDICT, [content, "own"])
        page.close()
    expected, off = model.predict(file), TimelineOptions(vad="off")  # a browser has no detector
    assert found["answer"]["scores"] == pytest.approx(dict(expected.scores), abs=BROWSER)
    for segment, other in zip(found["segments"], model.timeline(file, off), strict=True):
        assert segment["label"] == other.label
        assert segment["scores"] == pytest.approx(dict(other.scores), abs=BROWSER)
