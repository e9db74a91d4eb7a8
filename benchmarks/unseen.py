"""How well the shipped models do on corpora that took no part in their training.

    python benchmarks/unseen.py --data ../shared/data  # measures, writes JSON and table
    python benchmarks/unseen.py --table-only           # writes the page again

A model may answer with all its emotions; the recall is averaged over those that a corpus has. The
development corpora are read as in the protocol ``loco``; RAVDESS with the six emotions that it
shares with the models. Of prediction sets, how often they hold the true emotion, and their size.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from _common import Report, Result

REPORT = Report("unseen", "docs/prediction.md")
MODELS = ("base", "live", "small", "nano")
PROTOCOLS = ("loco", "cross")
"""Whose test sides are answered: the six development corpora, and of the other RAVDESS."""
OTHER = "ravdess"


def measure(data: Path | None) -> Result:
    """Ask every model about every corpus and return the result as it is stored."""
    import affekt
    from affekt.data import Clip
    from affekt.evaluation import get_protocol
    from affekt.evaluation.metrics import expected_calibration_error, uar
    from affekt.evaluation.provenance import commit, data_fingerprint, software_versions

    started = time.perf_counter()
    corpora: dict[str, list[Clip]] = {}
    for name in PROTOCOLS:
        protocol = get_protocol(name)
        for fold in protocol.folds(protocol.load(data)):
            corpus = fold.test[0].corpus
            if name == "loco" or corpus == OTHER:
                corpora[corpus] = fold.test
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for name in MODELS:
        model = affekt.load_model(name)
        for corpus, clips in corpora.items():
            answers = list(model.predict_batch(clip.file for clip in clips))
            probabilities = np.array([list(answer.scores.values()) for answer in answers])
            targets = np.array([model.labels.index(clip.emotion) for clip in clips])
            rows.setdefault(name, {})[corpus] = {
                "clips": len(clips),
                "uar": uar(targets, probabilities.argmax(axis=1), len(model.labels)),
                "ece": expected_calibration_error(probabilities, targets),
            }
            if answers[0].likely is not None:
                sets = [answer.likely or () for answer in answers]
                rows[name][corpus] |= {
                    "coverage": float(
                        np.mean(
                            [clip.emotion in one for one, clip in zip(sets, clips, strict=True)]
                        )
                    ),
                    "set_size": float(np.mean([len(one) for one in sets])),
                }
            print(f"{name}, {corpus}: UAR {100 * rows[name][corpus]['uar']:.1f} %", flush=True)
    return {
        "models": rows,
        "versions": software_versions(),
        "data_sha256": data_fingerprint([clip for clips in corpora.values() for clip in clips]),
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - started, 1),
    }


def table(result: Result) -> str:
    """Return the result as Markdown."""
    rows = result["models"]
    corpora = list(next(iter(rows.values())))
    lines = [
        f"| UAR (calibration error), % | {' | '.join(rows)} |",
        f"|---|{'---:|' * len(rows)}",
    ]
    for corpus in corpora:
        cells = (_cell([row[corpus]]) for row in rows.values())
        lines.append(f"| {corpus} | {' | '.join(cells)} |")
    means = (_cell(list(row.values())) for row in rows.values())
    lines += [f"| mean | {' | '.join(means)} |", ""]
    for name, row in rows.items():
        if all("coverage" in one for one in row.values()):
            held, size = ([one[key] for one in row.values()] for key in ("coverage", "set_size"))
            lines += [
                f"The prediction sets of `{name}` hold the true emotion of {np.mean(held):.0%} of "
                f"the clips ({min(held):.0%} to {max(held):.0%} of a corpus), with "
                f"{np.mean(size):.1f} emotions on average.",
                "",
            ]
    return "\n".join([*lines, f"Commit `{result['commit'][:12]}`."])


def _cell(scores: list[dict[str, float]]) -> str:
    uar, ece = (100 * float(np.mean([one[key] for one in scores])) for key in ("uar", "ece"))
    return f"{uar:.1f} ({ece:.1f})"


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the corpora; default: $AFFEKT_DATA")
    REPORT.run(parser, lambda options: measure(options.data), table)


if __name__ == "__main__":
    main()
