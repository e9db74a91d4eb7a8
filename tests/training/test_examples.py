"""The page and the example on training say what is so."""

from __future__ import annotations

import re
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import recipe_keys
from tone_corpus import make_tones

torch = pytest.importorskip("torch")

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from affekt.training import Recipe, load_recipe  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "recipes.md"


def test_the_page_of_recipes_is_in_step_with_the_code() -> None:
    assert recipe_keys.NAMES.shown() == recipe_keys.names_table(), "run benchmarks/recipe_keys.py"
    assert recipe_keys.KEYS.shown() == recipe_keys.keys_tables(), "run benchmarks/recipe_keys.py"


def test_every_key_has_a_meaning_and_is_one_that_a_recipe_may_set() -> None:
    keys = list(recipe_keys.keys_of(Recipe))
    assert len(keys) > 100
    assert [key for key, _, meaning in keys if not meaning] == []
    for key, default, _ in keys:
        if key.startswith(("ensemble", "classical", "pretrain", "taught_by", "augment.waveform")):
            continue
        value = tomllib.loads(f"value = {recipe_keys.toml(default)}")["value"]
        load_recipe("cnn", {key: value})


def test_a_key_without_a_meaning_would_be_seen() -> None:
    @dataclass
    class Bare:
        """No parameters are told."""

        speed: float = 1.0

    with pytest.raises(KeyError, match="speed"):
        list(recipe_keys.keys_of(Bare))


def test_the_recipe_on_the_page_is_one(tmp_path: Path) -> None:
    text, *_ = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    (tmp_path / "page.toml").write_text(text)
    recipe = load_recipe(tmp_path / "page.toml")
    assert recipe.name == "two-moods"
    assert recipe.data.labels == ("happy", "sad")
    assert recipe.model.options == {"channels": 64}


def test_the_example_trains_on_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_tones(tmp_path / "voices", takes=2)
    script = str(ROOT / "examples" / "train_your_own.py")
    run = tmp_path / "run"
    monkeypatch.setattr(sys, "argv", [script, str(folder), str(run), "--epochs", "3"])
    runpy.run_path(script, run_name="__main__")
    out = capsys.readouterr().out
    assert re.findall(r"^epoch (\d): loss \d\.\d{3}, validation UAR \d+\.\d%$", out, re.M) == (
        ["1", "2", "3"]
    )
    assert "on 12 recordings of the test speakers: UAR " in out
    assert len(re.findall(r"^  (?:angry|happy|sad): \d+% recognised$", out, re.M)) == 3
    assert (run / "model" / "model.onnx").is_file()


def test_the_example_tells_a_mistake_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = str(ROOT / "examples" / "train_your_own.py")
    monkeypatch.setattr(sys, "argv", [script, str(tmp_path / "nowhere"), str(tmp_path / "run")])
    with pytest.raises(SystemExit, match=r"^error: .*nowhere.* is neither a corpus"):
        runpy.run_path(script, run_name="__main__")
