"""The page in a real browser shows what `affekt predict` says, on the device and on the server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from browser import open_browser, served, watch

import affekt
from affekt.formats.summary import in_words
from affekt.results import DIMENSIONS, UNCERTAIN
from affekt.runtime.bundle import ASSETS
from affekt.runtime.options import TimelineOptions
from affekt.server.keys import new_key
from affekt.web.site import write_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RATE = 16_000  # Hz
DEVICE = "live"  # the model of the page without a server
PATIENCE = 120_000  # ms: busy machines load a model slowly

KEEP_WHAT_IS_HEARD = """async () => {
  const { Microphone } = await import("./static/microphone.js");
  const { start } = Microphone.prototype;
  globalThis.heard = [];
  Microphone.prototype.start = function (onSamples, options) {
    const tap = (samples) => { heard.push(...samples); onSamples(samples); };
    return start.call(this, tap, options);
  };
}"""
"""Copies the samples on their way from the microphone to the model."""


@pytest.fixture(scope="module")
def voices(recordings: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of several voices."""
    path = tmp_path_factory.mktemp("sound") / "voices.wav"
    samples = np.concatenate([affekt.load_audio(one) for one in recordings[:4]])
    soundfile.write(path, samples, RATE)
    return path


@pytest.fixture(scope="module")
def site(engine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page without a server of affekt."""
    folder = tmp_path_factory.mktemp("page") / "site"
    write_site(ASSETS / DEVICE, folder)
    with served(folder) as address:
        yield address


@pytest.fixture(scope="module")
def chromium(recordings: list[Path]) -> Iterator[Browser]:
    """A browser whose microphone hears one sample recording again and again."""
    voice = next(path for path in recordings if path.suffix == ".wav")
    with open_browser(microphone=voice) as browser:
        yield browser


@contextmanager
def opened(browser: Browser, address: str, where: str = "", **options: Any) -> Iterator[Page]:
    """Open the page, ready to hear; nothing may fail on it, or be asked of another host."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    faults = watch(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_selector("#listen:enabled")
    if where:
        page.check(f'input[value="{where}"]', force=True)
    yield page
    elsewhere = [url for url in asked if not url.startswith((address, "data:", "blob:", "ws"))]
    assert elsewhere == []
    assert faults == []
    context.close()


def hear(page: Page, file: Path) -> None:
    page.set_input_files("#file", file)
    page.wait_for_selector("#segments tbody tr")
    page.wait_for_selector("#busy", state="hidden")


def shown(page: Page) -> dict[str, int]:
    """The percentages beside the bars."""
    rows = page.locator("#bars li").all()
    return {row.locator("span").nth(0).inner_text(): _whole(row.inner_text()) for row in rows}


def _whole(text: str) -> int:
    found = re.search(r"(\d+) %", text)
    assert found is not None, text
    return int(found[1])


def assert_shows_what_predict_says(
    page: Page,
    file: Path,
    baseline: affekt.Baseline | None = None,
    name: str | None = DEVICE,
) -> None:
    hear(page, file)
    model = affekt.load_model(name)
    answer = model.predict(file, baseline=baseline)
    options = affekt.TimelineOptions(vad="off")
    course = list(model.timeline(file, options, baseline=baseline))
    mixed = len({one.label for one in course} - {UNCERTAIN}) > 1
    assert page.inner_text("#label") == (in_words(course) if mixed else answer.label)
    for label, percent in shown(page).items():
        assert percent == pytest.approx(100 * answer.scores[label], abs=1.01)
    words = f"{answer.label}, {_whole(page.inner_text('#sure'))} % probable"
    assert words in page.inner_text("#sure" if mixed else "#announce")


def test_a_file_on_the_device(chromium: Browser, site: str, recordings: list[Path]) -> None:
    with opened(chromium, site) as page:
        assert "nothing is uploaded" in page.inner_text("#truth")
        assert page.is_disabled('input[value="server"]')
        for file in recordings:
            assert_shows_what_predict_says(page, file)


def test_the_time_line_and_what_is_saved(chromium: Browser, site: str, voices: Path) -> None:
    options = TimelineOptions(vad="off")
    expected = list(affekt.load_model(DEVICE).timeline(voices, options))
    with opened(chromium, site) as page:
        hear(page, voices)
        rows = [row.inner_text().split("\t") for row in page.locator("#segments tbody tr").all()]
        assert [row[2].strip() for row in rows] == [segment.label for segment in expected]
        for segment in expected:
            assert segment.label in page.get_attribute("#track", "aria-label")
        saved = {}
        for name in ("csv", "srt", "textgrid", "html"):
            with page.expect_download() as download:
                page.click(f'[data-format="{name}"]')
            saved[name] = Path(download.value.path()).read_text(encoding="utf-8")
            assert download.value.suggested_filename.startswith("voices.")
        said = page.inner_text("#plane-words")
        whole = affekt.load_model(DEVICE).predict(voices)
        valence, arousal = re.findall(r"[+−]\d\.\d\d", said)
        assert float(valence.replace("−", "-")) == pytest.approx(whole.valence, abs=0.03)
        assert float(arousal.replace("−", "-")) == pytest.approx(whole.arousal, abs=0.03)
        assert said.endswith("derived from the probabilities")
    header, *lines = saved["csv"].splitlines()
    columns = header.split(",")
    assert columns[:6] == ["file", "start", "end", "label", "confidence", "intensity"]
    dimensions = columns.index("valence")
    assert columns[dimensions : dimensions + 4] == [*DIMENSIONS, "dimensions"]
    first = lines[0].split(",")[dimensions : dimensions + 4]
    assert float(first[0]) == pytest.approx(expected[0].valence, abs=0.02)
    assert first[3] == "derived"
    assert [line.split(",")[3] for line in lines] == [segment.label for segment in expected]
    assert saved["html"].count("<tr>") == len(expected) + 1
    assert "data:image/png;base64," in saved["html"]
    assert len(re.findall(r"http", saved["html"])) == 0
    return_as_python = {"srt": saved["srt"], "textgrid": saved["textgrid"]}
    for name, text in return_as_python.items():
        words = [segment.label for segment in expected]
        assert [word for word in re.findall(r"[a-z]+", text) if word in words] == words, name


def test_the_microphone_on_the_device(chromium: Browser, site: str) -> None:
    with opened(chromium, site) as page:
        listen_and_compare(page, "off")


def listen_and_compare(page: Page, vad: str, name: str | None = DEVICE) -> None:
    """What is heard live is what Python hears of the very samples that the microphone gave."""
    page.evaluate(KEEP_WHAT_IS_HEARD)
    page.click("#listen")
    page.wait_for_selector('#listen[aria-pressed="true"]')
    page.locator("#sure", has_text="0:03").wait_for()
    level = float(page.get_attribute("#level", "aria-valuenow") or 0)
    page.click("#listen")
    page.wait_for_selector("#results", state="visible")
    samples = np.array(page.evaluate("heard"), dtype=np.float32)
    options = TimelineOptions(window=2.0, hop=0.5, vad=vad)
    model = affekt.load_model(name)
    expected = list(model.timeline((samples, RATE), options))
    rows = [row.inner_text().split("\t") for row in page.locator("#segments tbody tr").all()]
    assert [row[2].strip() for row in rows] == [segment.label for segment in expected]
    for row, segment in zip(rows, expected, strict=True):
        assert _whole(row[3]) == pytest.approx(100 * segment.confidence, abs=1.01)
    assert page.inner_text("#label") == list(model.measure((samples, RATE), options))[-1].label
    assert -50 < level < 0
    assert page.is_hidden("#transport")  # nothing was kept that could be played


def learn_and_forget(page: Page, file: Path, name: str | None = DEVICE) -> None:
    """The voice is learnt from the microphone, used for a file, and gone when forgotten."""
    model = affekt.load_model(name)
    page.check("#learn")
    assert "answers will fit your voice" in page.inner_text("#learnt")
    assert page.is_hidden("#forget")
    page.click("#listen")
    page.wait_for_selector('#listen[aria-pressed="true"]')
    page.locator("#sure", has_text="0:08").wait_for()  # three whole windows
    page.click("#listen")
    page.locator("#learnt", has_text="kept in this browser alone").wait_for()
    kept = json.loads(page.evaluate("localStorage.getItem('affekt-voice')"))
    ((_, values),) = kept.items()
    baseline = affekt.Baseline.from_dict(values)
    assert baseline.model == model.config.name
    assert baseline.count >= 2
    assert f"Known from {baseline.count} stretches" in page.inner_text("#learnt")
    page.reload()  # what is kept outlasts the page
    page.wait_for_selector("#listen:enabled")
    assert page.is_checked("#learn")
    assert_shows_what_predict_says(page, file, baseline, name)
    page.click("#forget")
    assert page.evaluate("localStorage.getItem('affekt-voice')") is None
    assert page.is_hidden("#forget")
    assert_shows_what_predict_says(page, file, name=name)


def test_the_page_learns_a_voice_on_the_device(
    chromium: Browser, site: str, recordings: list[Path]
) -> None:
    with opened(chromium, site) as page:
        learn_and_forget(page, recordings[1])


def test_a_voice_of_another_model_is_told(
    chromium: Browser, site: str, recordings: list[Path]
) -> None:
    """After an update of the model, say; and after damage nothing is known."""
    other = affekt.load_model("nano").baseline(recordings[:2]).to_dict()
    with opened(chromium, site) as page:
        kept = f"localStorage.setItem('affekt-voice', {json.dumps(json.dumps({DEVICE: other}))})"
        page.evaluate(f"{kept}; localStorage.setItem('affekt-learn', 'yes')")
        page.reload()
        page.wait_for_selector("#listen:enabled")
        page.set_input_files("#file", recordings[0])
        page.locator("#error", has_text="press Forget my voice").wait_for()
        page.click("#forget")
        assert_shows_what_predict_says(page, recordings[0])
        page.evaluate("localStorage.setItem('affekt-voice', '{\"live')")
        page.reload()
        page.wait_for_selector("#listen:enabled")
        assert page.is_hidden("#forget")
        assert_shows_what_predict_says(page, recordings[0])


def test_what_cannot_be_read_is_said(
    chromium: Browser, site: str, tmp_path: Path, recordings: list[Path]
) -> None:
    noise = tmp_path / "noise.wav"
    noise.write_bytes(np.random.default_rng(0).bytes(10_000))
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(RATE), RATE)
    with opened(chromium, site) as page:
        page.set_input_files("#file", noise)
        page.wait_for_selector("#error", state="visible")
        assert "This browser cannot read the recording" in page.inner_text("#error")
        page.set_input_files("#file", silence)
        page.locator("#error", has_text="is silent").wait_for()
        hear(page, recordings[0])  # it goes on
        assert page.is_hidden("#error")


