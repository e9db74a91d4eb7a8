"""What a few labelled clips are worth to the shipped models (`affekt adapt`), on corpora that they
were not trained on.

    python benchmarks/few_examples.py --data ../shared/data  # measures, writes JSON, table, picture
    python benchmarks/few_examples.py --table-only           # writes the page and the picture again

``k`` clips of each class of other speakers, or of the same speaker (`affekt.evaluation.kshot`), of
SAVEE, EmoTale and RAVDESS, and of the two speakers of EMO-DB that no model was trained on. Beside
it stand prototypes (the nearest mean embedding), and a support vector machine on functionals with
the options of the recipe ``svm``. Embeddings and functionals are kept in a folder, so that a new
model alone is measured again.
"""

from __future__ import annotations

import argparse
import hashlib
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _common import ROOT, Report, Result

if TYPE_CHECKING:
    from affekt.data import Clip
    from affekt.evaluation.kshot import FitHead, Head

REPORT = Report("few_examples", "docs/adaptation.md")
PICTURE = ROOT / "docs" / "images" / "few-examples.svg"
CORPORA = ("savee", "emotale", "ravdess", "emodb")
"""The first two are those on which the penalties were chosen."""
SOURCES = {"others": "other speakers", "same": "the same speaker"}
SHOTS = ("1", "2", "4", "8", "16", "32")
DRAWS = 50
SYSTEMS = {
    "adapt": "`affekt adapt`",
    "prototypes": "prototypes",
    "svm": "SVM on functionals",
}


def measure(data: Path | None, models: list[str], cache: Path) -> Result:
    """Measure everything and return the result as it is stored."""
    from affekt.evaluation.provenance import commit, data_fingerprint, software_versions

    started = time.perf_counter()
    corpora = load_corpora(data)
    rows: dict[str, Any] = {name: {} for name in models}
    functionals: dict[str, Any] = {}
    for corpus, clips in corpora.items():
        labels = sorted({clip.emotion for clip in clips})
        functionals[corpus] = _all_ways(_functionals(corpus, clips, cache), clips, labels, svm)
        _say("functionals", corpus, "svm", functionals[corpus])
        for name in models:
            rows[name][corpus] = _of_model(name, corpus, clips, labels, cache)
            _say(name, corpus, "adapt", rows[name][corpus]["adapt"])
    return {
        "models": rows,
        "functionals": functionals,
        "draws": DRAWS,
        "versions": software_versions(),
        "data_sha256": data_fingerprint([clip for clips in corpora.values() for clip in clips]),
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - started, 1),
    }


def _of_model(
    name: str, corpus: str, clips: Sequence[Clip], labels: Sequence[str], cache: Path
) -> dict[str, Any]:
    """Measure one model on one corpus: all labels, then those that the model knows."""
    import affekt
    from affekt.evaluation.calibration import softmax
    from affekt.evaluation.summary import Predictions, summarise
    from affekt.runtime.head import read_head

    model = affekt.load_model(name, threads=1)
    head = read_head(model.config)
    embeddings = kept_embeddings(model, corpus, clips, cache)
    found: dict[str, Any] = {
        "labels": list(labels),
        "adapt": _all_ways(embeddings, clips, labels, _adapted(head, model.labels, labels)),
        "prototypes": _all_ways(embeddings, clips, labels, prototypes),
    }
    known = [label for label in labels if label in model.labels]
    kept = np.array([clip.emotion in known for clip in clips])
    some = [clip for clip in clips if clip.emotion in known]
    columns = [model.labels.index(label) for label in known]
    plain = softmax(head.logits(embeddings[kept].astype(np.float32))[:, columns])
    targets = np.array([known.index(clip.emotion) for clip in some])
    before = summarise([Predictions(plain, targets, [clip.speaker for clip in some])], known).uar
    fit = _adapted(head, model.labels, known)
    found["known"] = {
        "labels": known,
        "before": {"uar": before.mean, "ci95": before.ci95 and list(before.ci95)},
        "adapt": _all_ways(embeddings[kept], some, known, fit),
    }
    return found


