"""``affekt benchmark``: fold by fold, and one file for the figure."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from command_line import Answer, affekt
from tone_corpus import tone_clips, write_recipe

torch = pytest.importorskip("torch")

from tone_protocol import ToneProtocol, leaking_folds, tone_protocol  # noqa: E402

from affekt.data import Clip  # noqa: E402
from affekt.evaluation.results import read_result  # noqa: E402

Call = Callable[..., Answer]


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Return a function that runs ``affekt benchmark`` in a folder with a recipe."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AFFEKT_DATA", "no-corpora")
    write_recipe(tmp_path / "tiny.toml", epochs=1)

    return partial(affekt, capsys, "benchmark")


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    return tone_clips(tmp_path_factory.mktemp("tones"), takes=2, seconds=0.3)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[ToneProtocol], None]:
    """Return a function that puts a made-up protocol in the place of the real ones."""

    def use(protocol: ToneProtocol) -> None:
        monkeypatch.setattr("affekt.evaluation.get_protocol", lambda name: protocol)

    return use


def test_all_folds_give_one_result(
    call: Call, use: Callable[[ToneProtocol], None], tones: list[Clip], tmp_path: Path
) -> None:
    use(tone_protocol(tones))
    words = ("emodb-loso", "--recipe", "tiny.toml", "--results", "figures", "--format", "json")
    status, out, errors = call(*words, "--folds", "1")
    assert status == 0, errors
    (row,) = map(json.loads, out.splitlines())
    assert row.keys() == {"seed", "fold", "clips", "uar"}
    assert (row["seed"], row["fold"], row["clips"]) == (0, "1", 12)
    assert not (tmp_path / "figures").exists()  # one fold is no figure of the protocol

    status, out, errors = call(*words)
    assert status == 0, errors
    first, second, last = errors.splitlines()
    assert first.startswith("seed 0, fold 1: UAR ")
    assert first.endswith("(done before)")
    assert second.startswith("seed 0, fold 2: UAR ")
    assert second.endswith(" s")
    path = Path("figures/emodb-loso/tiny.json")
    assert last == f"result: {path}"
    result = read_result(tmp_path / path)
    row = json.loads(out)
    assert (row["protocol"], row["recipe"], row["seeds"]) == ("emodb-loso", "tiny", 1)
    assert row["uar"] == pytest.approx(result.uar.mean)
    assert (tmp_path / "runs" / "benchmark" / "emodb-loso" / "tiny" / "seed-0").is_dir()


def test_shared_speakers_are_refused(
    call: Call, use: Callable[[ToneProtocol], None], tones: list[Clip], tmp_path: Path
) -> None:
    use(tone_protocol(tones, leaking_folds))
    answer = call("emodb-loso", "--recipe", "tiny.toml")
    answer.is_one_line("emodb-loso, fold 1: speakers in both train and test: tones/a")
    assert not (tmp_path / "runs").exists()


def test_an_unknown_fold(
    call: Call, use: Callable[[ToneProtocol], None], tones: list[Clip]
) -> None:
    use(tone_protocol(tones))
    answer = call("emodb-loso", "--recipe", "tiny.toml", "--folds", "1,nine")
    answer.is_one_line("unknown fold 'nine': expected one of 1, 2")


def test_mistakes_are_one_line(call: Call) -> None:
    words = ("--recipe", "tiny.toml")
    call("no-protocol", *words).is_one_line("unknown protocol 'no-protocol'")
    call("emodb-loso", *words).is_one_line("affekt data get emodb")
    gone = ("emodb-loso", "--recipe", "gone.toml")
    call(*gone).is_one_line("recipe not found: gone.toml")
    assert call("emodb-loso")[0] == 2
    assert call("emodb-loso", *words, "--seeds", "0")[0] == 2


def test_a_changed_recipe_has_a_figure_of_its_own(
    call: Call, use: Callable[[ToneProtocol], None], tones: list[Clip], tmp_path: Path
) -> None:
    use(tone_protocol(tones))
    words = (
        "emodb-loso",
        "-r",
        "tiny.toml",
        "--results",
        "figures",
        "--set",
        "model.head_dropout=0.1",
    )
    status, _, errors = call(*words)
    assert status == 0, errors
    result = read_result(tmp_path / "figures" / "emodb-loso" / "tiny-model.head_dropout-0.1.json")
    assert result.settings["model"]["head_dropout"] == 0.1
    assert result.settings["training"]["epochs"] == 1
    assert "weight_decay" in result.settings["training"], "what the recipe leaves out, too"
    status, _, errors = call(*words, "--set", "name=gentle")
    assert status == 0, errors
    assert (tmp_path / "figures" / "emodb-loso" / "gentle.json").is_file()
    status, _, errors = call(*words, "--set", "model.heads=2")
    assert status == 1
    assert "error: unknown key model.heads" in errors
