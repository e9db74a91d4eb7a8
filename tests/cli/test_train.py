"""``affekt train`` as its users meet it, in processes that are stopped in every way there is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from command_line import Answer, affekt
from patience import PATIENCE
from stopping import interrupt, start_halted
from tiny_corpus import write_sound
from tone_corpus import make_tones, read_history, write_recipe

torch = pytest.importorskip("torch")

from affekt import load_model  # noqa: E402
from affekt.data import open_data, write_manifest  # noqa: E402
from affekt.models import checkpoint  # noqa: E402

EPOCHS, STEPS_PER_EPOCH = 30, 6


@dataclass(frozen=True)
class Workshop:
    """Recordings, a recipe that saves after every step, and a way to start training."""

    folder: Path

    def words(self, run: str, *more: str) -> list[str]:
        words = [sys.executable, "-m", "affekt", "train", "tones.toml", "--source", "tones"]
        return [*words, "--out", run, *more]

    def finish(self, run: str, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(run, *more),
            cwd=self.folder,
            env=one_thread(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def step(self, run: str) -> int:
        """Return the step that is saved, 0 before the first."""
        last = self.folder / run / "last.safetensors"
        return int(checkpoint.load(last)[1]["step"]) if last.exists() else 0

    def stop(self, run: str, number: signal.Signals, after: int) -> tuple[int, str]:
        """Send a running training a signal in mid-epoch; return its exit status and stderr."""
        step = "args[2].get('step', 0)"
        process = start_halted(
            "affekt.models.checkpoint:save",
            f"{step} > {after} and {step} % {STEPS_PER_EPOCH} in (1, 2, 3)",
            *self.words(run)[3:],
            cwd=self.folder,
            env=one_thread(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        interrupt(process, number)
        errors = process.communicate(timeout=PATIENCE)[1]
        return process.returncode, errors


def one_thread() -> dict[str, str]:
    """Return the environment, such that weights can be compared bit by bit."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = tmp_path_factory.mktemp("workshop")
    make_tones(folder / "tones", takes=2, seconds=0.4)
    write_recipe(
        folder / "tones.toml", epochs=EPOCHS, batch_size=4, training="checkpoint_seconds = 0.0"
    )
    return Workshop(folder)


@pytest.fixture(scope="module")
def whole(workshop: Workshop) -> subprocess.CompletedProcess[str]:
    """A run without interruption."""
    return workshop.finish("whole", "--format", "json")


def test_one_command_gives_a_model_and_its_figures(
    workshop: Workshop, whole: subprocess.CompletedProcess[str]
) -> None:
    assert whole.returncode == 0, whole.stderr
    (row,) = map(json.loads, whole.stdout.splitlines())
    assert row.keys() == {"corpus", "clips", "uar", "wa", "weighted_f1", "macro_f1", "ece"}
    assert (row["corpus"], row["clips"]) == ("own", 12)
    assert row["uar"] > 0.8
    lines = whole.stderr.splitlines()
    assert sum(line.startswith("epoch ") for line in lines) == EPOCHS
    assert lines[-2].startswith("epoch  30  step 180/180  loss 0.")
    assert lines[-1] == f"model: {Path('whole') / 'model'}"
    assert (workshop.folder / "whole" / "model" / "model.onnx").is_file()


