"""The page and the example on training say what is so."""

from __future__ import annotations

import dataclasses
import re
import runpy
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tone_corpus import make_tones

torch = pytest.importorskip("torch")

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from affekt.training import Recipe  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "training.md"


def keys_of(table: Any, where: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield table, key and default of every value that a recipe may set."""
    hints = typing.get_type_hints(table)
    for field in dataclasses.fields(table):
        options = (hints[field.name], *typing.get_args(hints[field.name]))
        inner = [option for option in options if dataclasses.is_dataclass(option)]
        if inner == [Recipe]:  # other recipes, which a file names by their paths
            several = typing.get_origin(hints[field.name]) is tuple
            yield where, field.name, () if several else ""
        elif inner:
            yield from keys_of(inner[0], f"{where}.{field.name}".lstrip("."))
        elif field.default is not dataclasses.MISSING:
            yield where, field.name, field.default
        else:
            assert field.default_factory is not dataclasses.MISSING
            yield where, field.name, field.default_factory()


def documented() -> dict[tuple[str, str], str]:
    """Return the default that the page gives for each table and key."""
    found = {}
    text = PAGE.read_text(encoding="utf-8")
    section = text[text.index("### Recipe keys") : text.index("## Benchmark")]
    table = ""
    for line in section.splitlines():
        if heading := re.fullmatch(r"#### `\[(.+)\]`", line):
            table = heading[1]
        elif row := re.fullmatch(r"\| `(\w+)` \| (.+?) \| (.+) \|", line):
            found[table, row[1]] = row[2].strip("`")
    return found


def test_every_key_of_a_recipe_is_on_the_page_with_its_default() -> None:
    expected = {(table, key): default for table, key, default in keys_of(Recipe)}
    told = documented()
    assert told.pop(("", "name")) == "the file's"
    assert expected.pop(("", "name")) == ""
    assert sorted(set(expected) - set(told)) == [], "keys without a row in docs/training.md"
    assert sorted(set(told) - set(expected)) == [], "rows of keys that are no more"
    wrong = {}
    for key, text in told.items():
        (value,) = tomllib.loads(f"value = {text}").values()
        default = expected[key]
        default = list(default) if isinstance(default, tuple) else default
        if value != default or type(value) is not type(default):
            wrong[key] = (text, default)
    assert wrong == {}


def test_the_recipe_on_the_page_is_one(tmp_path: Path) -> None:
    from affekt.training import load_recipe

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
    assert "on 12 recordings of speakers it never heard: UAR " in out
    assert len(re.findall(r"^  (?:angry|happy|sad): \d+% recognised$", out, re.M)) == 3
    assert (run / "model" / "model.onnx").is_file()


def test_the_example_tells_a_mistake_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = str(ROOT / "examples" / "train_your_own.py")
    monkeypatch.setattr(sys, "argv", [script, str(tmp_path / "nowhere"), str(tmp_path / "run")])
    with pytest.raises(SystemExit, match=r"^error: .*nowhere.* is neither a corpus"):
        runpy.run_path(script, run_name="__main__")
