"""Provisional predictions of a stream before its first whole window."""

from __future__ import annotations

from collections import deque

import numpy as np

from affekt.runtime.adapted import Adaptation
from affekt.runtime.backends import Backend
from affekt.runtime.domain import Domain
from affekt.runtime.session import Floats, numbers_of
from affekt.runtime.streaming.activity import Activity
from affekt.runtime.streaming.sliding import WindowScore

LONGEST = 10.0
"""Longest sound of a provisional prediction, in seconds, to bound its cost."""


class Opening:
    """Scores of the sound so far, until the first whole window.

    An answer is what ``predict`` says of the last seconds alone, no more of them than a window. It
    takes a run of the whole graph, and has no part in measurements and segments.

    Parameters
    ----------
    backend : Backend
    activity : Activity
        Of the same stream, and given samples first.
    window : float
        Seconds.
    step : int
        Samples in a step of the activity.
    domain : Domain, optional
    adaptation : Adaptation, optional
    """

    def __init__(
        self,
        backend: Backend,
        activity: Activity,
        *,
        window: float,
        step: int,
        domain: Domain | None = None,
        adaptation: Adaptation | None = None,
    ) -> None:
        self._backend = backend
        self._activity = activity
        self._domain = domain
        self._adaptation = adaptation
        self._step = step
        self._rate = backend.config.sample_rate
        self._longest = round(min(window, LONGEST) * self._rate)  # samples
        self._blocks: deque[Floats] = deque()
        self._kept = self._pushed = 0  # samples

    def hear(self, samples: Floats) -> WindowScore | None:
        """Take more samples [samples]; return the scores so far, None without sound."""
        self._blocks.append(samples)
        self._pushed += len(samples)
        self._kept += len(samples)
        while self._kept - len(self._blocks[0]) >= self._longest:
            self._kept -= len(self._blocks.popleft())
        waveform = np.concatenate(self._blocks)[-self._longest :]
        first = (self._pushed - len(waveform)) // self._step
        shortest = self._backend.config.minimum_duration * self._rate  # samples
        if len(waveform) < shortest or self._activity.is_silent(first, self._activity.steps):
            return None
        share = None
        if self._activity.detects_speech:
            speech = self._activity.speech(first, self._activity.steps)
            if speech.sum() * self._step < shortest:
                return None
            share = float(speech.mean())
        return self._window_score(waveform, share)

    def _window_score(self, waveform: Floats, speech: float | None) -> WindowScore:
        outputs = self._backend.run(waveform[None])
        if self._adaptation is not None:
            outputs = self._adaptation.moved(outputs)
        numbers = numbers_of(outputs, 0)
        duration, end = len(waveform) / self._rate, self._pushed / self._rate
        if self._domain is not None:
            score = self._domain.score(outputs["embedding"][0], duration)
            numbers |= {} if score is None else {"ood_score": score}
        return WindowScore(
            start=round(end - duration, 6),
            end=round(end, 6),
            scores=outputs["probabilities"][0].astype(np.float64),
            speech=speech,
            numbers=numbers,
        )
