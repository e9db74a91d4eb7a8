"""Pictures as SVG, by hand: a few kilobytes, sharp at any size, in light and dark, no library.

The same calls give the same text, digit by digit, so that a page can be checked against its data.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

SMALL, NORMAL, LARGE = 11, 13, 15  # px, sizes of text
_WIDTHS = {SMALL: 6.1, NORMAL: 7.2, LARGE: 8.3}  # px of a letter, on the safe side

# Each class of shapes in light and in dark; the ground is drawn too, because not every page tells
# a picture whether it is dark.
_STYLE = """
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#1f2328}
.ground{fill:#fff;stroke:#d0d7de}.faint{fill:#59636e}.box{fill:#eef3fb;stroke:#0b5cad}
.fixed{fill:#f3f1ec;stroke:#8a6d3b}.line{stroke:#59636e;fill:none}.grid{stroke:#e3e7ec;fill:none}
.own{fill:#0b5cad;stroke:#0b5cad}.team{fill:#7a3fa0;stroke:#7a3fa0}
.other{fill:none;stroke:#b3470b}.apart{fill:none;stroke:#59636e;stroke-dasharray:3 2}
@media(prefers-color-scheme:dark){
text{fill:#e6edf3}.ground{fill:#0d1117;stroke:#3d444d}.faint{fill:#9198a1}
.box{fill:#12233a;stroke:#58a6ff}.fixed{fill:#26221a;stroke:#c9a45c}
.line{stroke:#9198a1}.grid{stroke:#262c34}.own{fill:#58a6ff;stroke:#58a6ff}
.team{fill:#c58cf0;stroke:#c58cf0}.other{stroke:#ff9a57}.apart{stroke:#9198a1}}
"""


class Drawing:
    """A picture of so many pixels, origin at the top left.

    Parameters
    ----------
    width, height : float
    title, description : str
        For those who cannot see it: what it is, and what it shows.
    """

    def __init__(self, width: float, height: float, title: str, description: str) -> None:
        self.width, self.height = width, height
        self.title, self.description = title, description
        self._parts: list[str] = []
        self.rectangle(0.5, 0.5, width - 1, height - 1, "ground", radius=8)

    def rectangle(
        self, x: float, y: float, width: float, height: float, kind: str, radius: float = 5
    ) -> None:
        """Add a rectangle; ``kind`` is a class of the style sheet."""
        self._parts.append(
            f'<rect class="{kind}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" '
            f'height="{_n(height)}" rx="{_n(radius)}"/>'
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: int = NORMAL,
        anchor: str = "start",
        kind: str = "",
        bold: bool = False,
    ) -> None:
        """Add words on the line ``y``, from ``x`` on or, with ``anchor``, around or up to it."""
        looks = f' class="{kind}"' if kind else ""
        looks += "" if anchor == "start" else f' text-anchor="{anchor}"'
        looks += ' font-weight="600"' if bold else ""
        self._parts.append(
            f'<text x="{_n(x)}" y="{_n(y)}" font-size="{size}"{looks}>{escape(words)}</text>'
        )

    def line(self, points: Iterable[tuple[float, float]], kind: str = "line") -> None:
        """Add a line through points."""
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        self._parts.append(f'<polyline class="{kind}" points="{path}"/>')

    def arrow(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Add an arrow that points down at its second end."""
        self.line([(x0, y0), (x1, y1)])
        self.line([(x1 - 3.5, y1 - 5), (x1, y1), (x1 + 3.5, y1 - 5)])

    def mark(self, x: float, y: float, shape: str, kind: str, size: float = 5) -> None:
        """Add a ``circle``, a ``square`` or a ``diamond`` around a point."""
        corners = {
            "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
        }
        if shape == "circle":
            self._parts.append(
                f'<circle class="{kind}" cx="{_n(x)}" cy="{_n(y)}" r="{_n(size)}" '
                'stroke-width="1.6"/>'
            )
            return
        path = " ".join(f"{_n(x + size * a)},{_n(y + size * b)}" for a, b in corners[shape])
        self._parts.append(f'<polygon class="{kind}" points="{path}" stroke-width="1.6"/>')

    def svg(self) -> str:
        """Return the file."""
        body = "\n".join(self._parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(self.width)} '
            f'{_n(self.height)}" width="{_n(self.width)}" height="{_n(self.height)}" role="img">\n'
            f"<title>{escape(self.title)}</title>\n<desc>{escape(self.description)}</desc>\n"
            f"<style>{_STYLE}</style>\n{body}\n</svg>\n"
        )


def text_width(words: str, size: int = NORMAL) -> float:
    """How wide words are at most, in pixels."""
    return len(words) * _WIDTHS[size]


def _n(value: float) -> str:
    """A coordinate in as few digits as it needs."""
    return f"{value:.1f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"
