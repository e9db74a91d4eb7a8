"""What a baseline of unlabelled recordings is worth to the shipped models, on speakers and corpora
that took no part in their training.

    python benchmarks/adaptation.py --data ../shared/data  # measures, writes JSON, table, picture
    python benchmarks/adaptation.py --table-only           # writes the page and the picture again

The speakers are those of SAVEE, EmoTale and RAVDESS, and the test speakers of EMO-DB. One fifth of
each speaker's clips is scored with a baseline of n of the others, drawn in three ways (see
:mod:`affekt.evaluation.adapted`).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _common import ROOT, Report, Result

from affekt.adapt.baseline import PRIOR_CLIPS

if TYPE_CHECKING:
    from affekt.data import Clip
    from affekt.evaluation.adapted import AdaptedAnswers, ScoreFunction
    from affekt.runtime.head import Head

REPORT = Report("adaptation", "docs/adaptation.md")
PICTURE = ROOT / "docs" / "images" / "adaptation.svg"
DEVELOPMENT = ("savee", "emotale")
"""Corpora on which the weights of the prior, of the mood and of chance were chosen."""
WAYS = {
    "random": "at random",
    "neutral": "four of five neutral",
    "one-emotion": "all of one emotion",
}
DRAWS = 20


def measure(data: Path | None, models: list[str]) -> Result:
    """Measure the models on each corpus and return the result as it is stored."""
    import affekt
    from affekt.evaluation.adapted import Plan, adapted_answers, summarise_adapted
    from affekt.evaluation.provenance import commit, data_fingerprint, software_versions
    from affekt.runtime.head import read_head

    started = time.perf_counter()
    corpora = _corpora(data)
    rows: dict[str, dict[str, Any]] = {}
    for name in models:
        model = affekt.load_model(name)
        head = read_head(model.config)
        for corpus, clips in corpora.items():
            answers = model.predict_batch(clip.file for clip in clips)
            embeddings = np.stack([one.embedding for one in answers])
            probabilities = np.array([list(one.scores.values()) for one in answers])
            # Beside each embedding, what it adds to a baseline: embedding, mean square and count.
            added = head.without_mood(embeddings, probabilities)
            rows_of_clips = np.column_stack(
                [embeddings, added, head.mean_squares(added), np.ones(len(added))]
            )
            found: AdaptedAnswers = adapted_answers(
                rows_of_clips,
                [model.labels.index(clip.emotion) for clip in clips],
                [clip.speaker_id for clip in clips],
                _score_function(head),
                model.labels,
                prior=np.zeros(rows_of_clips.shape[1]),
                plan=Plan(draws=DRAWS, prior_clips=PRIOR_CLIPS),
            )
            rows.setdefault(name, {})[corpus] = _plain(summarise_adapted([found], model.labels))
            uar = rows[name][corpus]["random"]
            print(f"{name}, {corpus}: {uar['0']['uar']:.3f} to {uar['8']['uar']:.3f}", flush=True)
    return {
        "models": rows,
        "draws": DRAWS,
        "versions": software_versions(),
        "data_sha256": data_fingerprint([clip for clips in corpora.values() for clip in clips]),
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - started, 1),
    }


def _score_function(head: Head) -> ScoreFunction:
    """Answer as the product does: what was put into a baseline is not what it is taken out of."""
    from affekt import Baseline

    width = len(head.mean)

    def shift(trusted: np.ndarray) -> np.ndarray:
        # A mean over n clips times n / (n + PRIOR_CLIPS), which its last column tells.
        mean, count = trusted / trusted[-1], PRIOR_CLIPS * trusted[-1] / (1 - trusted[-1])
        baseline = Baseline("", "", mean[width:-2], float(mean[-2]), round(count))
        return baseline.shift(head.mean, head.contrasts)

    def scores(rows: np.ndarray, baselines: np.ndarray | None) -> np.ndarray:
        embeddings = rows[:, :width]
        if baselines is not None:
            different, which = np.unique(baselines, axis=0, return_inverse=True)
            embeddings = embeddings - np.stack([*map(shift, different)])[which.reshape(-1)]
        return np.asarray(head.logits(embeddings))

    return scores


def _corpora(data: Path | None) -> dict[str, list[Clip]]:
    """Clips of speakers that no shipped model was trained on, with the emotions it knows."""
    import affekt
    from affekt.evaluation import get_protocol

    test = affekt.load_model("base").config.raw["speakers"]["test"]
    corpora: dict[str, list[Clip]] = {}
    for name in ("loco", "cross"):
        protocol = get_protocol(name)
        for fold in protocol.folds(protocol.load(data)):
            corpus = fold.test[0].corpus
            if corpus in DEVELOPMENT or (name == "cross" and corpus == "ravdess"):
                corpora[corpus] = list(fold.test)
            if name == "cross" and corpus == "emodb":
                # Most of its ten speakers are those that the models were trained on.
                corpora[corpus] = [clip for clip in fold.test if clip.speaker_id in test]
    return corpora


def _plain(scores: Any) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        way: {
            count: {
                "uar": one.uar.mean,
                "ci95": None if one.uar.ci95 is None else list(one.uar.ci95),
                "worst_quarter": one.worst_quarter.mean,
                "harmed": one.harmed.mean,
                "harmed_much": one.harmed_much.mean,
                "clips": one.clips,
            }
            for count, one in of_way.items()
        }
        for way, of_way in scores.items()
    }


def table(result: Result) -> str:
    """Return the result as Markdown."""
    counts = ("0", "2", "4", "8", "16", "32", "all")
    lines = [
        f"| model, corpus | recordings | {' | '.join(counts)} |",
        f"|---|---|{'---:|' * len(counts)}",
    ]
    for model, corpora in result["models"].items():
        for corpus, ways in corpora.items():
            for way, of_way in ways.items():
                cells = " | ".join(f"{100 * of_way[count]['uar']:.1f}" for count in counts)
                lines.append(f"| {model}, {corpus} | {WAYS[way]} | {cells} |")
    lines += ["", *_harm(result)]
    lines += [
        "",
        f"UAR in percent, {result['draws']} draws. Commit `{result['commit'][:12]}`.",
    ]
    return "\n".join(lines)


def _harm(result: Result) -> list[str]:
    """Return the rows that tell whether a baseline harms."""
    lines = [
        "| model, corpus | worst quarter of speakers, 0 to 16 | lose more than 2 points at 16 | "
        "least gain, four of five neutral | least gain, one emotion |",
        "|---|---:|---:|---:|---:|",
    ]
    for model, corpora in result["models"].items():
        for corpus, ways in corpora.items():
            none, sixteen = ways["random"]["0"], ways["random"]["16"]
            least = [
                min(100 * (one["uar"] - none["uar"]) for n, one in ways[way].items() if n != "0")
                for way in ("neutral", "one-emotion")
            ]
            quarter = f"{100 * none['worst_quarter']:.1f} to {100 * sixteen['worst_quarter']:.1f}"
            lines.append(
                f"| {model}, {corpus} | {quarter} | {100 * sixteen['harmed_much']:.0f} % | "
                f"{least[0]:+.1f} | {least[1]:+.1f} |"
            )
    return lines


def draw(result: Result, file: Path) -> None:
    """Draw UAR against the number of recordings, with intervals over the speakers."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "affekt"
    from matplotlib import pyplot as plt

    from affekt.files import atomic_path

    rows = result["models"]
    first = next(iter(rows.values()))
    figure, axes = plt.subplots(1, len(first), figsize=(3.2 * len(first), 3.4), sharey=True)
    for axis, corpus in zip(np.atleast_1d(axes), first, strict=True):
        for model, corpora in rows.items():
            course = corpora[corpus]["random"]
            places = range(len(course))
            (line,) = axis.plot(places, [100 * one["uar"] for one in course.values()], label=model)
            low, high = zip(*(one["ci95"] for one in course.values()), strict=True)
            axis.fill_between(
                places,
                100 * np.array(low),
                100 * np.array(high),
                alpha=0.12,
                color=line.get_color(),
            )
            axis.set_xticks(places, list(course))
        axis.set_title(corpus)
        axis.set_xlabel("unlabelled recordings")
        axis.grid(alpha=0.3)
    np.atleast_1d(axes)[0].set_ylabel("UAR, %")
    np.atleast_1d(axes)[0].legend(frameon=False)
    figure.tight_layout()
    with atomic_path(file) as partial:
        figure.savefig(partial, format="svg", metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    from affekt.errors import AffektError

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the corpora; default: $AFFEKT_DATA")
    parser.add_argument("--models", nargs="+", default=["base", "small"])
    REPORT.add_options(parser)
    options = parser.parse_args()
    if options.table_only:
        REPORT.show(table(REPORT.load()))
        draw(REPORT.load(), PICTURE)
        return
    try:
        result = measure(options.data, options.models)
    except AffektError as error:
        raise SystemExit(f"error: {error}") from None
    REPORT.finish(result, options.out, table)
    if options.out.resolve() == REPORT.file:
        draw(result, PICTURE)


if __name__ == "__main__":
    main()