def test_stopped_in_every_way_it_ends_as_if_it_had_not_been(
    workshop: Workshop, whole: subprocess.CompletedProcess[str]
) -> None:
    """Ctrl-C, then SIGTERM, then SIGKILL, each in mid-epoch; the same command goes on."""
    reached = 0
    for number, after in ((signal.SIGINT, 10), (signal.SIGTERM, 50), (signal.SIGKILL, 90)):
        status, errors = workshop.stop("cut", number, after)
        assert "Traceback" not in errors
        if reached:
            assert f"continuing at step {reached} of {EPOCHS * STEPS_PER_EPOCH}" in errors
        if number == signal.SIGKILL:
            assert status == -signal.SIGKILL
        else:
            assert status == 130, errors
            assert errors.splitlines()[-2:] == [
                "stopped; the same command continues the run in cut",
                "interrupted",
            ]
        reached = workshop.step("cut")
        assert after < reached < EPOCHS * STEPS_PER_EPOCH
        assert reached % STEPS_PER_EPOCH, "it was to be stopped in mid-epoch"
        assert not (workshop.folder / "cut" / "model").exists()
    done = workshop.finish("cut", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert done.stdout == whole.stdout
    for name in ("last.safetensors", "best.safetensors", "model/model.safetensors"):
        expected, _ = checkpoint.load(workshop.folder / "whole" / name)
        found, _ = checkpoint.load(workshop.folder / "cut" / name)
        assert found.keys() == expected.keys()
        assert [key for key, value in expected.items() if not torch.equal(value, found[key])] == []
    assert [int(row["epoch"]) for row in read_history(workshop.folder / "cut")] == list(
        range(1, EPOCHS + 1)
    )


Call = Callable[..., Answer]


@pytest.fixture
def call(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Return a function that runs ``affekt`` in the workshop."""
    monkeypatch.chdir(workshop.folder)
    monkeypatch.setenv("AFFEKT_DATA", "no-corpora")

    return partial(affekt, capsys)


def is_refused(answer: Answer, *parts: str) -> None:
    """Assert that training began by saying so, and failed with one line that holds these parts."""
    begun, _, errors = answer.errors.partition("\n")
    assert begun.startswith("starting ")
    answer._replace(errors=errors).is_one_line(*parts)


def leaking(folder: Path) -> str:
    clips = open_data(folder / "tones")
    sides = ("train", "test")
    split = [replace(clip, split=sides[number % 2]) for number, clip in enumerate(clips)]
    write_manifest(split, folder / "leaking.csv")
    return "leaking.csv"


def nameless(folder: Path) -> str:
    for emotion in ("happy", "sad"):
        write_sound(folder / "nameless" / emotion / "1.wav")
    return "nameless"


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        (lambda folder: "nowhere", ["'nowhere' is neither a corpus", "nor a folder"]),
        (lambda folder: "emodb", ["affekt data get emodb"]),
        (leaking, ["8 speakers are on two sides of the split", "give every speaker one side"]),
        (nameless, ["2 of 2 clips have no speaker", "give every speaker a sub-folder"]),
    ],
    ids=["unknown", "missing corpus", "leaking", "without speakers"],
)
def test_data_that_cannot_be_learned_from(
    source: Callable[[Path], str], parts: Sequence[str], call: Call, workshop: Workshop
) -> None:
    name = source(workshop.folder)
    is_refused(call("train", "tones.toml", "--source", name, "--out", "bad"), *parts)
    assert not (workshop.folder / "bad").exists()


def test_labels_of_any_language_are_learned_as_they_are_written(
    workshop: Workshop, call: Call
) -> None:
    shutil.copytree(workshop.folder / "tones", workshop.folder / "own")
    names = {"angry": "Très ému", "happy": "つかれた", "sad": "aengstlich"}
    for old, new in names.items():
        (workshop.folder / "own" / old).rename(workshop.folder / "own" / new)
    recipe = (workshop.folder / "tones.toml").read_text(encoding="utf-8")
    recipe += '\n[data.rename]\n"Très ému" = "ému"\n'
    (workshop.folder / "own.toml").write_text(recipe, encoding="utf-8")
    words = ("own.toml", "--source", "own", "--set", "training.epochs=1", "--out", "words")
    answer = call("train", *words)
    assert answer.status == 0, answer.errors
    model = load_model(workshop.folder / "words" / "model")
    assert model.labels == ("fearful", "ému", "つかれた")
    file = next((workshop.folder / "own" / "つかれた").rglob("*.wav"))
    assert model.predict(file).scores.keys() == set(model.labels)
    card = (workshop.folder / "words" / "model" / "README.md").read_text(encoding="utf-8")
    assert "Recognises fearful, ému or つかれた" in card
    scored = call("evaluate", "words/model", "--corpus", "own", "--split", "all")
    assert "left out: 16 clips labelled Très ému, which the model does not know" in scored.errors


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[training]\nepoch = 3", "unknown key recipe.training.epoch"),
        ('[training]\nepochs = "many"', "recipe.training.epochs must be int"),
        ("[training]\nbatch_size = 1", "training.batch_size must be at least 2"),
        ('[data]\nlabels = ["angry", "=hangry"]', "'=hangry' cannot be a label"),
        ('[data]\nextra = ["no-corpus"]\nsources = ["tones"]', "unknown corpus 'no-corpus'"),
        ('[model]\narchitecture = "oracle"\n[data]\nsources = ["tones"]', "unknown architecture"),
        ("", "the recipe names no data: set data.sources, or give --source"),
        ("[training", "cannot read bad.toml"),
    ],
)
def test_recipes_that_mean_nothing(text: str, part: str, call: Call, workshop: Workshop) -> None:
    (workshop.folder / "bad.toml").write_text(text)
    is_refused(call("train", "bad.toml", "--out", "bad-recipe"), part)
    assert not (workshop.folder / "bad-recipe").exists()


def test_a_recipe_that_is_not_there(call: Call) -> None:
    call("train", "gone.toml", "--out", "bad").is_one_line("recipe not found: gone.toml")


def test_the_folder_of_another_run(
    call: Call, whole: subprocess.CompletedProcess[str], workshop: Workshop
) -> None:
    words = ("train", "tones.toml", "--source", "tones", "--out", "whole")
    parts = ("whole holds a run of another recipe, data or seed", "choose another --out")
    is_refused(call(*words, "--seed", "1"), *parts)


def test_a_damaged_checkpoint(call: Call, workshop: Workshop) -> None:
    (workshop.folder / "damaged").mkdir(exist_ok=True)
    (workshop.folder / "damaged" / "last.safetensors").write_bytes(b"half")
    words = ("train", "tones.toml", "--source", "tones", "--out", "damaged")
    is_refused(call(*words), "last.safetensors is damaged", "delete it to start again")


def test_wrong_usage(call: Call) -> None:
    assert call("train", "tones.toml")[0] == 2
    assert call("train", "tones.toml", "--out", "x", "--seed", "-1")[0] == 2
    assert "--out" in call("train", "tones.toml")[2]


@pytest.mark.parametrize("command", ["train", "benchmark", "evaluate", "export", "search", "soup"])
def test_help_shows_examples(command: str, call: Call) -> None:
    status, out, _ = call(command, "--help")
    assert status == 0
    assert "\\b" not in out
    examples = out.partition("Examples:\n")[2].splitlines()  # each on a line of its own
    assert sum(f"affekt {command} " in line for line in examples) >= 1
    assert max(map(len, examples)) <= 80
