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
        rows = []
        for index, span in enumerate(spans):
            one = {name: output[index : index + 1] for name, output in outputs.items()}
            rows.append(self.adaptation.moved(one)["probabilities"])
            if span.first >= self._learnt and span.last - span.first == self._length:
                self.adaptation.learn(one)
                self._learnt = span.last
        return {**outputs, "probabilities": np.concatenate(rows)}
