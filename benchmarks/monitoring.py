"""How often `affekt compare` and `affekt drift` are wrong, and what they find.

    python benchmarks/monitoring.py --data ../shared/data --cache answers
    python benchmarks/monitoring.py --table-only      # writes docs/compare.md again

**compare**: pairs of seeds of one recipe (a small network on the embeddings of the model, each seed
with other first weights and order of clips) on CREMA-D's test speakers; pairs whose answers are
exchanged at random by speaker; and pairs of seeds where the second is worse by exactly 3 points of
UAR, on test speakers drawn anew.

**drift**: references from half of CREMA-D's validation and test speakers, windows of 100 answers
from the other half: as they are, and changed. Answers are kept in --cache between runs.

**serving**: latencies of a server with 64 clients, alone, with a shadow, with a split, and while it
reads its models again. Needs a quiet machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import re
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _common import Report, Result, processor
from _load import Answers as Load
from _load import drive, form_request
from report.page import write_text
from robustness import Change, noise, telephone
from serve import affekt_server, clips, summary

from affekt.evaluation.compare import permutation_p, uar_shares
from affekt.evaluation.drift import ALARMS, WINDOW, Answers, build_reference
from affekt.evaluation.metrics import uar
from affekt.runtime.drift import answers_of_model

if TYPE_CHECKING:
    from affekt.data import Clip
    from affekt.runtime import Model

COMPARE = Report("monitoring", "docs/compare.md", "compare")
DRIFT = Report("monitoring", "docs/compare.md", "drift")
SERVING = Report("monitoring", "docs/compare.md", "serving")
PROTOCOL = "cremad-tfds"
USUAL, RAVDESS = "no shift", "RAVDESS"
PAIRS, REDRAWS = 100, 10
SPLITS, WINDOWS = 10, 100  # references; windows of each
CLIENTS, PAUSE = 64, 4.0  # of the server; seconds between the requests of one
WORSE = 0.03  # of UAR


@dataclass(frozen=True, eq=False)
class Stored:
    """Answers for clips, with what the corpus tells of them."""

    answers: Answers
    truth: np.ndarray  # index of the label, -1 where the model has none
    genders: np.ndarray

    def part(self, rows: np.ndarray) -> Stored:
        """Return some of the clips."""
        return Stored(self.answers.at(rows), self.truth[rows], self.genders[rows])


def stored(
    model: Model, clips: Sequence[Clip], cache: Path, name: str, change: Change | None = None
) -> Stored:
    """Return answers from the cache, or make them."""
    path = cache / f"{model.config.name}-{name}.npz"
    if not path.is_file():
        _answer(model, clips, path, change)
    with np.load(path) as kept:
        labels = tuple(map(str, kept["labels"]))
        numbers = {key[2:]: kept[key] for key in kept.files if key.startswith("n_")}
        return Stored(
            Answers(
                labels,
                kept["probabilities"],
                numbers,
                kept["embeddings"].astype(np.float64),
                kept["speakers"].tolist(),
            ),
            np.array([labels.index(e) if e in labels else -1 for e in kept["emotions"].tolist()]),
            kept["genders"],
        )


def _answer(model: Model, clips: Sequence[Clip], path: Path, change: Change | None) -> None:
    import affekt

    rng = np.random.default_rng(0)
    if change is None:
        found, errors = answers_of_model(model, clips)
    else:
        made = change
        found, errors = answers_of_model(
            model,
            clips,
            source=lambda clip: (np.clip(made(affekt.load_audio(clip.file), rng), -4, 4), 16000),
        )
    kept = [clip for clip in clips if str(clip.file) not in errors]
    path.parent.mkdir(parents=True, exist_ok=True)
    assert found.embeddings is not None
    arrays: dict[str, Any] = {
        "labels": np.array(found.labels),
        "probabilities": found.probabilities,
        "embeddings": found.embeddings.astype(np.float32),
        "speakers": np.array([clip.speaker for clip in kept]),
        "emotions": np.array([clip.emotion for clip in kept]),
        "genders": np.array([clip.gender for clip in kept]),
        **{f"n_{name}": values for name, values in found.numbers.items()},
    }
    np.savez(path, **arrays)
    print(f"{path}: {len(kept)} answers", flush=True)


# --- compare ---


def measure_compare(train: Stored, test: Stored) -> Result:
    """Return false alarms and power."""
    labels, names = len(test.answers.labels), list(test.answers.speakers)
    seeds = list(_seeds(train, test, 2 * PAIRS))
    pairs = [(seeds[2 * at], seeds[2 * at + 1]) for at in range(PAIRS)]
    rng = np.random.default_rng(0)
    alarms = exchanged = found = draws = 0
    promised: list[float] = []
    apart = []
    for one, other in pairs:
        shares = np.array(list(uar_shares(one, other, test.truth, names).values()))
        apart.append(abs(shares.sum()))
        alarms += (permutation_p(shares.tolist()) or 1) < 0.05
        for _ in range(REDRAWS):
            signs = rng.choice([-1, 1], len(shares))
            exchanged += (permutation_p((signs * shares).tolist()) or 1) < 0.05
        worse = _made_worse(one, other, test.truth, labels, rng)
        lost = np.array(list(uar_shares(one, worse, test.truth, names).values()))
        deviation = float(np.std(lost, ddof=1)) * math.sqrt(len(lost))
        promised.append(_normal(WORSE / deviation - 1.96))
        for _ in range(REDRAWS):
            drawn = rng.integers(0, len(lost), len(lost))
            p = permutation_p(lost[drawn].tolist()) or 1
            found += p < 0.05 and lost[drawn].sum() < 0
            draws += 1
    scores = [uar(test.truth, rows.argmax(axis=1), labels) for rows in seeds]
    return {
        "speakers": len(set(names)),
        "clips": len(names),
        "pairs": PAIRS,
        "uar_mean": float(np.mean(scores)),
        "uar_sd": float(np.std(scores, ddof=1)),
        "mean_difference": float(np.mean(apart)),
        "false_alarms_of_seeds": float(alarms / PAIRS),
        "exchanges": PAIRS * REDRAWS,
        "false_alarms_of_exchanges": float(exchanged / (PAIRS * REDRAWS)),
        "worse_by": WORSE,
        "redraws": draws,
        "power": float(found / draws),
        "power_promised": float(np.mean(promised)),
    }


def _seeds(train: Stored, test: Stored, count: int) -> Iterator[np.ndarray]:
    """Yield the probabilities of each seed of one recipe for the test clips."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    assert train.answers.embeddings is not None
    assert test.answers.embeddings is not None
    scaler = StandardScaler().fit(train.answers.embeddings)
    x, y = scaler.transform(train.answers.embeddings), train.truth
    for seed in range(count):
        network = MLPClassifier((16,), alpha=1e-2, max_iter=20, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of epochs
            network.fit(x, y)
        yield network.predict_proba(scaler.transform(test.answers.embeddings))


def _made_worse(
    one: np.ndarray, other: np.ndarray, truth: np.ndarray, labels: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the second answers with clips made wrong, or right, until they are `WORSE`."""
    changed = np.array(other, np.float64)
    target = uar(truth, one.argmax(axis=1), labels) - WORSE
    worsen = uar(truth, changed.argmax(axis=1), labels) > target
    for clip in rng.permutation(len(truth)):
        if (uar(truth, changed.argmax(axis=1), labels) > target) != worsen:
            break
        right = changed[clip].argmax() == truth[clip]
        if right == worsen:
            best = int(truth[clip])
            second = int(np.argsort(changed[clip])[-2])
            goal = second if worsen else best
            top = int(changed[clip].argmax())
            changed[clip, [goal, top]] = changed[clip, [top, goal]]
    return changed


def _normal(z: float) -> float:
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))


# --- drift ---


def measure_drift(conditions: dict[str, Stored]) -> Result:
    """Return the share of windows with an alarm, by condition, and what UAR they have."""
    usual = conditions[USUAL]
    rows: dict[str, dict[str, list[float]]] = {}
    scores: list[float] = []
    losses: list[float] = []
    for split in range(SPLITS):
        rng = np.random.default_rng(split)
        people = rng.permutation(sorted(set(usual.answers.speakers)))
        old = set(people[: len(people) // 2].tolist())
        inside = _spoken_by(usual, old)
        reference = build_reference(usual.part(inside).answers)
        before = None
        for name, found in _changed(conditions, old).items():
            kept = rows.setdefault(name, {"alarm": [], "score": [], "uar": [], "until": []})
            until = 0
            for _ in range(WINDOWS):
                chosen = rng.choice(len(found.truth), WINDOW, replace=False)
                window = found.part(chosen)
                judged = reference.check(window.answers)
                known = window.truth >= 0
                rate = uar(
                    window.truth[known],
                    window.answers.probabilities[known].argmax(axis=1),
                    len(usual.answers.labels),
                )
                kept["alarm"].append(judged.alarm)
                kept["score"].append(judged.score)
                kept["uar"].append(rate)
                until += 1
                if judged.alarm:
                    kept["until"].append(until)
                    until = 0
            if before is None:
                before = float(np.mean(kept["uar"][-WINDOWS:]))
            scores += kept["score"][-WINDOWS:]
            losses += [before - one for one in kept["uar"][-WINDOWS:]]
    return {
        "window": WINDOW,
        "references": SPLITS,
        "windows": SPLITS * WINDOWS,
        "aim_per_thousand": ALARMS,
        "conditions": {
            name: {
                "alarms_per_thousand": 1000 * float(np.mean(kept["alarm"])),
                "windows_until_seen": float(np.mean(kept["until"])) if kept["until"] else None,
                "score": float(np.median(kept["score"])),
                "uar": float(np.mean(kept["uar"])),
            }
            for name, kept in rows.items()
        },
        "rank_correlation_of_score_and_loss": _spearman(scores, losses),
        "speakers": len(set(usual.answers.speakers)),
    }


def _spoken_by(found: Stored, people: set[str]) -> np.ndarray:
    """Return the rows of some speakers."""
    return np.flatnonzero(np.isin(np.array(found.answers.speakers), sorted(people)))


def _changed(conditions: dict[str, Stored], old: set[str]) -> dict[str, Stored]:
    """Return the answers of the other speakers, by condition; no shift is the first."""
    new = {}
    for name, found in conditions.items():
        others = set(found.answers.speakers) - old
        new[name] = found if name == RAVDESS else found.part(_spoken_by(found, others))
    usual = new[USUAL]
    for gender, name in (("female", "women only"), ("male", "men only")):
        new[name] = usual.part(np.flatnonzero(usual.genders == gender))
    return new


def _spearman(one: Sequence[float], other: Sequence[float]) -> float:
    first, second = (np.argsort(np.argsort(values)).astype(float) for values in (one, other))
    return float(np.corrcoef(first, second)[0, 1])


# --- a server ---


def measure_serving(model: str, seconds: float, rounds: int) -> Result:
    """Return latencies under 64 clients: a model alone, with a shadow, and with a split."""
    options = {
        "alone": (),
        "shadow": ("--shadow", "b"),
        "split": ("--split", "a=90,b=10"),
        "alone, loaded again": (),
    }
    found: dict[str, list[Load]] = {name: [] for name in options}
    shadows: dict[str, float] = {}
    for _ in range(rounds):
        for name, words in options.items():
            models = ("--model", f"b={model}", *words)
            with affekt_server(f"a={model}", *models) as (port, process):
                asyncio.run(_loaded(port, 2.0))  # warm
                again = process if "again" in name else None
                found[name].append(asyncio.run(_loaded(port, seconds, again)))
                if name == "shadow":
                    for outcome, count in _shadow_counts(port).items():
                        shadows[outcome] = shadows.get(outcome, 0) + count
    return {
        "clients": CLIENTS,
        "pause": PAUSE,
        "seconds": seconds,
        "rounds": rounds,
        "shadow": shadows,
        "processor": processor(),
        "ways": {name: summary(loads) for name, loads in found.items()},
    }


async def _loaded(port: int, seconds: float, process: int | None = None) -> Load:
    """Load a server; have it load its models again all the while, where a process is given."""
    requests = [form_request(clip, path="/v1/audio/emotions", port=port) for clip in clips()]
    running = drive(port, requests, clients=CLIENTS, seconds=seconds, pause=PAUSE)
    if process is None:
        return await running
    task = asyncio.create_task(running)
    while not task.done():
        os.kill(process, signal.SIGHUP)
        await asyncio.wait([task], timeout=2.0)
    return task.result()


def _shadow_counts(port: int) -> dict[str, float]:
    from affekt.client import Client

    text = Client(f"http://127.0.0.1:{port}").metrics()
    counted = re.findall(r'^affekt_shadow_total\{.*outcome="(\w+)".*\} (\S+)$', text, re.MULTILINE)
    return {outcome: float(count) for outcome, count in counted}


# --- the script ---


def measure(options: argparse.Namespace, part: str) -> Result:
    """Measure one part, and return it with what it was measured with."""
    if part == SERVING.part:
        return {part: measure_serving(options.model, options.seconds, options.rounds)}
    if options.cache is None:
        raise SystemExit("error: name a --cache")
    import affekt
    from affekt.data import data_root, load_corpus
    from affekt.evaluation import get_protocol
    from affekt.evaluation.provenance import commit, data_fingerprint, software_versions

    model = affekt.load_model(options.model, threads=1)
    protocol = get_protocol(PROTOCOL)
    fold = protocol.folds(protocol.load(options.data))[0]
    held = [*fold.validation, *fold.test]
    usual = stored(model, held, options.cache, "cremad")
    known = {
        "model": options.model,
        "protocol": PROTOCOL,
        "versions": software_versions(),
        "data_sha256": data_fingerprint(held),
        "commit": commit(),
    }
    if part == COMPARE.part:
        test = usual.part(_spoken_by(usual, {clip.speaker for clip in fold.test}))
        train = stored(model, fold.train[:: options.every], options.cache, "train")
        return {**known, part: measure_compare(train, test)}
    conditions = {USUAL: usual}
    ravdess = load_corpus("ravdess", options.data)[:: options.thin]
    conditions[RAVDESS] = stored(model, ravdess, options.cache, "ravdess")
    folder = data_root(options.data) / "noise" / "noise"
    sounds = [affekt.load_audio(file) for file in sorted(folder.glob("*"))]
    sounds = [samples for samples in sounds if np.abs(samples).max() > 0]
    changes: dict[str, Change] = {"telephone band": telephone}
    changes |= {f"noise, {snr} dB": noise(snr, sounds) for snr in (20, 10)}
    for name, change in changes.items():
        clips = held[:: options.thin]
        conditions[name] = stored(model, clips, options.cache, name.replace(" ", "-"), change)
    return {**known, part: measure_drift(conditions)}


def compare_table(result: Result) -> str:
    """Return false alarms and power as Markdown."""
    found: dict[str, Any] = result["compare"]
    lines = [
        "| | found different |",
        "|---|---:|",
        f"| {found['pairs']} pairs of seeds of one recipe | "
        f"{100 * found['false_alarms_of_seeds']:.0f} of 100 |",
        f"| {found['exchanges']} pairs exchanged by speaker | "
        f"{100 * found['false_alarms_of_exchanges']:.1f} of 100 |",
        f"| {found['redraws']} pairs, the second worse by {100 * found['worse_by']:.0f} points | "
        f"{100 * found['power']:.0f} of 100 |",
        "| the same, as the interval promises | " + f"{100 * found['power_promised']:.0f} of 100 |",
        "",
        f"Heads on the embeddings of `{result['model']}`, {found['speakers']} test speakers of "
        f"`{result['protocol']}`, {found['clips']} clips; UAR {100 * found['uar_mean']:.1f} %, "
        f"{100 * found['uar_sd']:.1f} points of deviation over seeds, two of which are "
        f"{100 * found['mean_difference']:.1f} points apart on average. Commit "
        f"`{result['commit'][:12]}`.",
    ]
    return "\n".join(lines)


def drift_table(result: Result) -> str:
    """Return alarms by condition as Markdown."""
    found: dict[str, Any] = result["drift"]
    lines = [
        "| windows from | alarms in 1,000 | windows until seen | median score | UAR |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, row in found["conditions"].items():
        seen = row["windows_until_seen"]
        until = "-" if seen is None or name == USUAL else f"{seen:.1f}"
        lines.append(
            f"| {name} | {row['alarms_per_thousand']:.0f} | {until} | {row['score']:.2f} | "
            f"{100 * row['uar']:.1f} % |"
        )
    lines += [
        "",
        f"`{result['model']}`, windows of {found['window']}, {found['windows']} each; references "
        f"from half of {found['speakers']} held-out speakers of CREMA-D, windows from the other "
        f"half. Rank correlation of score and loss of UAR over all windows: "
        f"{found['rank_correlation_of_score_and_loss']:.2f}.",
    ]
    return "\n".join(lines)


def serving_table(result: Result) -> str:
    """Return latencies of a server as Markdown."""
    found: dict[str, Any] = result["serving"]
    first = found["ways"]["alone"]["p50"]
    lines = ["| `a` | median | | 95 % | not answered |", "|---|---:|---:|---:|---:|"]
    for name, row in found["ways"].items():
        lines.append(
            f"| {name} | {row['p50']:.1f} ms | {100 * (row['p50'] / first - 1):+.1f} % | "
            f"{row['p95']:.1f} ms | {row['not_answered']} |"
        )
    shadows = found["shadow"]
    ran = sum(shadows.get(name, 0) for name in ("same", "other"))
    lines += [
        "",
        f"{found['clients']} clients, each with a pause of {found['pause']:g} s after an answer, "
        f"{found['rounds']} rounds of {found['seconds']:g} s; `{result['model']}` as both models; "
        f"the shadow ran for {ran:.0f} of {sum(shadows.values()):.0f} requests. "
        f"{found['processor']}, shared with other work.",
    ]
    return "\n".join(lines)


TABLES = {
    "compare": (COMPARE, compare_table),
    "drift": (DRIFT, drift_table),
    "serving": (SERVING, serving_table),
}
"""By part: where its table stands, and what makes it."""


def main() -> None:
    """Measure, or write the tables of a stored measurement again."""
    from affekt.errors import AffektError

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the corpora; default: $AFFEKT_DATA")
    parser.add_argument("--model", default="live", help="model directory or hub id")
    parser.add_argument("--cache", type=Path, required=False, help="where answers are kept")
    parser.add_argument("--every", type=int, default=9, help="take each Nth training clip")
    parser.add_argument("--thin", type=int, default=2, help="take each Nth changed clip")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each load of a server")
    parser.add_argument("--rounds", type=int, default=3, help="of the loads")
    parser.add_argument("--only", choices=tuple(TABLES), help="measure one part alone")
    COMPARE.add_options(parser)
    options = parser.parse_args()
    if not options.table_only:
        result: Result = {}
        if options.out.is_file():
            result = json.loads(options.out.read_text(encoding="utf-8"))
        for part in [options.only] if options.only else TABLES:
            try:
                result |= measure(options, part)
            except AffektError as error:
                raise SystemExit(f"error: {error}") from None
            write_text(options.out, json.dumps(result, indent=2) + "\n")
            print(TABLES[part][1](result), flush=True)
        if options.out.resolve() != COMPARE.file:
            return
    kept = COMPARE.load()
    for part, (report, table) in TABLES.items():
        if part in kept:
            report.show(table(kept))


if __name__ == "__main__":
    main()
