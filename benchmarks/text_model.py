"""Train the text model that ships on GoEmotions, and measure it on GoEmotions' own test split.

    python benchmarks/text_model.py --data ../shared/data   # writes the model, JSON and table
    python benchmarks/text_model.py --table-only

A logistic regression for each emotion on TF-IDF of word and character n-grams. Thresholds,
calibration and the check of the language are chosen on the dev split. What is measured is the file
that ships, with its weights in eight bits.
"""

from __future__ import annotations

import argparse
import time
import zlib
from pathlib import Path

import numpy as np
from _common import Report, Result

from affekt.fusion.text import ASSET, KINDS, Grams, TextModel, ngrams, tokens
from affekt.labels import canonical

REPORT = Report("text_model", "docs/modalities.md", "text")
FOLDER = "goemotions"
LEAST_TEXTS = {"words": 3, "signs": 10}
"""Training texts that hold an n-gram which is learned."""
PENALTY = 2.0
"""Inverse penalty; the first that was tried."""
LANGUAGE_TEXTS = 20
"""Training texts that hold a word which tells English."""
REFUSED = 0.005
"""Share of the dev texts of three words or more that the check of the language may refuse."""
LEAST_WORDS = 3
Rows = list[dict[str, dict[int, int]]]


def read_split(folder: Path, name: str, classes: int) -> tuple[list[str], np.ndarray]:
    """Texts of a split, and their emotions ``[texts, classes]`` as 0 and 1."""
    texts, rows = [], []
    for line in (folder / f"{name}.tsv").read_text(encoding="utf-8").split("\n"):
        if line:
            text, ids, _ = line.split("\t")
            texts.append(text)
            rows.append(np.eye(classes)[[int(one) for one in ids.split(",")]].sum(axis=0))
    return texts, np.array(rows)