def test_the_page_speaks_chinese(chromium: Browser, site: str, recordings: list[Path]) -> None:
    """In a browser that does; what the model says about itself, and warnings, are not its words."""
    code = """() => {
      const found = [document.title, document.body.dataset.drop];
      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const { parentElement, data } = texts.currentNode;
        const quoted = 'dd, option, noscript, #warnings, #track-name';
        if (!parentElement.closest(quoted)) found.push(data);
      }
      for (const name of ['aria-label', 'aria-valuetext']) {
        document.querySelectorAll(`[${name}]`).forEach((e) => found.push(e.getAttribute(name)));
      }
      return found;
    }"""
    names = r"affekt|wav|flac|mp3|ogg|m4a|webm|CSV|SRT|TextGrid|HTML|AI Act|English|dB"
    with opened(chromium, site, locale="zh-CN") as page:
        hear(page, recordings[0])
        page.click("summary")
        quoted = rf"{re.escape(recordings[0].name)}|\b({names})\b"
        words = page.evaluate(code)
        assert [one for one in words if re.search("[A-Za-z]{2}", re.sub(quoted, "", one))] == []
        assert page.get_attribute("html", "lang") == "zh-CN"
        assert set(shown(page)) == {"愤怒", "厌恶", "恐惧", "高兴", "中性", "悲伤"}
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.click("#language")  # loads the page anew
        page.wait_for_selector('html[lang="en"] #listen:enabled')
        assert page.inner_text("#listen span") == "Listen"


