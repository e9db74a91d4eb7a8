"""Which moments count: those with sound, and with speech where a detector runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from affekt.audio.check import SILENCE_DBFS
from affekt.runtime.session import Floats
from affekt.runtime.streaming.vad import VAD_FRAME, VoiceActivity

_SILENT_PEAK = 10 ** (SILENCE_DBFS / 20)


class Activity:
    """Which steps of a stream hold sound, and which hold speech.

    A step is what one frame of the encoder advances. Steps that nobody will ask for again are
    dropped with :meth:`forget`, so that a day needs no more memory than a minute.

    Parameters
    ----------
    step : int
        Samples.
    detector : VoiceActivity, optional
        Without one, all sound counts as speech.
    """

    def __init__(self, step: int, detector: VoiceActivity | None) -> None:
        self._step = step
        self._detector = detector
        self._first = 0  # index of the first step that is kept
        self._loud: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)
        self._speech: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)
        self._rest = np.zeros(0, dtype=np.float32)
        self._decided: list[bool] = []  # frames of the detector, from _first_decided on
        self._first_decided = 0
        self._ended = False

    @property
    def detects_speech(self) -> bool:
        """Whether speech is separated from other sound."""
        return self._detector is not None

    @property
    def steps(self) -> int:
        """How many steps are known."""
        return self._first + len(self._speech)

    def push(self, samples: Floats) -> None:
        """Take more samples [samples]."""
        self._measure(samples)
        if self._detector is not None:
            self._decided += self._detector.push(samples)
        self._match()

    def finish(self) -> None:
        """Complete the last step with silence."""
        self._measure(np.zeros(-len(self._rest) % self._step, dtype=np.float32))
        if self._detector is not None:
            self._decided += self._detector.finish()
        self._match(at_end=True)
        self._ended = True

    def is_silent(self, first: int, last: int) -> bool:
        """Return whether the steps ``first .. last - 1`` hold nothing but silence."""
        return not self._loud[first - self._first : last - self._first].any()

    def speech(self, first: int, last: int) -> NDArray[np.bool_]:
        """Which of the steps ``first .. last - 1`` hold speech, or sound without a detector."""
        return self._speech[first - self._first : last - self._first]

    def frames_with_speech(self, first: int, last: int) -> NDArray[np.bool_]:
        """Which of the frames ``first .. last - 1`` depend on speech, as far as that is known.

        A frame lies where its step begins, so that it sees the step before as well. All frames
        count where speech is not separated from other sound.
        """
        if self._detector is None:
            return np.ones(last - first, dtype=np.bool_)
        known = self.steps + 1 if self._ended else self.steps  # a frame may lie at the very end
        steps = np.arange(first, min(last, known))
        here = np.minimum(steps, self.steps - 1) - self._first
        before = np.maximum(steps - 1, self._first) - self._first
        sees_speech: NDArray[np.bool_] = self._speech[here] | self._speech[before]
        return sees_speech

    def forget(self, first: int) -> None:
        """Drop what came before a step."""
        gone = min(first - self._first, len(self._speech))
        if gone > 0:
            self._loud, self._speech = self._loud[gone:], self._speech[gone:]
            self._first += gone

    def _measure(self, samples: Floats) -> None:
        """Find the steps that are not silent."""
        rest = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        whole = len(rest) // self._step
        steps, self._rest = rest[: whole * self._step], rest[whole * self._step :]
        peaks = np.abs(steps.reshape(whole, self._step)).max(axis=1)
        self._loud = np.concatenate([self._loud, peaks >= _SILENT_PEAK])

    def _match(self, *, at_end: bool = False) -> None:
        """Assign each step the detector's decision at its middle."""
        if self._detector is None:
            self._speech = self._loud
            return
        ready = []
        for index in range(self.steps, self._first + len(self._loud)):
            frame = (index * self._step + self._step // 2) // VAD_FRAME - self._first_decided
            if frame >= len(self._decided):
                if not at_end:
                    break
                frame = len(self._decided) - 1
            ready.append(self._decided[frame])
            del self._decided[:frame]
            self._first_decided += frame
        self._speech = np.concatenate([self._speech, np.array(ready, dtype=np.bool_)])
