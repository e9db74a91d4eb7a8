"""A search: finds what is better, never hears test speakers, and survives interruptions."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tiny_model import write_tiny_model
from tone_corpus import make_tones, write_recipe

torch = pytest.importorskip("torch")
pytest.importorskip("optuna")

from tone_protocol import TESTED, tone_protocol  # noqa: E402

from affekt.errors import ConfigError, DataError, MissingExtraError  # noqa: E402
from affekt.evaluation.metrics import uar  # noqa: E402
from affekt.training import FeatureStore, Recipe, fit, load_recipe, search  # noqa: E402
from affekt.training.data import features as features_module  # noqa: E402
from affekt.training.data.split import choose_split  # noqa: E402
from affekt.training.network.infer import score_clips  # noqa: E402
from affekt.training.network.loop import Epoch, Quiet  # noqa: E402
from affekt.training.recipe.schema import DistilConfig  # noqa: E402
from affekt.training.search.objective import EpochListener, Objective, OnEpoch  # noqa: E402
from affekt.training.search.search import SearchResult  # noqa: E402
from affekt.training.search.study import (  # noqa: E402
    JOURNAL,
    Trial,
)

RATE = "training.learning_rate"
GOOD, BAD = 0.02, 1e-7
TWO = {RATE: {"choices": [BAD, GOOD]}}
MANY = {
    RATE: {"low": 1e-4, "high": 0.05, "log": True},
    "training.batch_size": {"low": 8, "high": 16, "step": 4},
}


class Epochs(Quiet):
    """Counts epochs and remembers where trainings began; may stop as one ends."""

    def __init__(self, stop_at: int = 0) -> None:
        self.count = 0
        self.first_steps: list[int] = []
        self.stop_at = stop_at

    def started(self, first_step: int, steps: int, history: Sequence[Epoch]) -> None:
        self.first_steps.append(first_step)

    def epoch(self, row: Epoch) -> None:
        self.count += 1
        if self.count == self.stop_at:
            raise KeyboardInterrupt


def told(trials: Sequence[Trial]) -> list[Trial]:
    """Trials without the time that they took."""
    return [replace(trial, seconds=0.0) for trial in trials]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings, and recipes that learn from them."""
    place = tmp_path_factory.mktemp("search")
    source = f'sources = ["{make_tones(place / "tones", takes=2).as_posix()}"]'
    write_recipe(place / "tiny.toml", epochs=14, data=source)
    write_recipe(place / "short.toml", epochs=3, data=source)
    return place


@pytest.fixture(scope="module")
def recipe(folder: Path) -> Recipe:
    """It learns nothing: its learning rate is the bad one."""
    loaded = load_recipe(folder / "tiny.toml")
    return replace(loaded, training=replace(loaded.training, learning_rate=BAD))


@pytest.fixture(scope="module")
def short(folder: Path) -> Recipe:
    return load_recipe(folder / "short.toml")


@pytest.fixture(scope="module")
def found(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SearchResult]:
    place = tmp_path_factory.mktemp("found")
    return place, search(recipe, TWO, place, trials=8)


def test_the_better_of_two_settings_is_found(
    recipe: Recipe, found: tuple[Path, SearchResult]
) -> None:
    _, result = found
    assert len(result.trials) == 8
    assert result.trials[0].values == {RATE: BAD}  # the recipe as it stands
    assert result.best.values == {RATE: GOOD}
    assert result.best.validation_uar > 0.8
    assert result.trials[0].validation_uar < 0.6
    assert result.recipe.training == replace(recipe.training, learning_rate=GOOD)


def test_the_figure_is_the_uar_on_validation_speakers(
    recipe: Recipe, found: tuple[Path, SearchResult], tmp_path: Path
) -> None:
    _, result = found
    split, store = choose_split(recipe.data), FeatureStore(recipe.model.frontend)
    network = fit(result.recipe, split.train, split.validation, tmp_path, store=store).network
    labels = network.config.labels
    answers = score_clips(network, split.validation, store).argmax(axis=1)
    truth = np.array([labels.index(clip.emotion) for clip in split.validation])
    assert result.best.validation_uar == pytest.approx(uar(truth, answers, len(labels)))


def test_equal_values_are_trained_once(found: tuple[Path, SearchResult]) -> None:
    _, result = found
    again = [trial for trial in result.trials if trial.note]
    assert len(again) == 6
    for trial in again:
        first = result.trials[int(trial.note.rpartition(" ")[2]) - 1]
        assert first.values == trial.values
        assert first.validation_uar == trial.validation_uar
        assert trial.seconds == 0


