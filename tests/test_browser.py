"""The tests' own browser: it hears what the fake microphone plays, and sees a page's faults."""

from __future__ import annotations

from pathlib import Path

from browser import open_browser, served, watch

LISTEN = """async () => {
  const stream = await navigator.mediaDevices.getUserMedia({audio: true});
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let peak = 0;
  for (let i = 0; i < 40 && peak < 0.05; i++) {
    await new Promise(done => setTimeout(done, 50));
    analyser.getFloatTimeDomainData(samples);
    peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), peak);
  }
  return peak;
}"""


def test_the_microphone_plays_a_recording(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html><title>test</title>")
    voice = repository / "examples" / "recordings" / "english-man-angry.wav"
    with served(tmp_path) as address, open_browser(microphone=voice) as browser:
        page = browser.new_page()
        page.goto(address)
        assert page.evaluate(LISTEN) > 0.05


def test_faults_are_seen(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
        "<script>document.title = 'ran'</script>"
    )
    with served(tmp_path) as address, open_browser() as browser:
        page = browser.new_page()
        faults = watch(page)
        page.goto(address)
        page.wait_for_timeout(200)
        assert any("Content Security Policy" in fault for fault in faults)
        assert page.title() == ""
