"""What a time line is made of: measurements of single windows, and segments that merge them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

UNCERTAIN = "uncertain"
"""The label of a stretch in which no emotion is probable enough to be named."""


@dataclass(frozen=True)
class Measurement:
    """What a model hears around one moment of a recording.

    Attributes
    ----------
    start, end : float
        The stretch that it stands for, one hop long, in seconds from the beginning of the
        recording. What was heard is the window around it. Stretches follow each other; those in
        which there was nothing to hear are left out.
    label : str
        The most probable emotion.
    confidence : float
        Its calibrated probability, from 0 to 1.
    scores : dict of str to float
        Probability of every emotion, in the order of the model; they sum to 1.
    speech : float or None
        Share of the stretch in which somebody speaks, from 0 to 1; None where nobody looked.
    domain_score : float or None
        How unlike speech of the training data the window is; above 1, a warning. None where the
        model cannot tell, and for less than a second of sound.
    warnings : tuple of str
        What makes the answer less sure.
    intensity : float or None
        From 0 (faint) to 1 (strong); None where the model does not say.
    provisional : bool
        Whether it is about all of the last seconds, given before the first whole window was heard,
        and has no part in a segment: see ``Stream.provisional``.
    """

    start: float
    end: float
    label: str
    confidence: float
    scores: dict[str, float]
    speech: float | None = None
    domain_score: float | None = None
    warnings: tuple[str, ...] = ()
    intensity: float | None = None
    provisional: bool = False


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording that carries one emotion.

    Attributes
    ----------
    start, end : float
        In seconds from the beginning of the recording.
    label : str
        An emotion, or :data:`UNCERTAIN`.
    confidence : float
        Mean calibrated probability of its emotion, or of the most probable one where the label
        is :data:`UNCERTAIN`, from 0 to 1.
    scores : dict of str to float
        Mean probability of every emotion, in the order of the model; they sum to 1.
    intensity : float or None
        Mean of that of its measurements, from 0 (faint) to 1 (strong); None where the model does
        not say.
    warnings : tuple of str
        What makes the answer less sure.
    domain_score : float or None
        Mean of that of its measurements; None where none has one.
    """

    start: float
    end: float
    label: str
    confidence: float
    scores: dict[str, float]
    intensity: float | None = None
    warnings: tuple[str, ...] = ()
    domain_score: float | None = None

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start


def mean_domain_score(segments: Iterable[Segment]) -> float | None:
    """Return the out-of-domain score of segments together, weighed by their duration."""
    scored = [(one.domain_score, one.duration) for one in segments if one.domain_score is not None]
    total = sum(seconds for _, seconds in scored)
    return sum(score * seconds for score, seconds in scored) / total if total > 0 else None