def _all_ways(
    vectors: np.ndarray, clips: Sequence[Clip], labels: Sequence[str], fit: FitHead
) -> dict[str, Any]:
    """Return UAR by who lends the clips, and by their number."""
    from affekt.evaluation.kshot import kshot_scores

    targets = [labels.index(clip.emotion) for clip in clips]
    speakers = [clip.speaker for clip in clips]
    return {
        source: {
            str(k): {
                "uar": one.uar.mean,
                "sd": one.uar.sd,
                "ci95": one.uar.ci95 and list(one.uar.ci95),
                "clips": one.clips,
            }
            for k, one in kshot_scores(
                vectors, targets, speakers, labels, source=source, draws=DRAWS, fit=fit
            ).items()
        }
        for source in SOURCES
    }


# --- what learns ---


def _adapted(head: Any, known: Sequence[str], labels: Sequence[str]) -> FitHead:
    """Return what `affekt adapt` does, for some labels."""
    from affekt.evaluation.calibration import softmax
    from affekt.runtime.examples import learned_head, logits_of, start_of

    start = start_of(head, known, labels)

    def fit(vectors: np.ndarray, targets: np.ndarray, classes: int) -> Head:
        made = learned_head(head, vectors, targets, start)
        return lambda rows: softmax(logits_of(head, made, rows))

    return fit


def prototypes(vectors: np.ndarray, targets: np.ndarray, classes: int) -> Head:
    """Answer with the class whose mean is nearest, each dimension divided by its deviation."""
    from affekt.evaluation.calibration import softmax

    deviation = vectors.std(axis=0) + 1e-6
    means = np.full((classes, vectors.shape[1]), np.inf)
    for one in np.unique(targets):
        means[one] = vectors[targets == one].mean(axis=0)
    present = np.isfinite(means[:, 0])

    def head(rows: np.ndarray) -> np.ndarray:
        scaled, centres = rows / deviation, means[present] / deviation
        apart = np.square(scaled)[:, None].sum(2) - 2 * scaled @ centres.T
        logits = np.full((len(rows), classes), -1e9)
        logits[:, present] = -(apart + np.square(centres).sum(axis=1)) / rows.shape[1]
        return softmax(logits)

    return head