def vocabulary(rows: Rows, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """N-grams of enough texts, ascending, and their inverse document frequency."""
    every = np.concatenate([np.fromiter(row[kind], np.uint32, len(row[kind])) for row in rows])
    keys, counts = np.unique(every, return_counts=True)
    kept = counts >= LEAST_TEXTS[kind]
    return keys[kept], np.log((1 + len(rows)) / (1 + counts[kept])) + 1


def matrix(rows: Rows, kind: str, keys: np.ndarray, rarity: np.ndarray) -> object:
    """TF-IDF ``[texts, n-grams]`` as :class:`~affekt.fusion.text.Grams` has it, sparse."""
    from scipy.sparse import csr_matrix

    places, values, ends = [], [], [0]
    for row in rows:
        asked = np.fromiter(row[kind], np.uint32, len(row[kind]))
        times = np.fromiter(row[kind].values(), np.float64, len(row[kind]))
        at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
        known = keys[at] == asked
        own = (1 + np.log(times[known])) * rarity[at[known]]
        places.append(at[known])
        values.append(own / max(np.sqrt((own**2).sum()), 1e-9))
        ends.append(ends[-1] + len(own))
    shape = (len(rows), len(keys))
    return csr_matrix((np.concatenate(values), np.concatenate(places), ends), shape=shape)


def best_thresholds(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Of each emotion the threshold with the highest F1."""
    from sklearn.metrics import precision_recall_curve

    found = []
    for own, true in zip(logits.T, truth.T, strict=True):
        precision, recall, limits = precision_recall_curve(true, own)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
        found.append(limits[int(f1[:-1].argmax())])
    return np.array(found)


def macro_f1(logits: np.ndarray, truth: np.ndarray, thresholds: np.ndarray) -> float:
    """Mean F1 of the emotions, each named where its logit reaches its threshold."""
    from sklearn.metrics import f1_score

    return float(f1_score(truth, logits >= thresholds, average="macro", zero_division=0))


def calibrate(logits: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset of each emotion that make the softmax most likely, least squares held."""
    from scipy.optimize import minimize

    from affekt.evaluation.calibration import softmax

    classes = logits.shape[1]
    wanted = truth / truth.sum(axis=1, keepdims=True)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = values[:classes] * logits + values[classes:]
        shares = softmax(scaled)
        error = (shares - wanted) / len(logits)
        slope = np.concatenate([(error * logits).sum(axis=0), error.sum(axis=0)])
        return -float((wanted * np.log(np.maximum(shares, 1e-12))).sum(axis=1).mean()), slope

    start = np.concatenate([np.ones(classes), np.zeros(classes)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return found[:classes], found[classes:]


def train(folder: Path, out: Path) -> None:
    """Fit the model on train, choose on dev, and write it."""
    from scipy.sparse import hstack
    from sklearn.linear_model import LogisticRegression

    labels = (folder / "labels.txt").read_text(encoding="utf-8").split()
    texts, truth = read_split(folder, "train", len(labels))
    dev_texts, dev_truth = read_split(folder, "dev", len(labels))
    rows, dev_rows = [ngrams(one) for one in texts], [ngrams(one) for one in dev_texts]
    found = {kind: vocabulary(rows, kind) for kind in KINDS}
    x = hstack([matrix(rows, kind, *found[kind]) for kind in KINDS]).tocsr()
    x_dev = hstack([matrix(dev_rows, kind, *found[kind]) for kind in KINDS]).tocsr()
    print(f"{x.shape[1]:,} n-grams", flush=True)
    weights, bias = np.empty((x.shape[1], len(labels))), np.empty(len(labels))
    for index in range(len(labels)):
        model = LogisticRegression(C=PENALTY, solver="liblinear", tol=1e-2)
        model.fit(x, truth[:, index])
        weights[:, index], bias[index] = model.coef_[0], model.intercept_[0]
    logits = x_dev @ weights + bias
    score = macro_f1(logits, dev_truth, best_thresholds(logits, dev_truth))
    print(f"macro F1 {score:.4f} on dev", flush=True)
    sizes = [len(found[kind][0]) for kind in KINDS]
    parts = np.split(weights, np.cumsum(sizes)[:-1])
    grams = {kind: Grams.of(*found[kind], own) for kind, own in zip(KINDS, parts, strict=True)}
    words: dict[str, int] = {}
    for text in texts:
        for word in {one for one in tokens(text) if one[0].isalpha()}:
            words[word] = words.get(word, 0) + 1
    common = sorted(zlib.crc32(one.encode()) for one, n in words.items() if n >= LANGUAGE_TEXTS)
    draft = TextModel(
        labels=tuple(map(canonical, labels)),
        grams=grams,
        bias=bias,
        scale=np.ones(len(labels)),
        offset=np.zeros(len(labels)),
        thresholds=np.zeros(len(labels)),
        words=np.array(common, dtype=np.uint32),
        least_known=0.0,
        facts={},
    )
    logits = np.array([draft.logits(one) for one in dev_texts])
    scale, offset = calibrate(logits, dev_truth)
    shares = [draft.known_share(one) for one in dev_texts if words_of(one) >= LEAST_WORDS]
    TextModel(
        **{
            **vars(draft),
            "scale": scale,
            "offset": offset,
            "thresholds": best_thresholds(logits, dev_truth),
            "least_known": round(float(np.quantile(shares, REFUSED)), 3),
            "facts": {
                "name": "goemotions-ngrams",
                "language": "en",
                "licence": "Apache-2.0",
                "data": "GoEmotions, Apache-2.0",
            },
        }
    ).save(out)


def words_of(text: str) -> int:
    """Return how many words a text has."""
    return sum(one[0].isalpha() for one in tokens(text))


def measure(folder: Path, corpora: Path | None, out: Path) -> Result:
    """Measure the file that ships on the test split, and its check of the language."""
    from sklearn.metrics import f1_score

    from affekt.evaluation.calibration import softmax
    from affekt.evaluation.metrics import expected_calibration_error
    from affekt.evaluation.provenance import commit, software_versions

    started = time.perf_counter()
    model = TextModel.load(out)
    texts, truth = read_split(folder, "test", len(model.labels))
    begun = time.perf_counter()
    logits = np.array([model.logits(one) for one in texts])
    seconds = (time.perf_counter() - begun) / len(texts)
    named = logits >= model.thresholds
    alone = truth.sum(axis=1) == 1
    probabilities = softmax(model.scale * logits + model.offset)[alone]
    longer = [one for one in texts if words_of(one) >= LEAST_WORDS]
    refused = [model.known_share(one) < model.least_known for one in longer]
    return {
        "split": "test",
        "texts": len(texts),
        "macro_f1": float(f1_score(truth, named, average="macro", zero_division=0)),
        "f1": dict(
            zip(
                model.labels,
                map(float, f1_score(truth, named, average=None, zero_division=0)),
                strict=True,
            )
        ),
        "single": {
            "texts": int(alone.sum()),
            "wa": float((probabilities.argmax(axis=1) == truth[alone].argmax(axis=1)).mean()),
            "ece": expected_calibration_error(probabilities, truth[alone].argmax(axis=1)),
        },
        "bytes": out.stat().st_size,
        "n_grams": {kind: len(model.grams[kind].keys) for kind in KINDS},
        "milliseconds": round(1000 * seconds, 3),
        "refused_english": float(np.mean(refused)),
        "refused_other": _other_languages(model, corpora),
        "versions": software_versions(),
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - started, 1),
    }


def _other_languages(model: TextModel, corpora: Path | None) -> dict[str, dict[str, float]]:
    """Of each language of the development corpora with texts, how many are refused."""
    import csv

    found: dict[str, set[str]] = {}
    for path in sorted(corpora.glob("*/labels.csv")) if corpora else []:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if words_of(row["text"]) >= LEAST_WORDS and not row["text"].startswith("sentence"):
                    found.setdefault(row["language"], set()).add(row["text"])
    return {
        language: {
            "texts": len(texts),
            "refused": float(
                np.mean([model.known_share(one) < model.least_known for one in texts])
            ),
        }
        for language, texts in sorted(found.items())
    }


def table(result: Result) -> str:
    """Return the result as Markdown."""
    f1 = " | ".join(f"{100 * value:.1f}" for value in result["f1"].values())
    other = ", ".join(
        f"{name} {100 * one['refused']:.0f} % of {one['texts']}"
        for name, one in result["refused_other"].items()
    )
    lines = [
        f"| F1, % | macro | {' | '.join(result['f1'])} |",
        f"|---|---:|{'---:|' * len(result['f1'])}",
        f"| n-grams, {result['bytes'] / 1e6:.1f} MB | {100 * result['macro_f1']:.1f} | {f1} |",
        "",
        f"{result['texts']:,} texts, {result['milliseconds']:.1f} ms each. Of the "
        f"{result['single']['texts']:,} with one emotion it names "
        f"{100 * result['single']['wa']:.1f} % "
        f"rightly, with a calibration error of {100 * result['single']['ece']:.1f} %. Refused as "
        f"another language: {100 * result['refused_english']:.1f} % of the English texts of three "
        f"words or more; of the sentences of the development corpora by language: {other}. "
        f"Commit `{result['commit'][:12]}`.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Train and measure, or write the table of a stored measurement again."""
    from affekt.data import data_root

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the corpora; default: $AFFEKT_DATA")
    parser.add_argument("--corpora", type=Path, help="folder of the development corpora")
    parser.add_argument("--model", type=Path, default=ASSET, help="the model that is written")
    parser.add_argument("--measure-only", action="store_true", help="measure the model as it is")

    def trained(options: argparse.Namespace) -> Result:
        folder = data_root(options.data) / FOLDER
        if not options.measure_only:
            train(folder, options.model)
        return measure(folder, options.corpora, options.model)

    REPORT.run(parser, trained, table)


if __name__ == "__main__":
    main()
