"""The page and its module as a folder: an npm package, and a static site that needs no server.

``index.html`` is the page of ``affekt serve`` without the server: everything runs on the device.
``static/affekt.js`` is the module it is made of, for pages of your own. Needs no extra.
"""

from __future__ import annotations

import json
import re
import shutil
from html import escape
from pathlib import Path

from affekt import __version__
from affekt.errors import ConfigError, ModelError
from affekt.files import atomic_path
from affekt.runtime.bundle import CARD_FILE, CONFIG_FILE, GRAPH_FILE, read_directory
from affekt.web.browser import FILES, PACKAGE, VERSION, fetch_browser_runtime

STATIC = Path(__file__).parent / "static"
"""The page's own files; ``index.html`` is served at the root, the others under ``static/``."""

PAGE = "index.html"
MODEL_FILES = (CONFIG_FILE, GRAPH_FILE, "encoder.onnx", "head.onnx")
"""What a browser may fetch of a model directory, where it is there."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


def write_site(model: Path, out: Path) -> Path:
    """Write a folder that runs a model in browsers.

    Parameters
    ----------
    model : Path
        A model directory.
    out : Path
        Folder, made if missing; files of other names in it stay.

    Returns
    -------
    Path
        The directory of the model inside ``out``.

    Raises
    ------
    ConfigError
        If ``out`` is a file.
    ModelError
        If the model directory is incomplete, or the engine cannot be had.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file: a web site is a folder")
    config = read_directory(model).config
    assert config is not None  # a directory has one
    name = config.name
    if not _NAME.fullmatch(name):
        raise ModelError(f"the model is named {name!r}: an address needs letters, digits, . _ or -")
    engine = fetch_browser_runtime()
    place = out / "models" / name
    for file in (*MODEL_FILES, CARD_FILE):
        if (model / file).is_file():
            _copy(model / file, place / file)
    for file in FILES:
        _copy(engine / file, out / "runtime" / file)
    for path in sorted(STATIC.iterdir()):
        if path.name != PAGE:
            _copy(path, out / "static" / path.name)
    texts = {
        PAGE: static_page(name),
        "example.html": _EXAMPLE.replace("NAME", name),
        "example.js": _EXAMPLE_SCRIPT.replace("NAME", name),
        "package.json": json.dumps(_package(name, config.licence), indent=2) + "\n",
        "README.md": _README.replace("NAME", name).replace("ENGINE", f"{PACKAGE} {VERSION}"),
    }
    for file, text in texts.items():
        with atomic_path(out / file) as partial:
            partial.write_text(text, encoding="utf-8")
    return place


def static_page(model: str) -> str:
    """Return the page as it is where no server of affekt answers: with one model, on the device."""
    page = (STATIC / PAGE).read_text(encoding="utf-8")
    settings = {"affekt-server": "none", "affekt-models": model}
    for name, value in settings.items():
        page, found = re.subn(
            rf'(<meta name="{name}" content=)"[^"]*"', rf'\1"{escape(value)}"', page
        )
        assert found == 1, f"{PAGE} has no {name}"
    return page


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as partial:
        shutil.copyfile(source, partial)


def _package(model: str, licence: str | None) -> dict[str, object]:
    return {
        "name": "affekt-web",
        "version": __version__,
        "description": "Emotion in speech, in the browser: nothing leaves the device",
        "type": "module",
        "license": f"SEE LICENSE IN README.md (code Apache-2.0, weights {licence or 'not stated'})",
        "private": True,
        "exports": {
            ".": {"types": "./static/affekt.d.ts", "default": "./static/affekt.js"},
            "./models/*": "./models/*",
            "./runtime/*": "./runtime/*",
        },
        "types": "./static/affekt.d.ts",
        "files": ["index.html", "example.html", "example.js", "models", "runtime", "static"],
        "affekt": {"model": f"models/{model}/"},
    }


_EXAMPLE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="static/icon.svg">
<title>affekt: the smallest page</title>
</head>
<body>
<h1>affekt: the smallest page</h1>
<p><label>A recording: <input id="file" type="file" accept="audio/*"></label></p>
<p><button id="listen" type="button">Listen to the microphone</button></p>
<pre id="answer" aria-live="polite">Nothing leaves this device.</pre>
<script type="module" src="example.js"></script>
</body>
</html>
"""

_EXAMPLE_SCRIPT = """import { loadModel, Microphone } from "./static/affekt.js";

const loading = loadModel("models/NAME/");
const answer = document.getElementById("answer");

document.getElementById("file").addEventListener("change", async ({ target }) => {
  try {
    const model = await loading;
    const { label, confidence } = await model.predict(target.files[0]);
    answer.textContent = `${label}, ${(100 * confidence).toFixed(0)} %`;
  } catch (error) {
    answer.textContent = error.message;
  }
});

document.getElementById("listen").addEventListener("click", async () => {
  const stream = (await loading).stream();
  const microphone = new Microphone();
  await microphone.start(async (samples) => {
    const { measurements } = await stream.push(samples);
    for (const { start, end, label, confidence } of measurements) {
      answer.textContent = `${start} to ${end} s: ${label}, ${(100 * confidence).toFixed(0)} %`;
    }
  });
});
"""

_README = """# affekt in the browser

The model `NAME`, the engine that runs it (ENGINE, MIT) and a module of affekt
(Apache-2.0). No sound leaves the device.

- `index.html`: the page, for people. Serve this folder with anything: `python -m http.server`.
- `example.html`, `example.js`: the smallest page, to begin one of your own.
- `static/affekt.js` with `static/affekt.d.ts`: the module.

```js
import { loadModel } from "./static/affekt.js";

const model = await loadModel("models/NAME/");
const { label, confidence, scores } = await model.predict(file); // File, Blob, ArrayBuffer
```

As a package: `npm install ./this-folder`, then `import { loadModel } from "affekt-web"`, and give
`loadModel` the addresses under which you serve `models/NAME/` and `runtime/`.

A page that forbids what it does not need: `default-src 'none'; script-src 'self'
'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; img-src 'self'`.

What the model is for, what it is not for, and the licence of its weights: `models/NAME/README.md`.
"""
