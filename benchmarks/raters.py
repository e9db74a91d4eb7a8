"""Votes of raters as the target: CREMA-D, on the speakers of ``cremad-tfds``.

    python benchmarks/raters.py --data ../shared/data --embeddings cremad.npz
    python benchmarks/raters.py --table-only

Two logistic regressions on the embedding of a shipped model: one learns the intended emotions, the
other the votes of those who heard the voice. Penalty and temperature are chosen on the
validation speakers by the likelihood of what each one learns; the test speakers are scored once.
Beside them, what people said of the voice, the face and both.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _common import Report, Result

from affekt.data import Clip

REPORT = Report("raters", "docs/modalities.md", "raters")
MODEL = "live"
PENALTIES = (0.001, 0.01, 0.1)
"""Inverse penalties that are tried."""
BLOCKS = {"1": "voice", "2": "face", "3": "both"}
"""By the first digit of a row of ``tabulatedVotes.csv``."""
LETTERS = {"A": "angry", "D": "disgust", "F": "fearful", "H": "happy", "N": "neutral", "S": "sad"}


def embeddings(clips: Sequence[Clip], kept: Path | None) -> np.ndarray:
    """Embeddings of the shipped model ``[clips, dim]``."""
    if kept is not None and kept.is_file():
        with np.load(kept, allow_pickle=False) as file:
            known = dict(zip(file["files"].tolist(), file["x"], strict=True))
        return np.stack([known[clip.file.name] for clip in clips])
    import affekt
    from affekt.results import Prediction

    model = affekt.load_model(MODEL, threads=1)
    rows: list[np.ndarray] = []
    for index, answer in enumerate(model.predict_each(clip.file for clip in clips)):
        if isinstance(answer, Prediction):
            rows.append(answer.embedding)
        else:  # one clip of the corpus is silent
            rows.append(np.zeros_like(rows[-1]))
        if index % 500 == 0:
            print(f"{index} of {len(clips)}", flush=True)
    if kept is not None:
        np.savez(kept, x=np.stack(rows), files=np.array([clip.file.name for clip in clips]))
    return np.stack(rows)


def people(folder: Path, labels: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    """Shares of votes ``[emotions]`` of each clip, by what the raters had before them."""
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in BLOCKS.values()}
    path = next(folder.rglob("tabulatedVotes.csv"))
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            counts = {label: float(row[letter]) for letter, label in LETTERS.items()}
            total = sum(counts.values())
            if total:
                shares = np.array([counts[label] / total for label in labels])
                found[BLOCKS[row[""][0]]][row["fileName"]] = shares
    return found


def fit(
    x: np.ndarray, targets: np.ndarray, train: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, float]:
    """Fit to rows of ``targets`` ``[clips, emotions]``; return probabilities, and the penalty."""
    from sklearn.linear_model import LogisticRegression

    from affekt.evaluation import softmax

    classes = targets.shape[1]
    mean, deviation = x[train].mean(axis=0), np.maximum(x[train].std(axis=0), 1e-6)
    points = (x - mean) / deviation
    repeated = np.repeat(points[train], classes, axis=0)
    wanted = np.tile(np.arange(classes), int(train.sum()))
    weights = targets[train].ravel()
    held = weights > 0
    best: tuple[float, np.ndarray, float] | None = None
    for c in PENALTIES:
        model = LogisticRegression(C=c, max_iter=200)
        model.fit(repeated[held], wanted[held], sample_weight=weights[held])
        logits = model.decision_function(points)
        for temperature in np.geomspace(0.5, 3, 37):
            shares = softmax(logits / temperature)
            logs = np.log(np.maximum(shares[chosen], 1e-12))
            loss = -float((targets[chosen] * logs).sum(axis=1).mean())
            if best is None or loss < best[0]:
                best = (loss, shares, c)
    assert best is not None
    return best[1], best[2]


def measure(data: Path | None, kept: Path | None) -> Result:
    """Measure both models, and people, and return the result as it is stored."""
    from affekt.data import data_root
    from affekt.evaluation import evaluate, get_protocol
    from affekt.evaluation.provenance import commit, data_fingerprint, software_versions
    from affekt.evaluation.raters import js_distance, rater_agreement

    started = time.perf_counter()
    protocol = get_protocol("cremad-tfds")
    clips = protocol.load(data)
    (fold,) = protocol.folds(clips)
    clips = [*fold.train, *fold.validation, *fold.test]
    sides = np.repeat([0, 1, 2], [len(fold.train), len(fold.validation), len(fold.test)])
    labels = protocol.labels
    x = embeddings(clips, kept).astype(np.float64)
    intended = np.array([labels.index(clip.emotion) for clip in clips])
    votes = np.array([[(clip.votes or {}).get(label, 0.0) for label in labels] for clip in clips])
    rated = votes.sum(axis=1) > 0
    votes[~rated] = np.eye(len(labels))[intended[~rated]]
    test = sides == 2
    speakers = [clip.speaker_id for clip in fold.test]
    rows = {}
    for name, targets in (("intended", np.eye(len(labels))[intended]), ("votes", votes)):
        shares, c = fit(x, targets, sides == 0, sides == 1)
        agreement = rater_agreement(shares[test & rated], votes[test & rated])
        metrics = evaluate(shares[test], intended[test], labels, speakers=speakers)
        rows[name] = {
            **vars(agreement),
            "uar": metrics.uar,
            "ci95": list(metrics.ci95["uar"]),
            "ece": metrics.ece,
            "c": c,
        }
        print(name, rows[name], flush=True)
    usual = np.tile(votes[sides == 0].mean(axis=0), (int((test & rated).sum()), 1))
    constant = vars(rater_agreement(usual, votes[test & rated]))
    told = people(data_root(data) / "cremad", labels)
    names = [
        clip.file.stem for clip in clips if all(clip.file.stem in one for one in told.values())
    ]
    truth = {clip.file.stem: labels.index(clip.emotion) for clip in clips}
    humans = {}
    both = np.array([told["both"][name] for name in names])
    targets = np.array([truth[name] for name in names])
    for kind, of_clip in told.items():
        shares = np.array([of_clip[name] for name in names])
        metrics = evaluate(shares, targets, labels)
        humans[kind] = {
            "clips": len(names),
            "one": float(shares[np.arange(len(names)), targets].mean()),
            "majority": metrics.wa,
            "majority_uar": metrics.uar,
            "js_to_both": float(js_distance(shares, both).mean()),
        }
    return {
        "protocol": protocol.name,
        "model": MODEL,
        "systems": rows,
        "constant": constant,
        "people": humans,
        "versions": software_versions(),
        "data_sha256": data_fingerprint(clips),
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - started, 1),
    }


def table(result: Result) -> str:
    """Return the result as Markdown."""
    lines = [
        "| trained on | Jensen-Shannon distance | soft accuracy, % | UAR of what was intended, % |",
        "|---|---:|---:|---:|",
    ]
    names = {"intended": "intended emotions", "votes": "votes"}
    for name, one in result["systems"].items():
        lines.append(
            f"| {names[name]} | {one['js_distance']:.3f} | {100 * one['soft_accuracy']:.1f} | "
            f"{100 * one['uar']:.1f} |"
        )
    constant = result["constant"]
    lines += [
        f"| none: the mean of the votes, always | {constant['js_distance']:.3f} | "
        f"{100 * constant['soft_accuracy']:.1f} | |",
        "",
        "| people had | one is right, % | the majority is right, % | distance to votes on both |",
        "|---|---:|---:|---:|",
    ]
    for name, one in result["people"].items():
        lines.append(
            f"| {name} | {100 * one['one']:.1f} | {100 * one['majority']:.1f} | "
            f"{one['js_to_both']:.3f} |"
        )
    return "\n".join([*lines, "", f"Commit `{result['commit'][:12]}`."])


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the corpora; default: $AFFEKT_DATA")
    parser.add_argument("--embeddings", type=Path, help="file that keeps those of the clips")
    REPORT.run(parser, lambda options: measure(options.data, options.embeddings), table)


if __name__ == "__main__":
    main()
