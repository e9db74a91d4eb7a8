"""A report as one HTML file that needs no network: it can be mailed, kept, and opened anywhere.

Readable on a phone, on a dark screen and on paper; no meaning rests on colour alone. Its one
script keeps the player in step with the plot; the page's own policy lets nothing else run.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from affekt.formats.report.exhibit import LONGEST_SOUND, STDIN, Exhibit, color, ribbons
from affekt.formats.summary import highlights, in_words, moment
from affekt.formats.text import spoken
from affekt.results import (
    DERIVED,
    UNCERTAIN,
    Answer,
    Measurement,
    Prediction,
    Segment,
    label_shares,
)
from affekt.runtime.config import ModelConfig
from affekt.runtime.domain import UNLIKE_LIMIT
from affekt.runtime.metadata import describe_model
from affekt.runtime.session import Floats

STYLE = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
SCRIPT = Path(__file__).with_name("report.js").read_text(encoding="utf-8")

MOST_STEPS = 1800
"""Steps of a curve; of longer recordings several hops are averaged."""
FEW_SEGMENTS = 8
"""So many are seen at a glance: of more, those most worth listening to come first."""


def render(exhibits: Sequence[Exhibit], config: ModelConfig) -> str:
    """Return the report as the text of one HTML file.

    Parameters
    ----------
    exhibits : sequence of Exhibit
        From :func:`affekt.formats.report.exhibit.exhibits`.
    config : ModelConfig
        The model that gave the answers.
    """
    title = f"Emotion in {_count(len(exhibits), 'recording')}"
    script = f"<script>{SCRIPT}</script>" if any(map(_has_plot, exhibits)) else ""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(bool(script))}">',
        f"<title>{title}</title><style>{STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        f'<p class="soft">By {escape(config.name)}</p>',
        *(_overview(exhibits) if len(exhibits) > 1 else ()),
        *_speakers(exhibits, config.labels),
        *(_section(index, exhibit, config.labels) for index, exhibit in enumerate(exhibits)),
        *_model_facts(config),
        f"{script}</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _policy(scripted: bool) -> str:
    """Return what the browser may load: nothing from elsewhere, and this script alone."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    if not scripted:
        return policy
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return f"{policy}; script-src 'sha256-{digest}'; media-src data: blob:"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _overview(exhibits: Sequence[Exhibit]) -> Iterator[str]:
    yield '<nav aria-label="Recordings"><h2>Recordings</h2><div class="wide"><table><thead><tr>'
    yield "<th>recording</th><th>answer</th><th>notes</th></tr></thead><tbody>"
    for index, exhibit in enumerate(exhibits):
        track = exhibit.track
        said = f'<span class="alert">error: {escape(track.error)}</span>'
        if not track.error:
            said = escape(_gist(exhibit))
        notes = _count(len(track.warnings), "note") if track.warnings else ""
        yield f'<tr><th><a href="#r{index}">{escape(track.file)}</a></th><td>{said}</td>'
        yield f'<td class="soft">{notes}</td></tr>'
    yield "</tbody></table></div></nav>"


def _gist(exhibit: Exhibit) -> str:
    """Return the result in a few words: the prediction, or the shares of the time."""
    if exhibit.prediction is not None:
        return f"{exhibit.prediction.label} {exhibit.prediction.confidence:.0%}"
    return in_words(exhibit.track.segments)


