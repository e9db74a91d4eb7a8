"""Live sound in chunks of any size: segments as soon as they are final."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from affekt.audio.arrays import check_samples, read_chunk
from affekt.audio.resample import Resampler, checked_rate
from affekt.errors import AudioError
from affekt.results import Measurement, Segment
from affekt.runtime.domain import read_domain
from affekt.runtime.options import TimelineOptions
from affekt.runtime.streaming.activity import Activity
from affekt.runtime.streaming.learning import StreamBaseline
from affekt.runtime.streaming.opening import Opening
from affekt.runtime.streaming.pooling import FrameScorer
from affekt.runtime.streaming.segmenter import Segmenter
from affekt.runtime.streaming.sliding import (
    FALLBACK_STEP,
    Grid,
    RerunScorer,
    SlidingWindows,
    SpanScorer,
    WindowScore,
)
from affekt.runtime.streaming.vad import VAD_RATE, VoiceActivity, vad_is_installed
from affekt.runtime.warnings import ood_warnings

if TYPE_CHECKING:
    from affekt.adapt import Baseline
    from affekt.runtime.adapted import Adaptation
    from affekt.runtime.backends import Backend
    from affekt.runtime.session import Floats

STREAM_BLOCK = 0.5  # seconds that are processed at once, at most; shorter where the hop is
_log = logging.getLogger("affekt")


class Stream:
    """One voice, or one recording, as it comes.

    Made by :meth:`affekt.Model.stream`. Answers do not depend on how the sound is cut into
    chunks. Not to be shared between threads; many streams may share one model.

    Parameters
    ----------
    backend : Backend
    options : TimelineOptions
    sample_rate : int
        Of the chunks, in Hz.
    block : float, optional
        Seconds that are processed at once. Larger blocks take less work, smaller ones answer
        sooner.
    provisional : bool
        Provisional predictions before the first full window.
    adaptation : Adaptation, optional
        What is taken out of the answers.
    learn : bool
        Whether the baseline of the adaptation learns from the sound.

    Attributes
    ----------
    measurements : list of Measurement
        Those that the last ``push`` or ``flush`` made.
    provisional : list of Measurement
        What the last ``push`` gave before the first measurement, if ``provisional``:
        at every hop, and at least every half second, what ``predict`` says of the last seconds
        alone.
    """

    def __init__(
        self,
        backend: Backend,
        options: TimelineOptions | None = None,
        *,
        sample_rate: int = VAD_RATE,
        block: float | None = None,
        provisional: bool = False,
        adaptation: Adaptation | None = None,
        learn: bool = False,
    ) -> None:
        self._backend = backend
        self._options = options or TimelineOptions()
        self._rate = checked_rate(sample_rate, "stream")
        self._block = block
        self._early = provisional
        self._adaptation = adaptation
        self._learn = learn
        self._domain = read_domain(backend.config)
        self.measurements: list[Measurement] = []
        self.provisional: list[Measurement] = []
        self.reset()

    @property
    def options(self) -> TimelineOptions:
        """Options of the stream."""
        return self._options

    @property
    def sample_rate(self) -> int:
        """Of the chunks, in Hz."""
        return self._rate

    @property
    def hop(self) -> float:
        """Seconds from one answer to the next."""
        return self._options.hop_for(self._backend.frame_encoder() is not None)

    @property
    def duration(self) -> float:
        """Seconds of sound that were pushed."""
        return self._pushed / self._rate

    @property
    def baseline(self) -> Baseline | None:
        """What is taken out now, with what was learnt; None without a baseline."""
        return None if self._voice is None else self._voice.adaptation.baseline

    @property
    def open_segment(self) -> Segment | None:
        """The segment that is not final yet, or None."""
        return self._segmenter.open_segment

    def reset(self) -> None:
        """Reset to 0 s, and to the baseline of then."""
        config, options = self._backend.config, self._options
        rate, encoder = config.sample_rate, self._backend.frame_encoder()
        step = round(FALLBACK_STEP * rate) if encoder is None else encoder.step
        grid = Grid.of(options.window, self.hop, step, rate)
        activity = Activity(step, _detector(options, rate))
        scorer: SpanScorer
        if encoder is None:
            _tell_of_rerunning(config.name)
            scorer = RerunScorer(self._backend, step)
        else:
            scorer = FrameScorer(encoder, activity)
        self._voice = self._stream_baseline(grid.length)
        block = round((self._block or min(STREAM_BLOCK, self.hop)) * rate / step)
        self._windows = SlidingWindows(
            scorer,
            grid,
            activity,
            block=max(1, block),
            sample_rate=rate,
            shortest=config.minimum_duration,
            domain=self._domain,
            adapt=None if self._voice is None else self._voice.adapt,
            at_block=self._opened(activity, step) if self._early else None,
        )
        asked = options.threshold
        threshold = config.window_threshold if asked is None else asked
        self._segmenter = Segmenter(config.labels, options, threshold, grid.hop * step / rate)
        self._resampler = Resampler(self._rate, rate)
        self._pushed = 0
        self._ended = False
        self.measurements, self.provisional = [], []

    def push(self, chunk: ArrayLike) -> list[Segment]:
        """Take more sound.

        Parameters
        ----------
        chunk : np.ndarray [shape=(samples,) or (samples, channels)]
            The next samples, any number of them: floats within [-1, 1] or integers (int16,
            int32, uint8), at the rate of the stream.

        Returns
        -------
        list of Segment
            Those that became final.

        Raises
        ------
        AudioError
            If the chunk cannot be audio: NaN, infinite, or far beyond full scale; or after
            :meth:`flush`. The stream goes on as if it had not been pushed.
        """
        if self._ended:
            raise AudioError("stream: it was flushed, so it has ended; reset() begins again")
        samples = read_chunk(chunk, "stream")
        if len(samples) > 0:
            check_samples(samples[:, None], self._rate, "stream", start=self.duration)
        self._pushed += len(samples)
        self.provisional = []
        return self._take(self._windows.push(self._resampler.push(samples)))

    def flush(self) -> list[Segment]:
        """End the stream; return the segments that were still open."""
        self.provisional = []
        if self._ended:
            self.measurements = []
            return []
        self._ended = True
        windows = self._windows.push(self._resampler.finish()) + self._windows.flush()
        return [*self._take(windows), *self._segmenter.flush()]

    def _stream_baseline(self, window: int) -> StreamBaseline | None:
        if self._adaptation is None:
            return None
        own = self._adaptation.copy() if self._learn else self._adaptation
        return StreamBaseline(own, window, learn=self._learn)

    def _opened(self, activity: Activity, step: int) -> Callable[[Floats], None]:
        """What is called for each block until there is a measurement."""
        opening = Opening(
            self._backend,
            activity,
            window=self._options.window,
            step=step,
            domain=self._domain,
            adaptation=None if self._voice is None else self._voice.adaptation,
        )

        def hear(samples: Floats) -> None:
            window = opening.hear(samples)
            if window is not None:
                answer = _measurement(window, self._backend.config.labels)
                self.provisional.append(replace(answer, provisional=True))

        return hear

    def _take(self, windows: list[WindowScore]) -> list[Segment]:
        if not windows:
            self.measurements = []
            return []
        labels = self._backend.config.labels
        self.measurements = [
            _measurement(window, labels) for window in windows if window.scores is not None
        ]
        return self._segmenter.push(windows)


def _measurement(window: WindowScore, labels: tuple[str, ...]) -> Measurement:
    assert window.scores is not None
    numbers: dict[str, Any] = dict(window.numbers)
    scores = dict(zip(labels, window.scores.tolist(), strict=True))
    best = labels[int(window.scores.argmax())]
    return Measurement(
        start=window.start,
        end=window.end,
        label=best,
        confidence=scores[best],
        scores=scores,
        speech=window.speech,
        warnings=ood_warnings(numbers.get("ood_score")),
        **numbers,
    )


@lru_cache(maxsize=64)
def _tell_of_rerunning(name: str) -> None:
    """Say it once for each model."""
    _log.info(
        "the model %r cannot stream: each window runs through all of it again, "
        "which takes more work the more they overlap",
        name,
    )


def _detector(options: TimelineOptions, rate: int) -> VoiceActivity | None:
    wanted = options.vad == "silero" or (options.vad == "auto" and vad_is_installed())
    return VoiceActivity(options.vad_threshold) if wanted and rate == VAD_RATE else None
