"""The baseline of a stream, which may learn as it listens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affekt.runtime.adapted import Adaptation
from affekt.runtime.session import Floats
from affekt.runtime.streaming.sliding import Span


class StreamBaseline:
    """Takes a baseline out of the answers for windows, in their order.

    Each whole window that lies behind the last one learnt counts as one recording, from the next
    window on. So the answers do not depend on how many windows come at once.

    Parameters
    ----------
    adaptation : Adaptation
        Changed where it learns.
    length : int
        Steps of a whole window.
    learn : bool
    """

    def __init__(self, adaptation: Adaptation, length: int, *, learn: bool) -> None:
        self.adaptation = adaptation
        self._length = length
        self._learn = learn
        self._learnt = 0  # the step behind the last window learnt

    def adapt(self, spans: Sequence[Span], outputs: dict[str, Floats]) -> dict[str, Floats]:
        """Return outputs [spans, ...] of the model with the probabilities moved."""
        if not self._learn:
            return self.adaptation.moved(outputs)
        if len(spans) == 1:  # as it is while sound comes
            return self._adapt_one(spans[0], outputs)
        rows = [
            self._adapt_one(span, {name: one[i : i + 1] for name, one in outputs.items()})
            for i, span in enumerate(spans)
        ]
        probabilities = np.concatenate([row["probabilities"] for row in rows])
        return {**outputs, "probabilities": probabilities}

    def _adapt_one(self, span: Span, outputs: dict[str, Floats]) -> dict[str, Floats]:
        moved = self.adaptation.moved(outputs)
        if span.first >= self._learnt and span.last - span.first == self._length:
            self.adaptation.learn(outputs)
            self._learnt = span.last
        return moved
