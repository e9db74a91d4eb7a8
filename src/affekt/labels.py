"""The emotions by their canonical names, their synonyms, and where they lie.

Everything inside affekt speaks of emotions by these nine English adjectives and nouns.
Corpora keep their own letters and codes; each corpus reader maps them to these.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from affekt.errors import DataError

EMOTIONS: tuple[str, ...] = (
    "angry",
    "boredom",
    "calm",
    "disgust",
    "fearful",
    "happy",
    "neutral",
    "sad",
    "surprised",
)
"""All canonical emotions, in alphabetical order."""

SHARED_EMOTIONS: tuple[str, ...] = ("angry", "disgust", "fearful", "happy", "neutral", "sad")
"""The six emotions that RAVDESS, EMO-DB and CREMA-D have in common."""

OWN_LABELS: Mapping[str, tuple[str, ...]] = MappingProxyType({"baved": ("low", "high")})
"""Labels of corpora, by their names, that are no emotions: levels of expression."""

INTENSITIES: Mapping[str, float] = MappingProxyType(
    {"low": 0.0, "mild": 0.0, "normal": 0.3, "medium": 0.5, "high": 1.0, "strong": 1.0}
)
"""What the corpora's own words for intensity mean, from 0 (faint) to 1 (strong)."""

_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "angry": ("anger", "ang", "rage", "mad"),
    "boredom": ("bored", "bor"),
    "calm": ("calmness", "cal", "relaxed"),
    "disgust": ("disgusted", "dis"),
    "fearful": ("fear", "fea", "anxiety", "anxious", "afraid", "scared", "anxiety/fear"),
    "happy": ("happiness", "hap", "joy", "joyful"),
    "neutral": ("neu", "none"),
    "sad": ("sadness", "sorrow"),
    "surprised": ("surprise", "surprised", "sur", "pleasant_surprise", "ps"),
}

SYNONYMS: Mapping[str, str] = MappingProxyType(
    {word: emotion for emotion, words in _SYNONYMS.items() for word in (emotion, *words)}
)
"""Lower-case word to canonical emotion."""

CIRCUMPLEX: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "angry": (-0.51, 0.59),
        "boredom": (-0.65, -0.62),
        "calm": (0.78, -0.68),
        "disgust": (-0.60, 0.35),
        "fearful": (-0.64, 0.60),
        "happy": (0.81, 0.51),
        "neutral": (0.0, 0.0),
        "sad": (-0.63, -0.27),
        "surprised": (0.40, 0.67),
    }
)
"""Valence and arousal of each emotion, each from -1 to 1, after Russell and Mehrabian,
"Evidence for a three-factor theory of emotions" (1977); neutral is the origin."""


def canonical(name: str) -> str:
    """Return the canonical emotion for a word of everyday use.

    Parameters
    ----------
    name : str
        An emotion in English, in any case: ``"Anger"``, ``"HAP"``, ``"sadness"``.

    Raises
    ------
    DataError
        If the word names none of the nine emotions.
    """
    emotion = SYNONYMS.get(name.strip().lower())
    if emotion is None:
        raise DataError(f"unknown emotion {name!r}: expected one of {', '.join(EMOTIONS)}")
    return emotion
