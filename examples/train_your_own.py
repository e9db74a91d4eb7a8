"""Train a model on a folder of your own recordings, and hear what it makes of them.

The folder holds emotion/speaker/recording.wav, with three speakers or more:

    python examples/train_your_own.py my-recordings runs/mine

Needs pip install 'affekt[train]'. Ctrl-C saves; the same command goes on from there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import affekt
from affekt.data import read_manifest
from affekt.training import Recipe
from affekt.training.network.loop import Epoch, Quiet
from affekt.training.recipe.schema import DataConfig, ModelRecipe, TrainingConfig
from affekt.training.run import train


class Narrator(Quiet):
    """Tells of every epoch."""

    def epoch(self, row: Epoch) -> None:
        """Print how well the speakers that choose the epoch are understood."""
        print(f"epoch {row.epoch}: loss {row.loss:.3f}, validation UAR {row.validation_uar:.1%}")


def small_recipe(folder: Path, epochs: int) -> Recipe:
    """Return a recipe for a few hundred recordings: a small network, a quarter held out twice."""
    return Recipe(
        name=folder.name,
        data=DataConfig(sources=(str(folder),), validation=0.25, test=0.25),
        model=ModelRecipe(options={"channels": 48, "dilations": [1, 2]}),
        training=TrainingConfig(epochs=epochs, batch_size=16, averaging=0.98),
    )


def main(folder: Path, run: Path, epochs: int) -> None:
    """Train, print the figures, and predict what was held out."""
    result = train(small_recipe(folder, epochs), run, reporter=Narrator())
    metrics = result.test["own"]
    print(f"\non {metrics.n} recordings of the test speakers: UAR {metrics.uar:.1%}")
    for emotion, recall in metrics.recall.items():
        print(f"  {emotion}: {recall:.0%} recognised")

    model = affekt.load_model(result.model)
    held_out = [clip for clip in read_manifest(run / "manifest.csv") if clip.split == "test"]
    for clip, answer in zip(held_out, model.predict_each(c.file for c in held_out), strict=True):
        if isinstance(answer, affekt.AudioError):
            print(f"  skipped: {answer}")
        elif answer.label != clip.emotion:
            print(f"  {clip.file}: {clip.emotion}, heard as {answer.label} {answer.confidence:.0%}")
    print(f"\nthe model: {result.model}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="emotion/speaker/recording.wav")
    parser.add_argument("run", type=Path, help="where the run goes")
    parser.add_argument("--epochs", type=int, default=40)
    given = parser.parse_args()
    try:
        main(given.folder, given.run, given.epochs)
    except affekt.AffektError as error:
        raise SystemExit(f"error: {error}") from None
