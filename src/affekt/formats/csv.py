"""Answers as CSV: a header, then one row per recording or per segment, errors among them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from affekt.formats import Outcome, Track
from affekt.formats.text import INPUT_COLUMNS, input_fields, joined

COMMA = ","


def lines(
    outcomes: Iterable[Outcome], labels: Sequence[str], delimiter: str = COMMA
) -> Iterator[str]:
    """Yield the header, then one row for each recording.

    The columns are ``file, label, confidence, intensity, duration``, the probability of each
    emotion, the measures of `INPUT_COLUMNS`, ``warnings`` (joined by ``"; "``) and ``error``; what
    does not apply is empty.
    """
    names = ["file", "label", "confidence", "intensity", "duration", *labels, *INPUT_COLUMNS]
    names += ["warnings", "error"]
    yield _row(names, delimiter)
    for outcome in outcomes:
        cells = dict.fromkeys(names, "") | {"file": outcome.file, "error": outcome.error}
        answer = outcome.prediction
        if answer is not None:
            cells |= {"label": answer.label, "warnings": joined(answer.warnings)}
            numbers = {"confidence": answer.confidence, "duration": answer.duration}
            numbers |= {name: answer.scores[name] for name in labels}
            cells |= _numbers({"intensity": answer.intensity})
            cells |= _numbers(numbers) | _numbers(input_fields(answer))
        yield _row([cells[name] for name in names], delimiter)


def track_lines(
    tracks: Iterable[Track], labels: Sequence[str], delimiter: str = COMMA
) -> Iterator[str]:
    """Yield the header, then one row for each segment; a recording without any has one, too.

    The columns are ``file, start, end, label, confidence, intensity``, the probability of each
    emotion, the measures of the recording (but the ``domain_score`` of the segment, where it has
    one), ``warnings`` and ``error``.
    """
    names = ["file", "start", "end", "label", "confidence", "intensity", *labels]
    names += [*INPUT_COLUMNS, "warnings", "error"]
    yield _row(names, delimiter)
    for track in tracks:
        empty = dict.fromkeys(names, "") | {"file": track.file}
        empty |= _numbers(input_fields(track))
        for segment in track.segments:
            doubts = dict.fromkeys((*segment.warnings, *track.warnings))
            cells = empty | {"label": segment.label, "warnings": joined(tuple(doubts))}
            times = {"start": segment.start, "end": segment.end}
            cells |= _numbers({**times, "confidence": segment.confidence})
            cells |= _numbers({"intensity": segment.intensity})
            if segment.domain_score is not None:
                cells |= _numbers({"domain_score": segment.domain_score})
            cells |= _numbers({name: segment.scores[name] for name in labels})
            yield _row([cells[name] for name in names], delimiter)
        if track.error or not track.segments:
            cells = empty | {"warnings": joined(track.warnings), "error": track.error}
            yield _row([cells[name] for name in names], delimiter)


def _numbers(values: dict[str, float] | dict[str, float | None]) -> dict[str, str]:
    return {name: "" if value is None else f"{value:.6f}" for name, value in values.items()}


def _row(cells: Sequence[str], delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="").writerow(cells)
    return text.getvalue()