def _speakers(exhibits: Sequence[Exhibit], labels: Sequence[str]) -> Iterator[str]:
    """Yield a table of the speakers: their share of time in each emotion."""
    groups: dict[str, list[Segment]] = {}
    recordings: Counter[str] = Counter()
    for exhibit in exhibits:
        recordings.update({one.speaker for one in exhibit.track.segments})
        for one in exhibit.track.segments:
            groups.setdefault(one.speaker, []).append(one)
    named = sorted(name for name in groups if name)
    if not named:
        return
    found = {one.label for name in named for one in groups[name]}
    shown = [label for label in (*labels, *sorted(found - set(labels))) if label in found]
    yield '<section><h2>Speakers</h2><div class="wide"><table><thead><tr><th>speaker</th>'
    yield '<th class="number">recordings</th><th class="number">seconds</th><th>in words</th>'
    yield "".join(f'<th class="number">{escape(label)}</th>' for label in shown)
    yield "</tr></thead><tbody>"
    for name in named:
        shares = label_shares(groups[name])
        seconds = sum(one.duration for one in groups[name])
        said = in_words(groups[name]) if recordings[name] == 1 else ""
        yield f'<tr><th>{escape(name)}</th><td class="number">{recordings[name]}</td>'
        yield f'<td class="number">{seconds:.1f}</td><td class="notes">{escape(said)}</td>'
        yield "".join(f'<td class="number">{shares.get(label, 0):.0%}</td>' for label in shown)
        yield "</tr>"
    yield "</tbody></table></div><p class='soft'>Share of the time with an answer.</p></section>"


def _section(index: int, exhibit: Exhibit, labels: Sequence[str]) -> str:
    track = exhibit.track
    seconds = f' data-seconds="{track.duration:.3f}"' if _has_plot(exhibit) else ""
    parts = [f'<section id="r{index}"{seconds}><h2>{escape(track.file)}</h2>']
    names = sorted({one.speaker for one in track.segments if one.speaker})
    if names:
        who = "Speaker" if len(names) == 1 else f"{len(names)} speakers"
        parts.append(f'<p class="soft">{who}: {escape(", ".join(names))}</p>')
    if track.error:
        parts.append(f'<p class="alert">Error: {escape(track.error)}</p>')
    if exhibit.prediction is not None:
        answer = exhibit.prediction
        extras = "".join(f", {name} {escape(value)}" for name, value in answer.extras().items())
        if mixed := _is_mixed(exhibit):
            parts.append(f'<p class="gist">{escape(in_words(track.segments))}</p>')
        parts.append(
            f'<p><span class="{"gist" if mixed else "answer"}">'
            f'{"All of it: " if mixed else ""}{escape(answer.label)}</span> <span class="soft">'
            f"{answer.confidence:.0%} sure{extras}, "
            f"{answer.duration:.1f} s</span></p>"
        )
    elif track.segments:
        parts.append(f'<p class="gist">{escape(_gist(exhibit))}</p>')
    parts += (f'<p class="alert">Note: {escape(text)}</p>' for text in track.warnings)
    if _has_plot(exhibit):
        parts += _plot(exhibit, labels)
        parts += _player(exhibit)
    parts += _highlights(exhibit)
    if exhibit.prediction is not None:
        parts.append(_scores(exhibit.prediction))
    if _has_plot(exhibit):
        parts += _plane(exhibit)
    parts += _segments(exhibit)
    parts += _quality(exhibit)
    return "".join([*parts, "</section>"])


def _is_mixed(exhibit: Exhibit) -> bool:
    """Return whether one word for all of a recording would hide others."""
    return len({one.label for one in exhibit.track.segments} - {UNCERTAIN}) > 1


def _has_plot(exhibit: Exhibit) -> bool:
    return bool(len(exhibit.low)) and exhibit.track.duration > 0


def _plot(exhibit: Exhibit, labels: Sequence[str]) -> Iterator[str]:
    """Yield rows above each other that share one axis of time."""
    track = exhibit.track
    file = escape(track.file)
    yield '<div class="tools" role="group" aria-label="Zoom" hidden>'
    for name, sign, words in ZOOMS:
        yield f'<button type="button" data-zoom="{name}" aria-label="{words}">{sign}</button>'
    yield f'<span class="soft">{KEYS}</span></div>'
    yield '<div class="scroll"><div class="rows"><span class="name">sound</span>'
    yield waveform(exhibit.low, exhibit.high, f"Waveform of {file}")
    for name, segments in ribbons(track).items():
        yield f'<span class="name">{escape(name or "emotion")}</span><div class="ribbon">'
        yield from (_stretch(segment, track.duration) for segment in segments)
        yield "</div>"
    if exhibit.measurements:
        averaged = _thinned(exhibit.measurements)
        for label in labels:
            points = [(start, end, scores[label]) for start, end, scores in averaged]
            words = f"Probability of {escape(label)} over time"
            yield f'<span class="name">{escape(label)}</span>'
            yield steps(points, track.duration, words)
    yield '<span class="name"></span><div class="axis"><span>0:00</span>'
    yield f"<span>{_time(track.duration / 2)}</span><span>{_time(track.duration)}</span></div>"
    yield (
        '<div class="over" tabindex="0" role="slider" aria-label="Position in the recording" '
        f'aria-valuemin="0" aria-valuemax="{track.duration:.1f}" aria-valuenow="0">'
        '<div class="cursor"></div></div></div></div>'
    )
    shown = [label for label in labels if any(one.label == label for one in track.segments)]
    yield '<p class="legend">'
    for label in shown:
        yield f'<span><i style="background:{color(label)}"></i>{escape(label)}</span> '
    yield "</p>"