def test_keys_and_names_for_those_who_do_not_see(
    chromium: Browser, site: str, recordings: list[Path]
) -> None:
    with opened(chromium, site) as page:
        hear(page, recordings[0])
        order = []
        page.evaluate("document.activeElement.blur()")
        while True:
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            order.append(
                page.evaluate(
                    "(document.activeElement.id || document.activeElement.dataset.format"
                    " || document.activeElement.className || document.activeElement.tagName)"
                )
            )
            outline = page.evaluate(
                "getComputedStyle(document.activeElement.closest('label') "
                "?? document.activeElement).outlineStyle"
            )
            assert outline != "none", order[-1]
        wanted = ["skip", "theme", "listen", "file", "play", "seek", "csv", "html", "SUMMARY"]
        places = [order.index(name) for name in wanted]
        assert places == sorted(places)
        unnamed = page.evaluate(
            """() => [...document.querySelectorAll('button, input, select, [role]')]
              .filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label')
                || e.getAttribute('aria-labelledby') || e.labels?.length || e.hidden
                || e.getAttribute('role') === 'status' || e.getAttribute('role') === 'alert'))
              .map((e) => e.outerHTML)"""
        )
        assert unnamed == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out(chromium: Browser, site: str, scheme: str, recordings: list[Path]) -> None:
    code = """() => {
      const light = (colour) => {
        const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((c) => c / 255)
          .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ground = (element) => {
        for (let e = element; e; e = e.parentElement) {
          const colour = getComputedStyle(e).backgroundColor;
          if (colour !== 'rgba(0, 0, 0, 0)' && !colour.includes('srgb')) return colour;
        }
        return 'rgb(255, 255, 255)';
      };
      const weak = [];
      for (const e of document.querySelectorAll('body *')) {
        const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
        const unread = ".hidden, .skip, noscript, label:has(:disabled)";
        if (!own || !e.checkVisibility() || e.closest(unread)) continue;
        const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
        const contrast = (a + 0.05) / (b + 0.05);
        if (contrast < 4.5) weak.push(`${e.outerHTML.slice(0, 80)} ${contrast.toFixed(2)}`);
      }
      return weak;
    }"""
    with opened(chromium, site, color_scheme=scheme) as page:
        hear(page, recordings[0])
        page.click("summary")
        assert page.evaluate(code) == []


