"""What a face adds to the voice: RAVDESS, on the folds of ``ravdess-luna5``.

    python benchmarks/fusion.py --data ../shared/data --keep folder
    python benchmarks/fusion.py --table-only

Voice: statistics of layers 1 to 4 of Whisper base, frozen, and what two shipped models answer,
which were trained on CREMA-D and EMO-DB; a logistic regression on both. Face: means of OpenFace's
units (``ravdess_face/openface_au_mean.csv`` in the data), and a logistic regression.
Joint: one on both. Temperatures and weights of the pool are found on groups of training actors
that are left out; test actors are scored once. ``adapted``: the mean of all clips of each
speaker is taken out of both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _common import Report, Result

from affekt.data import Clip

REPORT = Report("fusion", "docs/modalities.md", "fusion")
UNITS = Path("ravdess_face") / "openface_au_mean.csv"
LAYERS = (1, 2, 3, 4)
GROUPS = 4
"""Of training actors: each is answered by what the others have taught."""
PENALTIES = {"voice": 0.003, "face": 0.003, "joint": 0.003}
"""Inverse penalties."""
DIMENSIONS = 300
"""Principal components of the training clips that a classifier sees, where there are more."""
FACE_SCALE = 3.0
"""Of the standardised units beside the many statistics of the voice, in the joint classifier."""
SHIPPED = ("live", "small")
ANSWER_SCALE = 2.0
"""Of the standardised logarithms of their probabilities beside the statistics."""
SYSTEMS = {
    "voice": ("voice",),
    "face": ("face",),
    "voice and face": ("voice", "face"),
    "voice, face and joint": ("voice", "face", "joint"),
}
"""By name, the classifiers that are pooled."""


def kept(
    clips: Sequence[Clip], file: Path | None, maker: Callable[[], Callable[[Clip], np.ndarray]]
) -> np.ndarray:
    """Return one row per clip: from a file, else made and kept there."""
    if file is not None and file.is_file():
        with np.load(file, allow_pickle=False) as arrays:
            known = dict(zip(arrays["files"].tolist(), arrays["x"], strict=True))
        return np.stack([known[clip.file.name] for clip in clips]).astype(np.float64)
    rows = np.stack(list(map(maker(), clips)))
    if file is not None:
        np.savez(file, x=rows, files=np.array([clip.file.name for clip in clips]))
    return rows.astype(np.float64)


def statistics() -> Callable[[Clip], np.ndarray]:
    """Mean and deviation of each layer ``[2 * layers * width]``."""
    import torch

    from affekt.audio import load_audio
    from affekt.models.encoders.statistics import Statistics, StatisticsOptions

    encoder = Statistics(320, StatisticsOptions(checkpoint="openai/whisper-base", layers=LAYERS))

    @torch.inference_mode()
    def make(clip: Clip) -> np.ndarray:
        samples = load_audio(clip.file)
        frames = torch.from_numpy(samples[: len(samples) // 320 * 320].reshape(1, -1, 320))
        return np.asarray(encoder.frozen_features(frames.transpose(1, 2))[0, :, 0])

    return make


def answers() -> Callable[[Clip], np.ndarray]:
    """Probabilities of the shipped models ``[models * emotions]``."""
    import affekt

    models = [affekt.load_model(name, threads=1) for name in SHIPPED]

    def make(clip: Clip) -> np.ndarray:
        told = [list(model.predict(clip.file).scores.values()) for model in models]
        return np.concatenate(told)

    return make


@dataclass(frozen=True)
class Side:
    """Answers of one classifier in one fold, calibrated.

    Attributes
    ----------
    held_out : np.ndarray [shape=(training clips, emotions)]
        By classifiers that did not learn from the actor.
    test : np.ndarray [shape=(test clips, emotions)]
    """

    held_out: np.ndarray
    test: np.ndarray


def classify(
    x: np.ndarray,
    targets: np.ndarray,
    speakers: np.ndarray,
    test: np.ndarray,
    scale: np.ndarray,
    c: float,
) -> Side:
    """Fit a logistic regression on a fold, its temperature on training actors."""
    from sklearn.linear_model import LogisticRegression

    from affekt.evaluation.calibration import apply_temperature, fit_temperature

    points = _points(x, ~test, scale)

    def logits(learned: np.ndarray, asked: np.ndarray) -> np.ndarray:
        model = LogisticRegression(C=c, class_weight="balanced", max_iter=500, tol=1e-3)
        model.fit(points[learned], targets[learned])
        return np.asarray(model.decision_function(points[asked]))

    train = ~test
    actors = np.unique(speakers[train])
    classes = int(targets.max()) + 1
    found = np.zeros((len(x), classes))
    for group in range(GROUPS):
        held = np.isin(speakers, actors[group::GROUPS])
        found[held] = logits(train & ~held, held)
    held_out = found[train]
    counts = np.bincount(targets[train])
    temperature = fit_temperature(held_out, targets[train], 1 / counts[targets[train]])
    return Side(
        apply_temperature(held_out, temperature),
        apply_temperature(logits(train, test), temperature),
    )


def _points(x: np.ndarray, train: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Standardise by the training clips; keep their principal components."""
    from scipy.linalg import eigh

    mean, deviation = x[train].mean(axis=0), np.maximum(x[train].std(axis=0), 1e-6)
    points = ((x - mean) / deviation * scale).astype(np.float32)
    if points.shape[1] <= DIMENSIONS:
        return np.asarray(points)
    known = points[train]
    subset = (len(known) - DIMENSIONS, len(known) - 1)
    values, left = eigh(known @ known.T, subset_by_index=subset)
    return np.asarray(points @ (known.T @ (left / np.sqrt(values))))


