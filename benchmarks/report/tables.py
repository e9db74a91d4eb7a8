"""The tables of results: for each protocol our recipes, and the figures of others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from affekt.errors import DataError
from affekt.evaluation.protocols import PROTOCOLS
from affekt.evaluation.results import Result, Score
from report.anchors import Anchor

_COLUMNS = (
    *("system", "seeds", "UAR", "WA", "weighted F1", "ECE"),
    *("parameters", "ms", "extra data", "remarks"),
)
_RULE = "|---|" + "---:|" * 7 + "---|---|"
_COLUMN_OF = {"UAR": "UAR", "UA": "UAR", "accuracy": "WA"}


@dataclass(frozen=True)
class Latency:
    """How long systems take for one clip of three seconds, in milliseconds.

    Attributes
    ----------
    recipes : mapping of str to float
        Ours, by the name of the recipe.
    peers : mapping of str to float
        Those of others, by the names that `Anchor.latency` uses.
    """

    recipes: Mapping[str, float] = field(default_factory=dict)
    peers: Mapping[str, float] = field(default_factory=dict)


def read_latency(path: Path) -> Latency:
    """Read what ``benchmarks/latency.py`` has measured; nothing where it never ran.

    Raises
    ------
    DataError
        If the file is no such measurement.
    """
    if not path.is_file():
        return Latency()
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        parts = [
            {name: float(row["milliseconds"]) for name, row in values[part].items()}
            for part in ("recipes", "peers")
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is no measurement of latency: {error!r}") from None
    return Latency(*parts)


def protocol_tables(
    results: Iterable[Result],
    anchors: Iterable[Anchor] = (),
    latency: Latency | None = None,
    *,
    shared_speakers: bool = False,
) -> str:
    """Return a section with a Markdown table for each protocol that has a figure.

    Parameters
    ----------
    results : iterable of Result
        Ours.
    anchors : iterable of Anchor
        Those of others; each stands under its protocol, or else under the first one with the
        same corpus and classes.
    latency : Latency, optional
    shared_speakers : bool
        The protocols whose folds share speakers, in place of the others.
    """
    results, anchors = list(results), list(anchors)
    sections = []
    for name, protocol in PROTOCOLS.items():
        if protocol.speakers_shared is not shared_speakers:
            continue
        own = [one for one in results if one.protocol == name]
        others = [one for one in anchors if place_of(one) == name]
        if own or others:
            about = f"{protocol.description[0].upper()}{protocol.description[1:]}."
            whole = [one for one in others if not one.fold]
            parts = [f"### {name}", about, protocol_table(own, whole, latency)]
            if name.startswith("cross"):
                parts.append(_cross_table(own, [one for one in others if one.fold]))
            if own and protocol.kind == "adapted":
                parts.append(_adapted_table(own))
            if own and protocol.kind == "kshot":
                parts.append(_kshot_table(own))
            sections.append("\n\n".join(parts))
    return "\n\n".join(sections)


def place_of(anchor: Anchor) -> str:
    """Return the protocol under which a figure of others is shown."""
    return anchor.protocol or next(name for name in PROTOCOLS if anchor.beside(name))


def protocol_table(
    results: Sequence[Result], anchors: Sequence[Anchor] = (), latency: Latency | None = None
) -> str:
    """Return a Markdown table of figures of one protocol, in percent.

    The best UAR comes first; an accuracy stands in for one that is not known. After all others
    come those that were measured otherwise, with a dagger.
    """
    latency = latency or Latency()
    rows = [(True, 100 * one.uar.mean, _own_cells(one, latency)) for one in results]
    rows += [(not one.setting, one.value, _other_cells(one, latency)) for one in anchors]
    rows.sort(key=lambda row: (row[0], row[1]), reverse=True)
    lines = [" | ".join(_COLUMNS), *(" | ".join(cells) for *_, cells in rows)]
    head, *body = [f"| {line} |" for line in lines]
    return "\n".join([head, _RULE, *body])


def _own_cells(result: Result, latency: Latency) -> list[str]:
    n_seeds = len(result.seeds)
    marks = [mark for mark in ("adapted", "ensemble") if getattr(result, mark)]
    return [
        f"`{result.recipe}`",
        str(n_seeds),
        _percent(result.uar, n_seeds, ci=True),
        *(_percent(getattr(result, name), n_seeds) for name in ("wa", "weighted_f1", "ece")),
        f"{result.parameters:,}",
        _milliseconds(latency.recipes.get(result.recipe)),
        ", ".join(result.extra_data) or "none",
        ", ".join(marks),
    ]


def _other_cells(anchor: Anchor, latency: Latency) -> list[str]:
    scores = dict.fromkeys(_COLUMNS[2:6], "")
    scores[_COLUMN_OF[anchor.score]] = _figure(anchor)
    known = anchor.parameters
    return [
        anchor.system,
        "",
        *scores.values(),
        "" if known is None else f"{known:,}",
        _milliseconds(latency.peers.get(anchor.latency)),
        "much other speech" if anchor.pretrained else "" if anchor.listeners else "none",
        _remarks(anchor),
    ]


def _figure(anchor: Anchor) -> str:
    text = f"{anchor.value:.1f}" + ("" if anchor.sd is None else f" ± {anchor.sd:.1f}")
    return f"{text} †" if anchor.setting else text


def _remarks(anchor: Anchor) -> str:
    source = f"[{anchor.source}]({anchor.url})" if anchor.url else anchor.source
    differs = f"† {anchor.setting}" if anchor.setting else ""
    return "; ".join(word for word in (differs, anchor.remark, anchor.size, source) if word)


def _cross_table(results: Sequence[Result], anchors: Sequence[Anchor]) -> str:
    """UAR on each corpus that training never heard, and their mean."""
    folds = list(results[0].per_fold) if results else sorted({one.fold for one in anchors})
    columns = ["system", *(fold.removeprefix("test-") for fold in folds), "mean", "remarks"]
    lines = ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(folds) + 1) + "---|"]
    rows = []
    for result in results:
        values = [100 * result.per_fold[fold].mean for fold in folds]
        mean = sum(values) / len(values)
        figures = [f"{value:.1f}" for value in (*values, mean)]
        rows.append((mean, [f"`{result.recipe}`", *figures, ""]))
    for one in anchors:
        figures = [_figure(one) if fold == one.fold else "" for fold in folds]
        rows.append((0.0, [one.system, *figures, "", _remarks(one)]))
    lines += [f"| {' | '.join(cells)} |" for _, cells in sorted(rows, key=lambda row: -row[0])]
    return "\n".join(
        [
            "There all clips count the same, and most are CREMA-D's; here each corpus that was not "
            "trained on does, by its UAR:",
            "",
            *lines,
        ]
    )


def _adapted_table(results: Sequence[Result]) -> str:
    """UAR by the number of clips in a baseline, and how many speakers it harms."""
    counts = list(results[0].per_setting["random"])
    lines = [
        "UAR by the number of unlabelled clips, drawn at random; in brackets the share of speakers "
        "with a lower UAR than without:",
        "",
        f"| system | {' | '.join(counts)} |",
        "|---|" + "---:|" * len(counts),
    ]
    for result in results:
        scores = [result.per_setting["random"][count] for count in counts]
        cells = [
            f"{100 * one['uar']['mean']:.1f} ({100 * one['harmed']['mean']:.0f})" for one in scores
        ]
        lines.append(f"| `{result.recipe}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _kshot_table(results: Sequence[Result]) -> str:
    """UAR by the number of labelled clips of each class, for each corpus and source of clips."""
    rows = [
        (result.recipe, fold.removeprefix("test-"), source, shots)
        for result in results
        for fold, sources in result.per_setting.items()
        for source, shots in sources.items()
    ]
    numbers = sorted({int(k) for *_, shots in rows for k in shots})
    lines = [
        "UAR by the number of labelled clips of each class, from other speakers or the same one:",
        "",
        f"| system | corpus | speakers | {' | '.join(map(str, numbers))} |",
        "|---|---|---|" + "---:|" * len(numbers),
    ]
    for recipe, corpus, source, shots in rows:
        cells = [
            f"{100 * shots[str(k)]['uar']['mean']:.1f}" if str(k) in shots else "" for k in numbers
        ]
        lines.append(f"| `{recipe}` | {corpus} | {source} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _percent(score: Score, n_seeds: int, *, ci: bool = False) -> str:
    text = f"{100 * score.mean:.1f}"
    if n_seeds > 1:
        text += f" ± {100 * score.sd:.1f}"
    if ci and score.ci95 is not None:
        low, high = score.ci95
        text += f" [{100 * low:.1f}, {100 * high:.1f}]"
    return text


def _milliseconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"