ZOOMS = (("out", "\N{MINUS SIGN}", "Less"), ("in", "+", "More"), ("all", "all", "Whole recording"))
KEYS = "Keys in the plot: + and \N{MINUS SIGN} zoom, arrows move, n and p go from answer to answer."


def _time(seconds: float) -> str:
    """Return a time with tenths: ``12:40.5``."""
    whole = int(round(seconds, 1))
    return f"{moment(whole)}.{round(10 * (seconds - whole))}"


def _seek(start: float) -> str:
    return f'<button type="button" class="seek" data-seek="{start:.3f}">{_time(start)}</button>'


def _highlights(exhibit: Exhibit) -> Iterator[str]:
    """Yield the parts most worth listening to, where there are many."""
    if len(exhibit.track.segments) <= FEW_SEGMENTS or not _has_plot(exhibit):
        return
    yield '<h3>Worth a listen</h3><ol class="picks">'
    for segment, why in highlights(exhibit.track.segments):
        yield f"<li>{_seek(segment.start)} {escape(spoken(segment))}"
        yield f' <span class="soft">{escape(why)}</span></li>'
    yield "</ol>"


def _stretch(segment: Segment, duration: float) -> str:
    """Return a segment of a ribbon; where no emotion is named, it is empty."""
    left, width = segment.start / duration, segment.duration / duration
    place = f"left:{left:.3%};width:{width:.3%}"
    if segment.label == UNCERTAIN:
        look, words = f'class="none" style="{place}"', ""
    else:
        look, words = f'style="{place};background:{color(segment.label)}"', escape(segment.label)
    return (
        f'<span {look} title="{escape(spoken(segment))}" data-start="{segment.start:.3f}" '
        f'data-end="{segment.end:.3f}">{words}</span>'
    )