def test_it_fits_a_phone(chromium: Browser, site: str, voices: Path) -> None:
    with opened(chromium, site, viewport={"width": 320, "height": 640}) as page:
        hear(page, voices)
        page.click("summary")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        small = page.evaluate(
            """() => [...document.querySelectorAll('main button, #theme, select')]
              .filter((e) => e.checkVisibility() && !e.closest('td'))
              .filter((e) => e.getBoundingClientRect().height < 40).map((e) => e.textContent)"""
        )
        assert small == []


def test_the_smallest_page(chromium: Browser, site: str, recordings: list[Path]) -> None:
    page = chromium.new_page()
    page.set_default_timeout(PATIENCE)
    faults = watch(page)
    page.goto(f"{site}/example.html")
    page.wait_for_load_state("networkidle")
    page.set_input_files("#file", recordings[0])
    answer = affekt.load_model(DEVICE).predict(recordings[0])
    page.locator("#answer", has_text="%").wait_for()
    assert page.inner_text("#answer") == f"{answer.label}, {100 * answer.confidence:.0f} %"
    assert faults == []


def test_a_file_on_the_server(
    chromium: Browser, server: Any, engine: Path, recordings: list[Path]
) -> None:
    with opened(chromium, server.url, "server") as page:
        assert "Sound is sent to 127.0.0.1" in page.inner_text("#truth")
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url))
        assert_shows_what_predict_says(page, recordings[0], name=None)
        assert f"{server.url}/v1/audio/emotions" in sent


def test_a_file_on_the_device_of_who_visits_a_server(
    chromium: Browser, server: Any, engine: Path, recordings: list[Path]
) -> None:
    with opened(chromium, server.url, "device") as page:
        sent: list[str] = []
        page.on("request", lambda request: sent.append(f"{request.method} {request.url}"))
        assert_shows_what_predict_says(page, recordings[1], name=None)
        assert [one for one in sent if one.startswith("POST")] == []


def test_the_page_learns_a_voice_on_the_server(
    chromium: Browser, server: Any, engine: Path, recordings: list[Path]
) -> None:
    with opened(chromium, server.url, "server") as page:
        learn_and_forget(page, recordings[1], None)


def test_the_microphone_on_the_server(chromium: Browser, server: Any, engine: Path) -> None:
    with opened(chromium, server.url, "server") as page:
        listen_and_compare(page, "auto", None)


def test_a_server_with_a_key_and_without_the_engine(
    chromium: Browser, start: Any, tmp_path: Path, recordings: list[Path]
) -> None:
    key, line = new_key("somebody")
    (tmp_path / "keys.txt").write_text(f"{line}\n")
    nowhere = {"AFFEKT_BROWSER_RUNTIME": str(tmp_path)}
    with start("--keys", str(tmp_path / "keys.txt"), variables=nowhere) as guarded:
        page = chromium.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(guarded.url)
        page.wait_for_selector("#key-form", state="visible")
        assert page.is_disabled("#listen")
        page.fill("#key", "wrong")
        page.click("#key-form button")
        page.locator("#error", has_text="a valid API key is needed").wait_for()
        page.fill("#key", key)
        page.keyboard.press("Enter")
        page.wait_for_selector("#listen:enabled")
        assert page.is_hidden("#key-form")
        assert page.is_hidden("#error")
        assert page.is_disabled('input[value="device"]')
        assert "affekt serve --on-device" in page.inner_text("#lacking")
        assert page.is_checked('input[value="server"]')
        assert key not in page.evaluate("JSON.stringify(localStorage) + document.cookie")
        assert_shows_what_predict_says(page, recordings[0], name=None)
        page.evaluate(KEEP_WHAT_IS_HEARD)
        page.click("#listen")
        page.wait_for_selector('#listen[aria-pressed="true"]')  # the key opens the stream, too
        page.click("#listen")
        page.wait_for_selector("#results", state="visible")
        page.close()
