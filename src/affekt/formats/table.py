"""Predictions for people: one line per recording, with a bar for the confidence.

Written without rich, which takes longer to import than a prediction takes, and line by
line, so that a long batch shows its answers as they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from affekt.files import visible
from affekt.results import Outcome

BAR_WIDTH = 12  # characters
_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class Style:
    """Options of a table.

    Attributes
    ----------
    file_width : int
        Characters for the name of a file; a longer one pushes its line to the right.
    color : bool
        Whether the terminal shows colours. No meaning rests on colour alone.
    unicode : bool
        Whether it shows block characters.
    """

    file_width: int = 30
    color: bool = False
    unicode: bool = True


def lines(
    outcomes: Iterable[Outcome], labels: Sequence[str], style: Style | None = None
) -> Iterator[str]:
    """Yield a header, then one line for each recording."""
    style = style or Style()
    width = max([len("emotion"), *(len(label) for label in labels)])
    head = f"{'file':<{style.file_width}}  {'emotion':<{width}}  {'confidence':<{BAR_WIDTH + 6}}"
    yield paint(f"{head}  next", "1", style)
    for outcome in outcomes:
        file = visible(outcome.file)
        yield f"{file:<{style.file_width}}  {_answer(outcome, width, style)}".rstrip()


def bar(fraction: float, width: int = BAR_WIDTH, *, unicode: bool = True) -> str:
    """Draw a fraction from 0 to 1 as a bar of ``width`` characters, blank to the right."""
    fraction = min(1.0, max(0.0, fraction))
    if not unicode:
        return ("#" * round(fraction * width)).ljust(width)
    full, rest = divmod(round(fraction * width * 8), 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def _answer(outcome: Outcome, width: int, style: Style) -> str:
    answer = outcome.prediction
    if answer is None:
        return f"{paint('error'.ljust(width), '31', style)}  {_short_error(outcome)}"
    painted = paint(bar(answer.confidence, unicode=style.unicode), "36", style)
    label = paint(answer.label.ljust(width), "1", style)
    runners_up = ", ".join(f"{name} {score:.0%}" for name, score in answer.ranked()[1:3])
    line = f"{label}  {painted} {answer.confidence:>4.0%}   {runners_up}"
    line += "".join(f"   {name} {value}" for name, value in answer.extras().items())
    if answer.warnings:
        line += f"  {paint('! ' + '; '.join(answer.warnings), '33', style)}"
    return line


def _short_error(outcome: Outcome) -> str:
    """Leave out the file's name, which its line begins with."""
    return visible(outcome.error.removeprefix(f"{outcome.file}: "))


def paint(text: str, code: str, style: Style) -> str:
    """Return text in an ANSI colour, where the style allows one."""
    return f"\033[{code}m{text}\033[0m" if style.color else text