def svm(vectors: np.ndarray, targets: np.ndarray, classes: int) -> Head:
    """Fit a support vector machine with the options of the recipe ``svm``."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    machine = SVC(C=10.0, gamma=1 / vectors.shape[1], class_weight="balanced")
    fitted = make_pipeline(StandardScaler(), machine).fit(vectors, targets)

    def head(rows: np.ndarray) -> np.ndarray:
        return np.asarray(np.eye(classes)[fitted.predict(rows)])

    return head


# --- clips, and what is measured of them ---


def load_corpora(data: Path | None) -> dict[str, list[Clip]]:
    """Clips of speakers that no shipped model was trained on, with all their labels."""
    import affekt
    from affekt.data import load_corpus

    test = affekt.load_model("base").config.raw["speakers"]["test"]
    corpora = {name: load_corpus(name, data, whole=True) for name in CORPORA}
    corpora["emodb"] = [clip for clip in corpora["emodb"] if clip.speaker_id in test]
    return corpora


def kept_embeddings(model: Any, corpus: str, clips: Sequence[Clip], cache: Path) -> np.ndarray:
    """Return the embeddings of clips, kept for each file of a model."""
    graph = (model.folder / "model.onnx").read_bytes()
    return _kept(
        cache / f"{hashlib.sha256(graph).hexdigest()[:16]}-{corpus}.npy",
        clips,
        lambda: (one.embedding for one in map(model.predict, (clip.file for clip in clips))),
    )


def _functionals(corpus: str, clips: Sequence[Clip], cache: Path) -> np.ndarray:
    from affekt.audio import load_audio
    from affekt.features import functional_vector

    def vector(clip: Clip) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return functional_vector(load_audio(clip.file), 16000)[1]

    rows = _kept(cache / f"functionals-{corpus}.npy", clips, lambda: map(vector, clips))
    return np.where(np.isfinite(rows), rows, np.nanmedian(rows, axis=0))


def _kept(file: Path, clips: Sequence[Clip], make: Callable[[], Any]) -> np.ndarray:
    """Return what was kept, or make and keep it."""
    from affekt.files import atomic_path

    if file.is_file():
        rows = np.load(file)
        if len(rows) == len(clips):
            return np.asarray(rows)
    rows = np.array(list(make()), dtype=np.float64)
    with atomic_path(file) as partial, partial.open("wb") as opened:
        np.save(opened, rows)
    return rows


def _say(name: str, corpus: str, system: str, found: dict[str, Any]) -> None:
    course = " ".join(f"{k}: {100 * one['uar']:.1f}" for k, one in found["others"].items())
    print(f"{name}, {corpus}, {system}, of others: {course}", flush=True)


# --- the page ---


def table(result: Result) -> str:
    """Return the result as Markdown."""
    lines = [
        f"| corpus, examples of | system | {' | '.join(SHOTS)} |",
        f"|---|---|{'---:|' * len(SHOTS)}",
    ]
    for corpus in CORPORA:
        for source, words in SOURCES.items():
            begin = f"| {corpus}, {words} |"
            for model, corpora in result["models"].items():
                for system in ("adapt", "prototypes"):
                    lines.append(
                        f"{begin} {SYSTEMS[system]}, `{model}` | "
                        f"{_cells(corpora[corpus][system][source])} |"
                    )
            lines.append(
                f"{begin} {SYSTEMS['svm']} | {_cells(result['functionals'][corpus][source])} |"
            )
    lines += [
        "",
        "With the labels alone that the models know, beside the models as they are (0):",
        "",
        f"| corpus, examples of | model | 0 | {' | '.join(SHOTS)} |",
        f"|---|---|---:|{'---:|' * len(SHOTS)}",
    ]
    for corpus in CORPORA:
        for source, words in SOURCES.items():
            for model, corpora in result["models"].items():
                known = corpora[corpus]["known"]
                lines.append(
                    f"| {corpus}, {words} | `{model}` | {100 * known['before']['uar']:.1f} | "
                    f"{_cells(known['adapt'][source])} |"
                )
    lines += ["", f"UAR in percent, {result['draws']} draws. Commit `{result['commit'][:12]}`."]
    return "\n".join(lines)


def _cells(course: dict[str, Any]) -> str:
    return " | ".join(f"{100 * course[k]['uar']:.1f}" if k in course else "" for k in SHOTS)


def draw(result: Result, file: Path) -> None:
    """Draw UAR against the number of examples of other speakers, with intervals."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "affekt"
    from matplotlib import pyplot as plt

    from affekt.files import atomic_path

    figure, axes = plt.subplots(2, len(CORPORA), figsize=(3.2 * len(CORPORA), 6.2), sharey="row")
    for row, (source, words) in zip(axes, SOURCES.items(), strict=True):
        for axis, corpus in zip(row, CORPORA, strict=True):
            for number, (model, corpora) in enumerate(result["models"].items()):
                for system, style in (("adapt", "-"), ("prototypes", ":")):
                    course = corpora[corpus][system][source]
                    title = f"{SYSTEMS[system].strip('`')}, {model}"
                    _line(axis, course, title, f"C{number}", style)
            _line(axis, result["functionals"][corpus][source], SYSTEMS["svm"], "gray", "--")
            axis.set_xticks(range(len(SHOTS)), SHOTS)
            axis.grid(alpha=0.3)
            axis.set_title(f"{corpus}, of {words}", fontsize=9)
        row[0].set_ylabel("UAR, %")
    for axis in axes[-1]:
        axis.set_xlabel("examples of each label")
    axes[0][0].legend(frameon=False, fontsize=7)
    figure.tight_layout()
    with atomic_path(file) as partial:
        figure.savefig(partial, format="svg", metadata={"Date": None})
    plt.close(figure)


def _line(axis: Any, course: dict[str, Any], title: str, colour: str, style: str) -> None:
    places = [SHOTS.index(k) for k in course]
    axis.plot(
        places, [100 * one["uar"] for one in course.values()], style, color=colour, label=title
    )
    if style == "-" and all(one["ci95"] for one in course.values()):
        low, high = zip(*(one["ci95"] for one in course.values()), strict=True)
        axis.fill_between(
            places, 100 * np.array(low), 100 * np.array(high), alpha=0.12, color=colour
        )


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    from affekt.errors import AffektError

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the corpora; default: $AFFEKT_DATA")
    parser.add_argument("--models", nargs="+", default=["base", "small"])
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "few-examples")
    REPORT.add_options(parser)
    options = parser.parse_args()
    if options.table_only:
        REPORT.show(table(REPORT.load()))
        draw(REPORT.load(), PICTURE)
        return
    try:
        result = measure(options.data, options.models, options.cache)
    except AffektError as error:
        raise SystemExit(f"error: {error}") from None
    REPORT.finish(result, options.out, table)
    if options.out.resolve() == REPORT.file:
        draw(result, PICTURE)


if __name__ == "__main__":
    main()
