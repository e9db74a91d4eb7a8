"""The emotions of a recording turn by turn: who speaks is known before."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from affekt.audio import AudioSource
from affekt.audio.check import SILENCE_DBFS, QualityMeter
from affekt.audio.decode import Recording
from affekt.audio.load import Mono
from affekt.errors import AudioError, DataError
from affekt.results import UNCERTAIN, Segment
from affekt.runtime.adapted import Adaptation, baseline_of
from affekt.runtime.backends import Backend
from affekt.runtime.domain import read_domain
from affekt.runtime.head import KEY
from affekt.runtime.options import TimelineOptions
from affekt.runtime.session import Floats, numbers_of
from affekt.runtime.streaming.segmenter import Run
from affekt.runtime.streaming.sliding import WindowScore
from affekt.runtime.streaming.timeline import Timeline
from affekt.runtime.warnings import SHORT_DURATION
from affekt.turns import Turn, joined_turns, seconds_of_overlap

LONGEST_PART = 10.0
"""A turn that is longer is answered in equal parts, in seconds: the emotion may change in it."""
BASELINE_PARTS = 4
"""Parts from which a speaker has a baseline of their own."""
BASELINE_SECONDS = 1.0
"""Shorter parts are no part of a baseline."""
TOLERANCE = 0.5
"""Turns may end so much after the recording does without a word about it, in seconds."""
_SILENT_PEAK = 10 ** (SILENCE_DBFS / 20)


@dataclass(order=True)
class _Part:
    """A part of a turn; ordered by its start."""

    start: float
    end: float
    turn: int = field(compare=False)
    answer: WindowScore | None = field(default=None, compare=False)
    embedding: Floats | None = field(default=None, compare=False)


class TurnTimeline(Timeline):
    """The segments of the turns of a recording; see :meth:`affekt.Model.timeline`.

    They come when all of the recording is read.

    Parameters
    ----------
    backend : Backend
    source : AudioSource
    turns : sequence of Turn
    options : TimelineOptions, optional
        Of them, the threshold alone counts.
    adaptation : Adaptation, optional
        A baseline for all, in place of those of the speakers.
    adapt : bool
        Whether the baseline of each speaker is taken out.
    whole : bool
        Whether each turn gets one answer, however long it is, in `answers`.

    Attributes
    ----------
    answers : dict of int to Segment
        By index of the turn, if ``whole``.
    adapted : tuple of str
        The speakers whose own baseline was taken out.
    warnings : tuple of str
        What was wrong with the turns.
    """

    def __init__(
        self,
        backend: Backend,
        source: AudioSource,
        turns: Sequence[Turn],
        options: TimelineOptions | None = None,
        adaptation: Adaptation | None = None,
        *,
        adapt: bool = True,
        whole: bool = False,
    ) -> None:
        config = backend.config
        self._backend = backend
        self._domain = read_domain(config)
        asked = None if options is None else options.threshold
        self._threshold = config.window_threshold if asked is None else asked
        self._adaptation = adaptation
        self._adapt = adapt and KEY in config.raw and adaptation is None
        self._whole = whole
        # A transcript keeps each of its sentences.
        self._turns, self._joined = (list(turns), 0) if whole else joined_turns(turns)
        self.answers: dict[int, Segment] = {}
        self._sound = Mono(Recording(source), config.sample_rate, QualityMeter())
        self._segments = self._listen()
        self._seen: list[Segment] = []

    def _listen(self) -> Iterator[Segment]:
        parts = list(self._parts())
        self._check_places()
        heard = [part for part in parts if part.answer is not None]
        self.warnings = tuple(self._describe(parts, {part.turn for part in heard}))
        if self._adapt:
            self._take_out_baselines(heard)
        found: list[Segment] = []
        for turn, group in groupby(
            sorted(heard, key=lambda part: (part.turn, part.start)), key=lambda part: part.turn
        ):
            found += self._segments_of(turn, list(group))
        yield from sorted(found, key=lambda one: (one.start, one.end))

    def _parts(self) -> Iterator[_Part]:
        """Yield the parts of all turns, answered, while the recording is read."""
        rate = self._backend.config.sample_rate
        waiting: list[_Part] = []
        for index, turn in enumerate(self._turns):
            if turn.end > max(turn.start, 0):
                self._wait(waiting, index, turn.start)
        kept, first = np.zeros(0, np.float32), 0  # samples, and the place of the first
        ended = False
        for block in _with_end(self._sound):
            ended = block is None
            if block is not None:
                kept = np.concatenate([kept, block])
            reached = first + len(kept)
            while waiting:
                part = waiting[0]
                begin, end = self._samples_of(part, reached if ended else None)
                if begin >= reached or (end > reached and not ended):
                    break
                heapq.heappop(waiting)
                yield self._answered(part, kept[begin - first : end - first], reached / rate)
                self._wait(waiting, part.turn, part.end)
            needed = reached
            if waiting:
                needed = min(reached, self._samples_of(waiting[0], None)[0])
            kept, first = kept[max(0, needed - first) :], max(first, needed)

    def _wait(self, waiting: list[_Part], index: int, start: float) -> None:
        """Queue the part of a turn that begins at a time."""
        turn = self._turns[index]
        if start >= turn.end - 1e-6:
            return
        length = LONGEST_PART
        if turn.end < math.inf:
            length = turn.duration / math.ceil(turn.duration / LONGEST_PART - 1e-9)
        heapq.heappush(waiting, _Part(start, min(turn.end, start + length), index))

    def _samples_of(self, part: _Part, size: int | None) -> tuple[int, int]:
        """Return the samples of a part, with what is around it where it is too short by itself."""
        rate = self._backend.config.sample_rate
        start, end = max(0.0, part.start), part.end
        if size is not None:
            end = min(end, size / rate)
        missing = self._backend.config.minimum_duration - (end - start)
        if missing > 0:
            start, end = start - missing / 2, end + missing / 2
        begin = max(0, round(start * rate))
        stop = max(begin, round(end * rate) + (missing > 0))
        return begin, stop if size is None else min(stop, size)

    def _answered(self, part: _Part, samples: Floats, reached: float) -> _Part:
        """Return a part with what the model says of it; without, where there is no sound."""
        backend, rate = self._backend, self._backend.config.sample_rate
        shortest = backend.config.minimum_duration * rate
        if len(samples) < shortest or np.abs(samples).max() < _SILENT_PEAK:
            return part
        outputs = backend.run(samples[None])
        numbers = numbers_of(outputs, 0)
        embedding = outputs["embedding"][0]
        if self._domain is not None:
            score = self._domain.score(embedding, len(samples) / rate)
            numbers |= {} if score is None else {"ood_score": score}
        if self._adaptation is not None:
            outputs = self._adaptation.moved(outputs)
        part.answer = WindowScore(
            start=round(max(0.0, part.start), 6),
            end=round(min(part.end, reached), 6),
            scores=outputs["probabilities"][0].astype(np.float64),
            speech=None,
            numbers=numbers,
        )
        part.embedding = embedding if self._adapt and self._turns[part.turn].speaker else None
        return part

    def _take_out_baselines(self, parts: Sequence[_Part]) -> None:
        """Move the answers of each speaker who speaks enough by their own baseline."""
        config = self._backend.config
        groups: dict[str, list[_Part]] = {}
        for part in parts:
            if part.embedding is not None:
                groups.setdefault(self._turns[part.turn].speaker, []).append(part)
        adapted = []
        for speaker, group in groups.items():
            outputs = {
                "embedding": np.array([part.embedding for part in group]),
                "probabilities": np.array([_scores(part) for part in group]),
            }
            long = np.array([part.end - part.start >= BASELINE_SECONDS for part in group])
            if long.sum() < BASELINE_PARTS:
                continue
            own = Adaptation(config, baseline_of(config, []))
            own.learn({name: rows[long] for name, rows in outputs.items()})
            if own.idle:
                continue
            for part, moved in zip(group, own.moved(outputs)["probabilities"], strict=True):
                assert part.answer is not None
                part.answer = replace(part.answer, scores=moved.astype(np.float64))
            adapted.append(speaker)
        self.adapted = tuple(sorted(adapted))

    def _segments_of(self, index: int, parts: Sequence[_Part]) -> Iterator[Segment]:
        """Yield the segments of a turn: neighbours under one label are one."""
        turn = self._turns[index]
        groups = [
            list(group) for _, group in groupby(parts, lambda part: self._label(_scores(part)))
        ]
        for group in [list(parts)] if self._whole else groups:
            answers = [part.answer for part in group if part.answer is not None]
            run = Run("", answers[0].start)
            for answer, part in zip(answers, group, strict=True):
                run.add(answer, _scores(part))
            run.label = self._label(run.mean)
            segment = replace(run.segment(self._backend.config.labels), speaker=turn.speaker)
            if segment.duration < SHORT_DURATION:
                short = f"short: {segment.duration:.2f} s"
                segment = replace(segment, warnings=(*segment.warnings, short))
            if self._whole:
                self.answers[index] = segment
            yield segment

    def _label(self, scores: np.ndarray) -> str:
        best = int(scores.argmax())
        return self._backend.config.labels[best] if scores[best] >= self._threshold else UNCERTAIN

    def _check_places(self) -> None:
        """Refuse what belongs to another recording.

        Raises
        ------
        AudioError
            If the recording is too short.
        DataError
            If all turns begin after its end.
        """
        duration, shortest = self.duration, self._backend.config.minimum_duration
        if duration < shortest:
            raise AudioError(
                f"{self._sound.name}: it is too short: {duration:.2g} s, "
                f"the model needs {shortest:g} s"
            )
        if self._turns and all(one.start >= duration for one in self._turns):
            raise DataError(
                f"{self._sound.name}: it ends at {duration:.1f} s, and all "
                f"{len(self._turns)} turns begin later: they are of another recording"
            )

    def _describe(self, parts: Sequence[_Part], heard: set[int]) -> Iterator[str]:
        """Yield in words what was wrong with the turns."""
        duration, turns = self.duration, self._turns
        inside = [one for one in turns if one.start < duration]
        if not turns:
            yield "turns: there are none, so that nobody speaks"
        if len(inside) < len(turns):
            yield (
                f"turns: {len(turns) - len(inside)} of {len(turns)} begin after the recording ends "
                f"at {duration:.1f} s, and have no answer: are they of another recording?"
            )
        late = duration + TOLERANCE
        cut = sum(one.start < 0 or late < one.end < math.inf for one in inside)
        if cut:
            yield f"turns: {cut} leave the recording and are cut there"
        silent = [i for i, one in enumerate(turns) if i not in heard and one.start < duration]
        if silent:
            places = ", ".join(f"{turns[i].start:.1f} s" for i in silent[:5])
            more = f" and {len(silent) - 5} more" if len(silent) > 5 else ""
            yield f"turns: {len(silent)} have no sound and no answer, at {places}{more}"
        if self._joined:
            yield f"turns: {self._joined} overlap with another one of the same speaker: joined"
        overlap = seconds_of_overlap([one for one in inside if not self._whole])
        if overlap >= TOLERANCE:
            yield f"turns: more than one person speaks at a time in {overlap:.1f} s"
        unknown = sum(not one.speaker for one in inside)
        if unknown and any(one.speaker for one in turns):
            yield f"turns: {unknown} have no speaker"


def _scores(part: _Part) -> np.ndarray:
    assert part.answer is not None
    assert part.answer.scores is not None
    return part.answer.scores


def _with_end(sound: Mono) -> Iterator[Floats | None]:
    """Yield the blocks of a recording, then None."""
    yield from sound
    yield None