def measure(data: Path | None, folder: Path | None) -> Result:
    """Measure every system, plain and adapted, and return the result as it is stored."""
    from affekt.data import data_root
    from affekt.evaluation import get_protocol, softmax
    from affekt.evaluation.provenance import commit, data_fingerprint, software_versions
    from affekt.fusion import fit_weights, read_face
    from affekt.fusion.pool import SMALLEST

    started = time.perf_counter()
    protocol = get_protocol("ravdess-luna5")
    clips = protocol.load(data)
    folds = protocol.folds(clips)
    table = data_root(data) / UNITS
    units = [read_face(table, clip.file.name).units for clip in clips]
    voice = kept(clips, folder and folder / "statistics.npz", statistics)
    told = np.log(np.maximum(kept(clips, folder and folder / "answers.npz", answers), SMALLEST))
    face = np.sqrt(np.array([list(one.values()) for one in units]))
    targets = np.array([protocol.labels.index(clip.emotion) for clip in clips])
    speakers = np.array([clip.speaker for clip in clips])
    rows: dict[str, dict[str, object]] = {}
    for kind in ("plain", "adapted"):
        blocks = [
            _centred(one, speakers) if kind == "adapted" else one for one in (voice, told, face)
        ]
        scales = [
            np.full(one.shape[1], scale)
            for one, scale in zip(blocks, (1.0, ANSWER_SCALE, FACE_SCALE), strict=True)
        ]
        inputs = {
            name: (np.concatenate(blocks[part], axis=1), np.concatenate(scales[part]))
            for name, part in (
                ("voice", slice(0, 2)),
                ("face", slice(2, 3)),
                ("joint", slice(0, 3)),
            )
        }
        pooled: dict[str, list[np.ndarray]] = {name: [] for name in SYSTEMS}
        weights: dict[str, list[dict[str, float]]] = {name: [] for name in SYSTEMS}
        order = []
        for fold in folds:
            names = {clip.file for clip in fold.test}
            test = np.array([clip.file in names for clip in clips])
            order.append(np.flatnonzero(test))
            sides = {
                name: classify(x, targets, speakers, test, scale, PENALTIES[name])
                for name, (x, scale) in inputs.items()
            }
            for system, members in SYSTEMS.items():
                own = {name: sides[name] for name in members}
                found = fit_weights(
                    {name: side.held_out for name, side in own.items()}, targets[~test]
                )
                if len(own) == 1:
                    pooled[system].append(next(iter(own.values())).test)
                    continue
                weights[system].append(found)
                logs = sum(
                    found[name] * np.log(np.maximum(side.test, SMALLEST))
                    for name, side in own.items()
                )
                pooled[system].append(softmax(logs))
            print(f"{kind}, fold {fold.name}", flush=True)
        chosen = np.concatenate(order)
        tested = [fold.name for fold, own in zip(folds, order, strict=True) for _ in own]
        rows[kind] = {
            system: _scores(
                np.concatenate(parts), targets[chosen], speakers[chosen], tested, protocol.labels
            )
            | {"weights": weights[system]}
            for system, parts in pooled.items()
        }
    return {
        "protocol": protocol.name,
        "systems": rows,
        "extra_data": ["openai/whisper-base", "cremad", "emodb"],
        "versions": software_versions(),
        "data_sha256": data_fingerprint(clips),
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - started, 1),
    }


def _centred(x: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    result = np.empty_like(x)
    for name in np.unique(speakers):
        own = speakers == name
        result[own] = x[own] - x[own].mean(axis=0)
    return np.asarray(result)


def _scores(
    probabilities: np.ndarray,
    targets: np.ndarray,
    speakers: np.ndarray,
    folds: Sequence[str],
    labels: Sequence[str],
) -> dict[str, object]:
    from affekt.evaluation.results import Predictions, summarise

    run = Predictions(probabilities, targets, speakers.tolist(), folds)
    return asdict(summarise([run], labels))


def table(result: Result) -> str:
    """Return the result as Markdown."""
    lines = ["| UAR, % | plain | adapted |", "|---|---:|---:|"]
    kinds = result["systems"]
    for system in SYSTEMS:
        cells = (_cell(kinds[kind][system]["uar"]) for kind in ("plain", "adapted"))
        lines.append(f"| {system} | {' | '.join(cells)} |")
    lines += ["", f"In brackets the 95 % interval over speakers. Commit `{result['commit'][:12]}`."]
    return "\n".join(lines)


def _cell(score: dict[str, Any]) -> str:
    low, high = (f"{100 * bound:.1f}" for bound in score["ci95"])
    return f"{100 * score['mean']:.1f} ({low} to {high})"


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the corpora; default: $AFFEKT_DATA")
    parser.add_argument("--keep", type=Path, help="folder that keeps what is made of each clip")
    REPORT.run(parser, lambda options: measure(options.data, options.keep), table)


if __name__ == "__main__":
    main()