def test_the_folder_holds_what_the_page_says(found: tuple[Path, SearchResult]) -> None:
    place, result = found
    names = {"journal.log", "journal.lock", "trials.csv", "history.png", "best.toml"}
    assert {file.name for file in place.iterdir()} == names
    assert load_recipe(place / "best.toml") == result.recipe
    assert f"learning_rate = {GOOD}" in (place / "best.toml").read_text()
    assert (place / "history.png").read_bytes().startswith(b"\x89PNG")
    with open(place / "trials.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == [str(number) for number in range(1, 9)]
    for row, trial in zip(rows, result.trials, strict=True):
        assert float(row[RATE]) == trial.values[RATE]
        assert float(row["validation_uar"]) == trial.validation_uar
        assert row["state"] == "done"


def test_what_is_done_stays_done(recipe: Recipe, found: tuple[Path, SearchResult]) -> None:
    place, result = found
    epochs = Epochs()
    assert search(recipe, TWO, place, trials=8, reporter=epochs) == result
    assert epochs.first_steps == []


def test_an_interrupted_search_goes_the_same_way(short: Recipe, tmp_path: Path) -> None:
    straight = search(short, MANY, tmp_path / "straight", trials=4)
    place, heard = tmp_path / "broken", []
    for stop_at in (1, 4):  # within a training, and within the one after
        with pytest.raises(KeyboardInterrupt):
            search(short, MANY, place, trials=4, reporter=Epochs(stop_at))
    assert (place / "trials.csv").is_file()
    epochs = Epochs()
    result = search(
        short, MANY, place, trials=2, reporter=epochs, announce=lambda *now: heard.append(now)
    )
    assert epochs.first_steps[0] > 0  # the training went on from its checkpoint
    assert len(result.trials) == len(heard) + 1 == 2
    assert heard[-1] == (result.trials[-1], result.best)
    result = search(short, MANY, place, trials=4)
    assert told(result.trials) == told(straight.trials)
    assert len({trial.values[RATE] for trial in result.trials}) == 4


def test_the_folder_of_another_search_is_refused(
    recipe: Recipe, found: tuple[Path, SearchResult], tmp_path: Path
) -> None:
    place, result = found
    longer = replace(recipe, training=replace(recipe.training, epochs=15))
    calls: list[dict[str, Any]] = [
        {"recipe": longer, "space": TWO},
        {"recipe": recipe, "space": MANY},
        {"recipe": recipe, "space": TWO, "seed": 1},
    ]
    for call in calls:
        with pytest.raises(ConfigError, match="holds a search with another recipe, space, data"):
            search(folder=place, trials=9, **call)
    assert search(recipe, TWO, place, trials=8) == result
    with pytest.raises(ConfigError, match="is a file: choose another folder"):
        search(recipe, TWO, place / "best.toml", trials=1)


def test_one_search_at_a_time(short: Recipe, tmp_path: Path) -> None:
    def another(*now: object) -> None:
        with pytest.raises(ConfigError, match="another search is at work there"):
            search(short, TWO, tmp_path, trials=1)

    assert len(search(short, TWO, tmp_path, trials=1, announce=another).trials) == 1


def test_a_half_written_journal_is_mended(
    recipe: Recipe, found: tuple[Path, SearchResult], tmp_path: Path
) -> None:
    place, result = found
    content = (place / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(content + content.splitlines()[-1][:20])
    (tmp_path / f"{JOURNAL}.lock").touch()  # of the process that was killed
    again = search(recipe, TWO, tmp_path, trials=9)
    assert again.trials[:8] == result.trials
    assert search(recipe, TWO, tmp_path, trials=9) == again


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every recording that training opens from now on."""
    files: list[Path] = []
    load = features_module.load_audio

    def remember(file: Path, **options: Any) -> np.ndarray:
        files.append(Path(file))
        return load(file, **options)

    monkeypatch.setattr(features_module, "load_audio", remember)
    return files


def test_test_speakers_of_the_own_split_are_never_heard(
    short: Recipe, tmp_path: Path, opened: list[Path]
) -> None:
    split = choose_split(short.data)
    search(short, MANY, tmp_path, trials=2)
    others = {clip.file for clip in (*split.train, *split.validation)}
    assert split.test
    assert set(opened) == others


def test_test_speakers_of_a_fold_are_never_heard(
    tones: Any, short: Recipe, tmp_path: Path, opened: list[Path]
) -> None:
    search(short, MANY, tmp_path, trials=2, protocol=tone_protocol(tones.all()), folds=["2"])
    assert {file.parent.name for file in opened} == set("abcdefgh") - set(TESTED["2"])


def test_folds_are_pooled(
    tones: Any, short: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = tone_protocol(tones.all())
    # Other speakers validate in each fold, and one of them has fewer clips.
    every = protocol.folds(protocol.load())
    every[1] = replace(
        every[1],
        train=[clip for clip in every[1].train if clip.speaker not in "a"] + every[1].validation,
        validation=[clip for clip in every[1].train if clip.speaker == "a"][:4],
    )
    monkeypatch.setattr(type(protocol), "folds", lambda self, clips: every)
    longer = replace(short, training=replace(short.training, epochs=8))
    result = search(
        longer,
        {RATE: {"choices": [longer.training.learning_rate, BAD]}},
        tmp_path / "search",
        trials=1,
        protocol=protocol,
    )
    store, answers, truth = FeatureStore(short.model.frontend), [], []
    for fold in every:
        where = tmp_path / fold.name
        network = fit(longer, fold.train, fold.validation, where, store=store).network
        answers += list(score_clips(network, fold.validation, store).argmax(axis=1))
        truth += [network.config.labels.index(clip.emotion) for clip in fold.validation]
    expected = uar(np.array(truth), np.array(answers), 3)
    assert result.trials[0].validation_uar == pytest.approx(expected)
    assert result.best.validation_uar > 0.5


def test_hopeless_trials_are_given_up(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["affekt.training.search.study"], "STARTUP_TRIALS", 1)
    good = replace(recipe, training=replace(recipe.training, learning_rate=GOOD))
    epochs = Epochs()
    result = search(good, TWO, tmp_path / "pruned", trials=6, reporter=epochs)
    first, *_ = result.trials
    hopeless = [trial for trial in result.trials if trial.values == {RATE: BAD}]
    assert (first.state, first.values) == ("done", {RATE: GOOD})
    assert {trial.state for trial in hopeless} == {"given up"}
    assert 14 < epochs.count < 24
    assert result.best == first
    assert (tmp_path / "pruned" / "trials.csv").read_text().count("given up") == len(hopeless)
    epochs = Epochs()
    result = search(good, TWO, tmp_path / "whole", trials=6, prune=False, reporter=epochs)
    assert {trial.state for trial in result.trials} == {"done"}
    assert epochs.count == 28


def test_a_trial_is_given_up_in_its_second_fold(
    tones: Any, short: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials are worth 0.9 and 0.9; then 0.9 and 0.2 beside the median."""
    monkeypatch.setattr(sys.modules["affekt.training.search.study"], "STARTUP_TRIALS", 1)
    scores = [0.9, 0.9, 0.9, 0.2]

    def measure(self: Objective, recipe: Recipe, place: Path, heard: OnEpoch) -> float:
        listener = EpochListener(Quiet(), 2, len(self.folds), heard)
        for _ in self.folds:
            uar = scores.pop(0)
            for epoch in (1, 2):
                listener.epoch(Epoch(epoch, epoch, 0.1, 1.0, 1.0, uar, 1.0))
            listener.next_fold(uar)
        return 0.9

    monkeypatch.setattr(Objective, "measure", measure)
    protocol = tone_protocol(tones.all())
    first, second = search(short, MANY, tmp_path, trials=2, protocol=protocol).trials
    assert (first.state, second.state) == ("done", "given up")
    assert second.validation_uar == pytest.approx((0.9 + 0.2) / 2)


def test_a_trial_that_cannot_be_trained_is_passed_over(short: Recipe, tmp_path: Path) -> None:
    space = {RATE: {"choices": [GOOD, 1e30]}}
    result = search(short, space, tmp_path / "one", trials=6)
    failed = [trial for trial in result.trials if trial.state == "failed"]
    assert {trial.values[RATE] for trial in failed} == {1e30}
    assert all("the loss became nan" in trial.note for trial in failed)
    assert result.best.values == {RATE: GOOD}
    with pytest.raises(ConfigError, match="none of 3 trials can be trained: the loss became nan"):
        search(short, {RATE: {"low": 1e30, "high": 1e31}}, tmp_path / "all", trials=9)


def test_time_that_is_over(short: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    epochs = Epochs()
    clock = SimpleNamespace(monotonic=lambda: 60.0 * epochs.count)  # an epoch takes a minute
    monkeypatch.setattr(sys.modules["affekt.training.search.search"], "time", clock)
    with pytest.raises(ConfigError, match="no trial was done in time: the same call goes on"):
        search(short, MANY, tmp_path, trials=2, seconds=100.0, reporter=epochs)
    assert epochs.count == 2
    result = search(short, MANY, tmp_path, trials=9, seconds=100.0, reporter=epochs)
    assert [trial.number for trial in result.trials] == [1]
    assert epochs.first_steps[0] == 0 < epochs.first_steps[1]
    assert result.trials[0].seconds == 60


def test_classical_recipes(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "svm.toml"
    path.write_text(
        f'[data]\nsources = ["{(folder / "tones").as_posix()}"]\nvalidation = 0.25\ntest = 0.25\n'
        '[classical]\nmodel = "svm"\nfeatures = "tutorial"\n'
    )
    space = {"classical.options.gamma": {"choices": [1e-8, 1.0]}}
    result = search(load_recipe(path), space, tmp_path / "search", trials=5)
    assert result.best.values == {"classical.options.gamma": 1.0}
    assert load_recipe(tmp_path / "search" / "best.toml") == result.recipe


def test_teachers_that_know_the_answers_are_refused(short: Recipe, tmp_path: Path) -> None:
    split = choose_split(short.data)
    heard = [clip.speaker_id for clip in split.train]
    for name, speakers in (("good", heard), ("bad", [*heard, split.test[0].speaker_id])):
        write_tiny_model(tmp_path / name, speakers={"train": speakers})
    space = {"distil.weight": {"choices": [0.2, 0.9]}}
    taught = replace(short, distil=DistilConfig(teachers=(str(tmp_path / "good"),)))
    result = search(taught, space, tmp_path / "search", trials=2)
    assert load_recipe(tmp_path / "search" / "best.toml") == result.recipe
    other = replace(short, distil=DistilConfig(teachers=(str(tmp_path / "bad"),)))
    with pytest.raises(DataError, match="has learned from 1 speakers that this run is measured on"):
        search(other, space, tmp_path / "other", trials=1)
    nobody = replace(short, distil=DistilConfig())
    with pytest.raises(ConfigError, match=r"learns from a teacher \(\[distil\]\) and none is"):
        search(nobody, space, tmp_path / "other", trials=1)


def test_a_pretraining_must_not_hear_the_corpus(
    tones: Any, recipe: Recipe, short: Recipe, tmp_path: Path
) -> None:
    from affekt.data import write_manifest

    write_manifest(tones.all(), tmp_path / "tones.csv")
    data = replace(short.data, sources=(str(tmp_path / "tones.csv"),))
    same = replace(recipe, pretrain=replace(short, data=data))
    with pytest.raises(ConfigError, match="pretrain: tones is under test"):
        search(same, TWO, tmp_path / "search", trials=3, protocol=tone_protocol(tones.all()))


def test_calls_that_make_no_sense(
    tones: Any, short: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = replace(short, data=replace(short.data, validation=0.0))
    calls: list[tuple[str, dict[str, Any]]] = [
        ("trials must be 1 or more, got 0", {"trials": 0}),
        ("folds are those of a protocol: name it, too", {"folds": ["1"]}),
        ("no clips to search by: set data.validation", {"recipe": nobody}),
        (
            "emodb-loso has no validation speakers to search by",
            {"protocol": replace(tone_protocol(tones.all()), validates=False)},
        ),
        (
            "unknown fold '9': expected one of 1, 2",
            {"protocol": tone_protocol(tones.all()), "folds": ["9"]},
        ),
    ]
    for message, changes in calls:
        call = {"recipe": short, "space": TWO, "folder": tmp_path / "no", "trials": 1, **changes}
        with pytest.raises(ConfigError, match=message):
            search(**call)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'affekt\[search\]'"):
        search(short, TWO, tmp_path / "no", trials=1)
    assert not (tmp_path / "no").exists()


def test_several_processes_are_refused(
    short: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="a search runs in one process: start it without torch"):
        search(short, TWO, tmp_path, trials=1)
