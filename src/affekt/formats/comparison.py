"""A comparison of models as text, Markdown, LaTeX and a page with sound."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from affekt.errors import AffektError
from affekt.evaluation.compare import Change, Comparison, Difference, Pair
from affekt.evaluation.metrics import Fairness
from affekt.evaluation.report import TITLES

Cells = Sequence[str]

_SCORES = {**TITLES, "log_loss": "log loss"}
_MOST_CLIPS = 40
"""Changed clips that the page plays, of each pair."""
_MOST_ROWS = 12
"""Changed clips in the table of each pair."""
_MOST_SPEAKERS = 8


@dataclass(frozen=True)
class Table:
    """A table of text; its first column is of words, the others of numbers."""

    title: str
    head: Cells
    rows: Sequence[Cells]


def tables(comparison: Comparison) -> list[Table]:
    """Return all that a comparison says, as tables."""
    first = comparison.models[0]
    found = [_scores(comparison)]
    recalls = {name: metrics.recall for name, metrics in comparison.metrics.items()}
    for pair in comparison.pairs:
        title = f"{pair.model} beside {first}"
        found.append(
            Table(
                f"{title}: recall by class, points",
                ("class", first, pair.model, "difference"),
                [
                    (
                        label,
                        *(f"{100 * recalls[name][label]:.1f}" for name in (first, pair.model)),
                        f"{100 * value:+.1f}",
                    )
                    for label, value in pair.recall.items()
                ],
            )
        )
        if pair.groups:
            found.append(_groups(title, pair))
        if len(pair.speakers) > 1:
            found.append(_speakers(title, pair, comparison))
        found.append(_changes(title, pair, comparison))
    return found


def verdicts(comparison: Comparison) -> list[str]:
    """Return what is found, in a sentence for each pair, and then the notes."""
    first = comparison.models[0]
    return [*(_verdict(first, pair) for pair in comparison.pairs), *comparison.notes]


def _verdict(first: str, pair: Pair) -> str:
    uar = pair.differences["uar"]
    what = {
        "better": f"{pair.model} is better than {first}",
        "worse": f"{pair.model} is worse than {first}",
        "no difference": f"no difference of {pair.model} and {first} is shown",
        "unknown": f"{pair.model} and {first}: too few speakers to tell",
    }[pair.verdict]
    said = f"{what}: {_points(uar)} points of UAR"
    if pair.p is not None:
        said += f", p {'' if pair.p < 0.001 else '= '}{_p(pair.p)}"
    if pair.verdict == "no difference" and pair.detectable is not None:
        said += f"; a difference of {100 * pair.detectable:.1f} would be found in 80 of 100 cases"
    return said


def as_text(comparison: Comparison) -> str:
    """Return the verdicts and the tables for a terminal."""
    parts = ["\n".join(verdicts(comparison))]
    for table in tables(comparison):
        widths = [max(map(len, column)) for column in zip(table.head, *table.rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if at == 0 else cell.rjust(width)
                for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in (table.head, *table.rows)
        ]
        parts.append("\n".join([table.title, *lines]))
    return "\n\n".join(parts) + "\n"


def as_markdown(comparison: Comparison) -> str:
    """Return the same in Markdown."""
    parts = ["\n".join(f"- {_plain(line)}" for line in verdicts(comparison))]
    return "\n\n".join([*parts, *map(markdown_table, tables(comparison))]) + "\n"


def markdown_table(table: Table) -> str:
    """Return a table in Markdown, its title above it."""
    rule = "|".join(["---", *["---:"] * (len(table.head) - 1)])
    rows = ["| " + " | ".join(map(_plain, row)) + " |" for row in (table.head, *table.rows)]
    return "\n".join([f"**{_plain(table.title)}**", "", rows[0], f"|{rule}|", *rows[1:]])


def _plain(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\|*_`<[" else c for c in text)


def as_latex(comparison: Comparison) -> str:
    """Return the tables in LaTeX, with booktabs; the verdicts as comments."""
    parts = ["".join(f"% {' '.join(line.split())}\n" for line in verdicts(comparison))]
    return "\n".join([*parts, *map(latex_table, tables(comparison))]) + "\n"


def latex_table(table: Table) -> str:
    """Return a table in LaTeX, with booktabs."""
    rows = [" & ".join(map(latex, row)) + r" \\" for row in (table.head, *table.rows)]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{latex(table.title)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}",
            r"\toprule",
            rows[0],
            r"\midrule",
            *rows[1:],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}


def latex(text: str) -> str:
    """Return text with the signs escaped that LaTeX reads as its own."""
    return "".join(_LATEX.get(c, c) for c in text)


def as_html(comparison: Comparison, sound: Callable[[int], bytes] = lambda clip: b"") -> str:
    """Return a page that needs no network, with the changed clips to listen to.

    Parameters
    ----------
    comparison : Comparison
    sound : callable
        Takes the index of a clip and returns its MP3, or nothing.
    """
    from affekt.formats.report.html import STYLE

    title = f"{' and '.join(comparison.models[1:])} beside {comparison.models[0]}"
    policy = "default-src 'none'; style-src 'unsafe-inline'; media-src data:"
    body = [f"<h1>{escape(title)}</h1>"]
    body += [f"<p>{escape(line)}</p>" for line in verdicts(comparison)]
    for table in tables(comparison):
        body.append(f"<section><h2>{escape(table.title)}</h2>{_html_table(table)}</section>")
    for pair in comparison.pairs:
        body.append(f"<section><h2>Listen: what {escape(pair.model)} answers otherwise</h2>")
        body += _listen(pair, comparison, sound)
        body.append("</section>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _html_table(table: Table) -> str:
    def line(cells: Cells, tag: str) -> str:
        words = "".join(f'<{tag} class="number">{escape(cell)}</{tag}>' for cell in cells[1:])
        return f"<tr><th>{escape(cells[0])}</th>{words}</tr>"

    rows = "".join(line(row, "td") for row in table.rows)
    return (
        f'<div class="wide"><table><thead>{line(table.head, "th")}</thead><tbody>{rows}'
        "</tbody></table></div>"
    )


def _listen(pair: Pair, comparison: Comparison, sound: Callable[[int], bytes]) -> Iterator[str]:
    from affekt.formats.report.exhibit import MOST_SOUND

    left = MOST_SOUND
    for change in pair.changed[:_MOST_CLIPS]:
        yield f"<h3>{escape(comparison.clips[change.clip])}</h3><p>{escape(_change(change))}</p>"
        data = sound(change.clip) if left > 0 else b""
        left -= len(data)
        if data and left > 0:
            encoded = base64.b64encode(data).decode()
            source = f"data:audio/mpeg;base64,{encoded}"
            yield f'<audio controls preload="metadata" src="{source}"></audio>'
    if (more := len(pair.changed) - _MOST_CLIPS) > 0:
        yield f'<p class="soft">{more} more clips have another answer.</p>'


def _change(change: Change) -> str:
    return (
        f"labelled {change.truth}: {change.before} ({change.before_confidence:.0%}) became "
        f"{change.after} ({change.after_confidence:.0%})"
    )


def _scores(comparison: Comparison) -> Table:
    """Return the scores of all models, with the differences from the first."""
    head = ["", comparison.models[0]]
    for pair in comparison.pairs:
        head += [pair.model, "difference (95 %)"]
    rows = []
    for name, title in _SCORES.items():
        row = [title, _score(comparison, comparison.models[0], name)]
        for pair in comparison.pairs:
            row += [_score(comparison, pair.model, name)]
            row += [_points(pair.differences[name], 100 if name in TITLES else 1)]
        rows.append(row)
    for title, value in _EVENNESS.items():
        row = [title]
        for model in comparison.models:
            number = value(comparison.fairness[model])
            row += ["-" if number is None else f"{number:.1f}"]
            row += [""] if model != comparison.models[0] else []
        rows.append(row)
    for title, cell in _TESTS.items():
        row = [title, ""]
        for pair in comparison.pairs:
            row += ["", cell(pair)]
        rows.append(row)
    metrics = comparison.metrics[comparison.models[0]]
    return Table(f"{metrics.n} clips, {len(metrics.labels)} classes", head, rows)


_EVENNESS: dict[str, Callable[[Fairness], float | None]] = {
    "worst quarter of speakers": lambda one: _percent(one.worst_quarter),
    "Gini of speakers": lambda one: _percent(one.gini),
}
_TESTS: dict[str, Callable[[Pair], str]] = {
    "permutation p (speakers)": lambda pair: "-" if pair.p is None else _p(pair.p),
    "McNemar p (clips)": lambda pair: _p(pair.mcnemar_p),
    "verdict": lambda pair: pair.verdict,
}


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _score(comparison: Comparison, model: str, name: str) -> str:
    if name == "log_loss":
        return f"{comparison.log_loss[model]:.3f}"
    return f"{100 * getattr(comparison.metrics[model], name):.1f}"


def _groups(title: str, pair: Pair) -> Table:
    return Table(
        f"{title}: UAR by group, points",
        ("group", "clips", "speakers", "difference (95 %)", "not to be read"),
        [
            (
                f"{one.attribute} {one.value}",
                str(one.clips),
                str(one.speakers),
                _points(one.uar),
                one.too_small,
            )
            for one in pair.groups
        ],
    )


def _speakers(title: str, pair: Pair, comparison: Comparison) -> Table:
    """Return the speakers for whom it is worst, and best; few clips each, so no intervals."""
    ranked = list(pair.speakers.items())
    shown = ranked
    if len(ranked) > 2 * _MOST_SPEAKERS:
        shown = [*ranked[:_MOST_SPEAKERS], *ranked[-_MOST_SPEAKERS:]]
    before, after = (
        comparison.fairness[model].speakers for model in (comparison.models[0], pair.model)
    )
    return Table(
        f"{title}: UAR by speaker, {len(shown)} of {len(ranked)}, points",
        ("speaker", comparison.models[0], pair.model, "difference"),
        [
            (
                name,
                *(f"{100 * one[name]:.1f}" if name in one else "-" for one in (before, after)),
                f"{100 * value:+.1f}",
            )
            for name, value in shown
        ],
    )


def _changes(title: str, pair: Pair, comparison: Comparison) -> Table:
    both = len(comparison.clips) - len(pair.changed)
    shown = pair.changed[:_MOST_ROWS]
    return Table(
        f"{title}: {len(pair.changed)} answers differ ({pair.only_before} became wrong, "
        f"{pair.only_after} right), {both} are the same"
        + (f"; the first {len(shown)}" if len(shown) < len(pair.changed) else ""),
        ("clip", "label", comparison.models[0], pair.model),
        [
            (
                Path(comparison.clips[one.clip]).name,
                one.truth,
                f"{one.before} {one.before_confidence:.0%}",
                f"{one.after} {one.after_confidence:.0%}",
            )
            for one in shown
        ],
    )


def _points(one: Difference, scale: float = 100) -> str:
    digits = 1 if scale == 100 else 3
    text = f"{scale * one.value:+.{digits}f}"
    if one.ci95 is not None:
        low, high = (scale * end for end in one.ci95)
        text += f" ({low:+.{digits}f} to {high:+.{digits}f})"
    return text


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


WRITERS: dict[str, Callable[[Comparison], str]] = {
    ".txt": as_text,
    ".md": as_markdown,
    ".tex": as_latex,
    ".html": as_html,
}
"""Endings of files, and what writes them."""


def writer(path: Path) -> Callable[[Comparison], str]:
    """Return what writes a file of this name.

    Raises
    ------
    AffektError
        If its ending is none of `WRITERS` and not ``.json``.
    """
    if path.suffix.lower() not in WRITERS:
        raise AffektError(f"{path}: end in .json, {', '.join(WRITERS)}")
    return WRITERS[path.suffix.lower()]
