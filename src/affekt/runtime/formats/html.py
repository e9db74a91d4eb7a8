"""Predictions as a picture: one HTML file that needs no network, no script and no plotting library.

Readable on a phone, on a dark screen and on paper; no meaning rests on colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from affekt.audio import load_audio
from affekt.runtime.config import ModelConfig
from affekt.runtime.facts import describe_model
from affekt.runtime.formats import Outcome
from affekt.runtime.formats.svg import waveform
from affekt.runtime.predictor import Prediction

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1e; --soft: #5b5b62; --paper: #fff; --card: #f4f4f6;
  --rule: #d6d6dc; --first: #0072b2; --other: #9cc3dc; --alert: #9a4a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf1; --soft: #a8a8b3; --paper: #131316;
  --card: #1e1e23; --rule: #3a3a42; --first: #56b4e9; --other: #2f5a75; --alert: #ffb454; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 46rem; padding: 1.5rem 1rem 3rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; }
h2 { font-size: 1rem; margin: 0; font-weight: 600; }
p { margin: .25rem 0; }
.soft { color: var(--soft); }
section { background: var(--card); border-radius: .6rem; padding: 1rem; margin: 1rem 0;
  break-inside: avoid; }
.answer { font-size: 1.5rem; font-weight: 700; }
.alert { color: var(--alert); }
.wave { display: block; width: 100%; height: 4.5rem; margin: .5rem 0; }
.wave path { stroke: var(--first); stroke-width: 1.4; fill: none; }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-weight: 400; }
td, th { padding: .15rem .5rem .15rem 0; vertical-align: top; }
.scores th { width: 6.5rem; }
.scores td:last-child { width: 4rem; text-align: right; padding-right: 0;
  font-variant-numeric: tabular-nums; }
.scores .first { font-weight: 700; }
.bar { height: .8rem; margin-top: .35rem; border-radius: .2rem; background: var(--other);
  min-width: 1px; }
.first .bar { background: var(--first); }
.facts th { width: 9rem; color: var(--soft); }
nav table { border-bottom: 1px solid var(--rule); }
nav td, nav th { border-top: 1px solid var(--rule); }
a { color: inherit; }
@media print { .bar { print-color-adjust: exact; } }
"""


def render(outcomes: Sequence[Outcome], config: ModelConfig) -> str:
    """Return the report as the text of one HTML file.

    Parameters
    ----------
    outcomes : sequence of Outcome
        The waveform is drawn from the file again; one that came from stdin has none.
    config : ModelConfig
        The model that gave the answers.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        # The browser itself then refuses to load anything from elsewhere.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>Emotion in {_count(outcomes)}</title><style>{STYLE}</style></head><body>",
        f"<h1>Emotion in {_count(outcomes)}</h1>",
        f'<p class="soft">As heard by {escape(config.name)}</p>',
        *(_overview(outcomes) if len(outcomes) > 1 else ()),
        *(_section(index, outcome) for index, outcome in enumerate(outcomes)),
        *_model_facts(config),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _count(outcomes: Sequence[Outcome]) -> str:
    return "1 recording" if len(outcomes) == 1 else f"{len(outcomes)} recordings"


def _overview(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "<nav><table>"
    for index, outcome in enumerate(outcomes):
        answer = outcome.prediction
        said = f"{escape(answer.label)} {answer.confidence:.0%}" if answer else "error"
        yield f'<tr><th><a href="#r{index}">{escape(outcome.file)}</a></th><td>{said}</td></tr>'
    yield "</table></nav>"


def _section(index: int, outcome: Outcome) -> str:
    answer = outcome.prediction
    head = f'<section id="r{index}"><h2>{escape(outcome.file)}</h2>'
    if answer is None:
        return f'{head}<p class="alert">Error: {escape(outcome.error)}</p></section>'
    warnings = "".join(f'<p class="alert">Note: {escape(text)}</p>' for text in answer.warnings)
    return (
        f'{head}<p><span class="answer">{escape(answer.label)}</span> '
        f'<span class="soft">{answer.confidence:.0%} sure, {answer.duration:.1f} s</span></p>'
        f"{_picture(outcome)}{_scores(answer)}{warnings}</section>"
    )


def _picture(outcome: Outcome) -> str:
    if outcome.file == "-":
        return ""
    return waveform(load_audio(outcome.file), f"Waveform of {escape(outcome.file)}")


def _scores(answer: Prediction) -> str:
    rows = "".join(
        f'<tr class="{"" if rank else "first"}"><th>{escape(label)}</th>'
        f'<td><div class="bar" style="width:{score:.1%}"></div></td><td>{score:.1%}</td></tr>'
        for rank, (label, score) in enumerate(answer.ranked())
    )
    return f'<table class="scores">{rows}</table>'


def _model_facts(config: ModelConfig) -> Iterator[str]:
    yield '<section><h2>The model</h2><table class="facts">'
    for name, value in describe_model(config):
        yield f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
    yield "</table></section>"
