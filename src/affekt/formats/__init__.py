"""Write predictions: one file per output format.

The text formats share one interface, ``lines(outcomes, labels) -> Iterator[str]``, and write a
line as soon as its recording is done. ``html`` and ``png`` draw a picture of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from affekt.audio import AudioQuality
from affekt.runtime.predictor import Prediction
from affekt.runtime.segments import Segment


@dataclass(frozen=True)
class Outcome:
    """What became of one recording: a prediction, or the error that it gave.

    Attributes
    ----------
    file : str
        Its name as the user wrote it.
    prediction : Prediction or None
    error : str
        Empty where there is a prediction.
    """

    file: str
    prediction: Prediction | None = None
    error: str = ""


@dataclass(frozen=True)
class Track:
    """The time line of one recording, or the error that it gave.

    Attributes
    ----------
    file : str
        Its name as the user wrote it.
    segments : tuple of Segment
        In the order of time; none overlap.
    duration : float
        Length of the recording in seconds; 0 where it could not be read.
    error : str
        Empty where the recording was judged. Segments before the fault are kept.
    quality : AudioQuality or None
        Level and faults of the whole recording; None where nobody measured.
    warnings : tuple of str
        What makes the answers about this recording less sure.
    domain_score : float or None
        How unlike speech of the training data the recording is; None where nobody can tell.
    """

    file: str
    segments: tuple[Segment, ...] = ()
    duration: float = 0.0
    error: str = ""
    quality: AudioQuality | None = None
    warnings: tuple[str, ...] = ()
    domain_score: float | None = None


def as_track(result: Track | Outcome) -> Track:
    """Return a prediction as the time line of one segment over the whole recording."""
    if isinstance(result, Track):
        return result
    answer = result.prediction
    if answer is None:
        return Track(result.file, error=result.error)
    segment = Segment(
        *(0.0, answer.duration, answer.label, answer.confidence, answer.scores),
        domain_score=answer.domain_score,
        intensity=answer.intensity,
    )
    return Track(
        file=result.file,
        segments=(segment,),
        duration=answer.duration,
        quality=answer.quality,
        warnings=answer.warnings,
        domain_score=answer.domain_score,
    )