def _thinned(
    measurements: Sequence[Measurement],
) -> list[tuple[float, float, dict[str, float]]]:
    """Return start, end and mean scores of runs of hops, few enough to be drawn."""
    size = -(-len(measurements) // MOST_STEPS)
    runs = [measurements[at : at + size] for at in range(0, len(measurements), size)]
    return [
        (
            run[0].start,
            run[-1].end,
            {name: sum(one.scores[name] for one in run) / len(run) for name in run[0].scores},
        )
        for run in runs
    ]


def _player(exhibit: Exhibit) -> Iterator[str]:
    track = exhibit.track
    yield '<p class="now" aria-live="off"></p>'
    if exhibit.sound:
        data = base64.b64encode(exhibit.sound).decode()
        label = f"Play {escape(track.file)}"
        yield f'<audio controls preload="metadata" aria-label="{label}" '
        yield f'src="data:audio/mpeg;base64,{data}"></audio>'
        return
    why = "it is longer than the report may carry"
    if track.duration > LONGEST_SOUND:
        why = f"it is longer than {LONGEST_SOUND / 60:.0f} minutes"
    yield f'<p class="soft">The sound is not part of this page: {why}. To play it in step with '
    yield "the plot, choose the recording; it does not leave this computer.</p>"
    yield f'<input type="file" accept="audio/*" aria-label="Choose {escape(track.file)}">'
    yield "<audio controls hidden></audio>"


def _scores(answer: Prediction) -> str:
    rows = "".join(
        f'<tr class="{"" if rank else "first"}"><th>{escape(label)}</th>'
        f'<td><div class="bar" style="width:{score:.1%}"></div></td><td>{score:.1%}</td></tr>'
        for rank, (label, score) in enumerate(answer.ranked())
    )
    return f'<h3>All of it</h3><table class="scores">{rows}</table>'


def _plane(exhibit: Exhibit) -> Iterator[str]:
    """Yield the way of a recording through the plane of valence and arousal, and its mean."""
    whole = (exhibit.prediction,) if exhibit.prediction else exhibit.measurements
    way, here = _points(exhibit.measurements), _points(whole)
    if not here:
        return
    (x, y), derived = np.mean(here, axis=0), whole[0].dimensions == DERIVED
    way = way[:: -(-len(way) // MOST_STEPS) or 1]
    said = f"valence {x / 100:+.2f}, arousal {-y / 100:+.2f}"
    yield (
        '<h3>Valence and arousal</h3><svg class="plane" viewBox="-118 -112 236 224" role="img" '
        f'aria-label="{said}"><path d="M-100 0H100M0-100V100M-100-100H100V100H-100Z"/>'
        '<text x="-98" y="-3">unpleasant</text><text x="98" y="-3" text-anchor="end">pleasant'
        '</text><text x="3" y="-91">excited</text><text x="3" y="97">calm</text><polyline points="'
        f'{" ".join(f"{right:.1f},{down:.1f}" for right, down in way)}"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6"/></svg><p class="soft">In the mean {said}, '
        f"{'derived from the probabilities by published norms' if derived else 'as the model says'}"
        ".</p>"
    )


def _points(answers: Sequence[Answer]) -> list[tuple[float, float]]:
    """Return where answers lie in the plane, to the right and downwards, in percent."""
    return [
        (100 * one.valence, -100 * one.arousal)
        for one in answers
        if one.valence is not None and one.arousal is not None
    ]


def _segments(exhibit: Exhibit) -> Iterator[str]:
    segments = exhibit.track.segments
    if not segments or exhibit.track.file == STDIN:
        return
    yield f"<details><summary>{_count(len(segments), 'segment')} as a table</summary>"
    named = any(segment.speaker for segment in segments)
    if len(segments) > FEW_SEGMENTS:
        yield from _filters(segments)
    yield '<div class="wide"><table class="segments"><thead><tr><th class="number">from</th>'
    yield f'<th class="number">to</th>{"<th>speaker</th>" if named else ""}'
    yield '<th>emotion</th><th class="number">probability</th>'
    extras = [segment.extras() for segment in segments]
    names = dict.fromkeys(name for one in extras for name in one)
    yield "".join(f'<th class="number">{escape(name)}</th>' for name in names)
    yield '<th class="number">unlike training</th><th>notes</th></tr></thead><tbody>'
    for segment, extra in zip(segments, extras, strict=True):
        yield (
            f'<tr data-speaker="{escape(segment.speaker)}" data-emotion="{escape(segment.label)}" '
            f'data-confidence="{segment.confidence:.4f}">'
            f'<td class="number" data-value="{segment.start:.3f}">{_seek(segment.start)}</td>'
            f'<td class="number" data-value="{segment.end:.3f}">{_time(segment.end)}</td>'
            f"{f'<td>{escape(segment.speaker)}</td>' if named else ''}"
            f"<td>{escape(segment.label)}</td>"
            f'<td class="number">{segment.confidence:.0%}</td>'
        )
        yield "".join(f'<td class="number">{escape(extra.get(name, ""))}</td>' for name in names)
        yield (
            f'<td class="number">{_score(segment.ood_score)}</td>'
            f'<td class="notes">{escape("; ".join(segment.warnings))}</td></tr>'
        )
    yield "</tbody></table></div></details>"


def _filters(segments: Sequence[Segment]) -> Iterator[str]:
    """Yield what chooses rows of a table; without its script, there is nothing to choose."""
    yield '<p class="filters" hidden>'
    for name in ("speaker", "emotion"):
        field = "speaker" if name == "speaker" else "label"
        values = sorted({getattr(one, field) for one in segments})
        if len(values) > 1:
            options = "".join(f"<option>{escape(one)}</option>" for one in values if one)
            yield f'<label>{name} <select data-filter="{name}"><option value="">all</option>'
            yield f"{options}</select></label> "
    yield '<label>at least <input type="number" data-filter="confidence" min="0" max="100" '
    yield 'step="5" value="0"> %</label> <output></output></p>'


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _quality(exhibit: Exhibit) -> Iterator[str]:
    quality, ood_score = exhibit.track.quality, exhibit.track.ood_score
    if quality is None:
        return
    unknown = "too short to tell"
    snr = unknown if quality.snr_db is None else f"{quality.snr_db:.0f} dB"
    band = unknown if quality.bandwidth_hz is None else f"{quality.bandwidth_hz / 1000:.1f} kHz"
    facts = {
        "level": f"{quality.rms_dbfs:.1f} dBFS, peak {quality.peak_dbfs:.1f} dBFS",
        "clipped": f"{quality.clipped_fraction:.2%} of the samples",
        "signal to noise": f"about {snr}" if quality.snr_db is not None else snr,
        "bandwidth": f"up to {band}" if quality.bandwidth_hz is not None else band,
    }
    if quality.held_tones is not None:
        facts["tones that hold"] = f"{quality.held_tones:.0%} of the sound"
    if ood_score is not None:
        facts["unlike training"] = f"{ood_score:.2f}, of which {UNLIKE_LIMIT:g} is the limit"
    rows = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in facts.items())
    yield f'<h3>Input quality</h3><table class="facts">{rows}</table>'


def _model_facts(config: ModelConfig) -> Iterator[str]:
    yield '<section><h2>The model</h2><table class="facts">'
    for name, value in describe_model(config):
        yield f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
    yield "</table></section>"


HEIGHT = 72
"""Height of a waveform, in its own units; a column is 2 units wide."""
CURVE_WIDTH, CURVE_HEIGHT = 1000, 100
"""Size of a curve, in its own units."""


def waveform(low: Floats, high: Floats, description: str) -> str:
    """Return an ``<svg>`` of a waveform, scaled to its peak.

    Parameters
    ----------
    low, high : np.ndarray [shape=(columns,)]
        The lowest and highest sample of each column.
    description : str
        For those who cannot see it; must be escaped already.
    """
    scale = (HEIGHT / 2 - 1) / max(float(high.max()), -float(low.min()), 1e-9)
    # At least half a unit on each side, so that silence is a line and not a gap.
    top = np.minimum(HEIGHT / 2 - high * scale, HEIGHT / 2 - 0.5)
    bottom = np.maximum(HEIGHT / 2 - low * scale, HEIGHT / 2 + 0.5)
    strokes = "".join(
        f"M{2 * i + 1} {y0:.1f}V{y1:.1f}"
        for i, (y0, y1) in enumerate(zip(top, bottom, strict=True))
    )
    return (
        f'<svg class="wave" viewBox="0 0 {2 * len(low)} {HEIGHT}" preserveAspectRatio="none" '
        f'role="img" aria-label="{description}"><path d="{strokes}"/></svg>'
    )


def steps(points: Sequence[tuple[float, float, float]], duration: float, description: str) -> str:
    """Return an ``<svg>`` of a curve of steps from 0 to 1, filled down to 0.

    Parameters
    ----------
    points : sequence of (start, end, height)
        In seconds; between them there is nothing.
    duration : float
        What the width stands for, in seconds.
    description : str
        For those who cannot see it; must be escaped already.
    """
    unit = CURVE_WIDTH / duration
    drawn = "".join(
        f"M{start * unit:.1f} {CURVE_HEIGHT}V{CURVE_HEIGHT * (1 - height):.0f}"
        f"H{end * unit:.1f}V{CURVE_HEIGHT}Z"
        for start, end, height in points
    )
    return (
        f'<svg class="curve" viewBox="0 0 {CURVE_WIDTH} {CURVE_HEIGHT}" '
        f'preserveAspectRatio="none" role="img" aria-label="{description}">'
        f'<path d="{drawn}"/></svg>'
    )
