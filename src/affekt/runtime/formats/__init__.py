"""Write predictions: one file per output format.

The text formats share one interface, ``lines(outcomes, labels) -> Iterator[str]``, and write a
line as soon as its recording is done. ``html`` and ``png`` draw a picture of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from affekt.runtime.predictor import Prediction


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
