"""A colour for each emotion, distinct without colour vision, with dark text on all of them.

After Okabe and Ito (2008), lightened so that black text stands out on each. No meaning rests on
colour alone: wherever one is used, the emotion is written beside or on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from affekt.results import UNCERTAIN

COLORS: Mapping[str, str] = MappingProxyType(
    {
        "angry": "#e8703a",
        "boredom": "#b0a58f",
        "calm": "#8fd0f5",
        "disgust": "#2fb592",
        "fearful": "#d99abf",
        "happy": "#f2b632",
        "neutral": "#c9c9cf",
        "sad": "#6ea8dc",
        "surprised": "#f0e442",
        UNCERTAIN: "#e9e9ee",
    }
)
OTHER = "#d8c7f0"
"""The colour of a label that is not in the palette."""
INK = "#111114"
"""Text on any of them."""


def color(label: str) -> str:
    """Return the colour of an emotion."""
    return COLORS.get(label, OTHER)
