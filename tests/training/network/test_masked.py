"""Guessing what was hidden: learning to hear without labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tone_corpus import make_tones, write_recipe

torch = pytest.importorskip("torch")

from affekt.data import Clip, open_data  # noqa: E402
from affekt.training import Recipe, load_recipe  # noqa: E402
from affekt.training.network.fit import FitResult, fit  # noqa: E402
from affekt.training.network.tasks import MaskedPrediction  # noqa: E402
from affekt.training.recipe.fingerprint import run_fingerprint  # noqa: E402
from affekt.training.recipe.tasks import TasksConfig  # noqa: E402


def test_about_the_share_is_hidden_in_whole_stretches() -> None:
    torch.manual_seed(0)
    masked = MaskedPrediction(4, 3, 1, share=0.4, span=10)
    features = torch.ones(40, 3, 400)
    seen, hidden = masked.hide(features)
    assert hidden.float().mean().item() == pytest.approx(0.4, abs=0.02)
    assert (seen[hidden.expand_as(seen)] == 0).all()
    assert (seen[~hidden.expand_as(seen)] == 1).all()
    assert (features == 1).all()
    for row in hidden[:, 0]:
        stretches = "".join("x" if here else "." for here in row.tolist()).strip("x").split(".")
        assert all(len(stretch) >= 10 for stretch in stretches if stretch)


def test_only_what_was_hidden_counts() -> None:
    """With a perfect guesser of stride 2, every frame of the encoder says its two frames."""
    masked = MaskedPrediction(6, 3, 2, share=0.4, span=4)
    with torch.no_grad():
        masked.guess.weight.copy_(torch.eye(6)[:, :, None])
        masked.guess.bias.zero_()
    features = torch.randn(2, 3, 9)
    whole = torch.nn.functional.pad(features, (0, 1)).reshape(2, 3, 5, 2)
    frames = whole.transpose(2, 3).reshape(2, 6, 5)
    hidden = torch.zeros(2, 1, 9, dtype=torch.bool)
    assert masked(frames, features, hidden) == 0
    hidden[0, 0, 2:5] = True
    assert masked(frames, features, hidden) == 0
    wrong = features.clone()
    wrong[0, :, 3] += 2.0
    assert masked(frames, wrong, hidden).item() == pytest.approx(4 / 3)
    wrong[1] += 5.0  # seen, so that nobody asks
    assert masked(frames, wrong, hidden).item() == pytest.approx(4 / 3)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    return open_data(make_tones(tmp_path_factory.mktemp("masked") / "tones", takes=2))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    return load_recipe(write_recipe(path, epochs=6))


def fitted(recipe: Recipe, clips: list[Clip], folder: Path) -> FitResult:
    train = [clip for clip in clips if clip.speaker != "h"]
    return fit(recipe, train, [clip for clip in clips if clip.speaker == "h"], folder)


def test_without_labels_the_sound_is_learned_and_emotions_are_not(
    recipe: Recipe, clips: list[Clip], tmp_path: Path
) -> None:
    alone = replace(recipe, tasks=TasksConfig(masked=1.0, emotions=0.0))
    result = fitted(alone, clips, tmp_path / "alone")
    losses = [row.loss for row in result.history]
    assert losses[-1] < 0.9 * losses[0]
    labelled = fitted(recipe, clips, tmp_path / "labelled")
    assert result.history[-1].validation_loss > labelled.history[-1].validation_loss + 0.1
    encoder = result.network.encoder.state_dict()
    start = {f"encoder.{name}": value for name, value in encoder.items()}
    again = fit(recipe, result.train, [], tmp_path / "after", start=start)
    assert again.history[-1].loss < 1.5


def test_it_stands_beside_the_emotions(recipe: Recipe, clips: list[Clip], tmp_path: Path) -> None:
    both = fitted(replace(recipe, tasks=TasksConfig(masked=0.5)), clips, tmp_path / "both")
    assert both.history[-1].validation_uar > 0.5
    names = both.network.state_dict()
    assert not [name for name in names if "masked" in name or "guess" in name]


def test_what_asks_for_nothing_leaves_the_runs_of_before(recipe: Recipe, clips: list[Clip]) -> None:
    def of(tasks: TasksConfig) -> str:
        return run_fingerprint(replace(recipe, tasks=tasks), clips, [], 0)

    assert of(TasksConfig()) == run_fingerprint(recipe, clips, [], 0)
    assert of(TasksConfig(intensity=0.5)) != of(TasksConfig(intensity=0.5, masked=0.1))
