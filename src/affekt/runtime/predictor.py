"""From a recording to its emotion."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affekt.audio import SAMPLE_RATE, AudioSource, LoadedAudio
from affekt.audio.check import QualityMeter
from affekt.audio.decode import Recording
from affekt.audio.load import Mono
from affekt.errors import AffektError, AudioError
from affekt.results import AudioQuality, Measurement, Prediction
from affekt.runtime.backends import Backend, open_backend
from affekt.runtime.bundle import open_bundle
from affekt.runtime.config import ModelConfig
from affekt.runtime.domain import read_domain
from affekt.runtime.encoder import RunningPool
from affekt.runtime.options import TimelineOptions
from affekt.runtime.parts import WHOLE_SECONDS, RunningMean, cut, part_samples
from affekt.runtime.session import Floats, numbers_of
from affekt.runtime.warnings import describe_warnings

if TYPE_CHECKING:
    from affekt.adapt import Baseline
    from affekt.data import Clip
    from affekt.runtime.adapted import Adaptation
    from affekt.runtime.examples import AdaptedModel
    from affekt.runtime.explain import Explanation
    from affekt.runtime.streaming.stream import Stream
    from affekt.runtime.streaming.timeline import Timeline
    from affekt.runtime.streaming.turns import TurnTimeline
    from affekt.turns import Turn


class Model:
    """A speech emotion recogniser.

    Made by :func:`load_model` or :meth:`Model.from_pretrained`; safe to share between threads.

    Parameters
    ----------
    backend : Backend
        The engine that runs the graph.
    adaptation : Adaptation, optional
        What is taken out of the answers.
    """

    def __init__(self, backend: Backend, adaptation: Adaptation | None = None) -> None:
        self._backend = backend
        self._adaptation = adaptation
        self._domain = read_domain(backend.config)

    @classmethod
    def from_pretrained(
        cls,
        id_or_path: str | os.PathLike[str] | None = None,
        *,
        threads: int | None = None,
        backend: str = "",
        device: str = "cpu",
    ) -> Model:
        """Load a model; see :func:`load_model`."""
        bundle = open_bundle(id_or_path)
        return cls(open_backend(bundle, engine=backend, threads=threads, device=device))

    @property
    def config(self) -> ModelConfig:
        """The model's configuration and metadata."""
        return self._backend.config

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs of its graph."""
        return self._backend.outputs

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions, in the order of the outputs."""
        return self.config.labels

    def __deepcopy__(self, memo: object) -> Model:
        return self  # nothing of it changes

    def __reduce__(self) -> tuple[Any, ...]:
        if self.folder is None:
            raise TypeError("only a model of a model directory can be pickled: it is opened again")
        return _reopened, (str(self.folder), self._adaptation)

    def __repr__(self) -> str:
        return f"Model(name={self.config.name!r}, labels={self.labels!r})"

    def baseline(self, sources: Iterable[AudioSource]) -> Baseline:
        """Measure a voice, or a room, from recordings without labels.

        Parameters
        ----------
        sources : iterable
            Recordings of one person, or of one room; a few seconds each, in whatever mood.

        Returns
        -------
        Baseline
            Statistics of their embeddings, no sound. More recordings go into it with
            ``baseline.merged(model.baseline(more))``.

        Raises
        ------
        AudioError
            If a recording cannot be used.
        ModelError
            If the model was exported before baselines were known.
        """
        from affekt.runtime.adapted import baseline_of

        answers = Model(self._backend).predict_each(sources)
        return baseline_of(self.config, map(_raised, answers))

    def with_baseline(self, baseline: Baseline) -> Model:
        """Return this model for the voice or the room of a baseline.

        It shares the graph. Predictions, time lines and streams are all made with the baseline
        taken out of every embedding; the embeddings in the answers stay as they are.

        Raises
        ------
        DataError
            If the baseline was built with another model.
        """
        from affekt.runtime.adapted import Adaptation

        return Model(self._backend, Adaptation(self.config, baseline))

    def adapt(
        self,
        examples: str | os.PathLike[str] | Sequence[Clip],
        out: str | os.PathLike[str],
        *,
        name: str | None = None,
        advance: Callable[[float], None] | None = None,
    ) -> AdaptedModel:
        """Learn labels from a few examples, and write the model that knows them.

        Parameters
        ----------
        examples : path or sequence of Clip
            A folder with one sub-folder per label (``tired/``, or ``tired/anna/`` to name the
            speaker), a CSV manifest, or clips.
        out : path
            Folder for the model: absent, empty, or of an earlier adaptation, which is replaced.
        name : str, optional
            Of the model; the folder's by default.
        advance : callable, optional
            Called with 1 after each example.

        Returns
        -------
        AdaptedModel
            With the figures; ``load_model(out)`` opens the model.

        Raises
        ------
        DataError
            If there are no examples of two labels, or they contradict each other.
        ModelError
            If the model is not a model directory with ``model.onnx``, or keeps no head.
        """
        from affekt.data import open_data
        from affekt.runtime.examples import adapt_to_examples

        clips = open_data(examples) if isinstance(examples, (str, os.PathLike)) else examples
        return adapt_to_examples(self, clips, out, name=name, advance=advance)

    def explain(
        self,
        source: AudioSource,
        *,
        emotion: str | None = None,
        window: float = 1.0,
        bands: int = 8,
    ) -> Explanation:
        """Tell which stretches and frequencies of a recording speak for an emotion.

        Parameters
        ----------
        source : str, path-like, bytes, binary file or (np.ndarray, int)
            A recording of two minutes at most, as in :meth:`predict`.
        emotion : str, optional
            What is explained; the answer by default.
        window : float
            Length of what is left out at once, in seconds; half of the recording at most.
        bands : int
            Number of bands of frequencies.

        Raises
        ------
        AudioError
            If the recording cannot be predicted, or is too long or too short to leave parts out.
        ConfigError
            If the model has no such emotion.
        """
        from affekt.runtime.explain import explain

        return explain(self, source, emotion=emotion, window=window, bands=bands)

    @property
    def folder(self) -> Path | None:
        """The model directory; None for a bare file, and for engines other than ONNX Runtime."""
        return getattr(self._backend, "folder", None)

    def predict(self, source: AudioSource, *, baseline: Baseline | None = None) -> Prediction:
        """Predict the emotion of one recording.

        Parameters
        ----------
        source : str, path-like, bytes, binary file or (np.ndarray, int)
            A recording in any format that :func:`affekt.load_audio` reads; samples come with
            their rate in Hz, as ``[samples]`` or ``[samples, channels]``.
        baseline : Baseline, optional
            Of the one who speaks, or of the room: see :meth:`with_baseline`.

        Raises
        ------
        AudioError
            If the recording cannot be read, is too short, or holds silence alone.
        """
        if baseline is not None:
            return self.with_baseline(baseline).predict(source)
        return _raised(next(self.predict_each([source])))

    def predict_batch(
        self, sources: Iterable[AudioSource], *, batch_size: int = 8
    ) -> list[Prediction]:
        """Predict the emotion of each recording; equal to calling ``predict`` on each.

        Parameters
        ----------
        sources : iterable
            Recordings, as in :meth:`predict`.
        batch_size : int
            How many clips of equal length run through the graph at once. Clips are never
            padded, so that an answer does not depend on its neighbours.

        Raises
        ------
        AudioError
            For the first recording that fails; :meth:`predict_each` goes on instead.
        """
        return [_raised(answer) for answer in self.predict_each(sources, batch_size=batch_size)]

    def predict_each(
        self, sources: Iterable[AudioSource], *, batch_size: int = 8
    ) -> Iterator[Prediction | AudioError]:
        """Yield, in order, the prediction for each recording, or the error that it gave.

        Parameters
        ----------
        sources : iterable
            Recordings, as in :meth:`predict`; read a few ahead, so it may be endless.
        batch_size : int
            How many clips of equal length run through the graph at once.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, expected 1 or more")
        remaining = iter(sources)
        while chunk := list(islice(remaining, batch_size)):
            answers = self._predict_chunk([self._load(source) for source in chunk])
            for source, answer in zip(chunk, answers, strict=True):
                if isinstance(answer, Prediction) and isinstance(source, (str, os.PathLike)):
                    answer = replace(answer, source=str(source))
                yield answer

    def timeline(
        self,
        source: AudioSource,
        options: TimelineOptions | None = None,
        *,
        turns: Sequence[Turn] | None = None,
        adapt: bool = True,
        baseline: Baseline | None = None,
    ) -> Timeline:
        """Yield the emotions of a recording with their times.

        Segments come while the recording is read, which may last for hours; those of turns come at
        its end.

        Parameters
        ----------
        source : str, path-like, bytes, binary file or (np.ndarray, int)
            A recording, as in :meth:`predict`.
        options : TimelineOptions, optional
        turns : sequence of Turn, optional
            Who speaks when. Each turn has an answer of its own, what `predict` says of it; one of
            more than ten seconds is answered in equal parts. Of the options, the threshold alone
            counts.
        adapt : bool
            Whether the baseline of each speaker with four turns of a second or more is taken out
            of their answers; not where there is a baseline already.
        baseline : Baseline, optional
            As in :meth:`predict`.

        Returns
        -------
        iterator of Segment
            In the order of time; none overlap, but turns do, and pauses lie between them. Its
            ``duration`` tells how much was read, in seconds, its ``warnings`` what was wrong with
            the turns.

        Raises
        ------
        AudioError
            If the recording cannot be read or is too short; the segments before a fault have
            come out by then.
        DataError
            If the turns are of another recording.
        MissingExtraError
            If the options want a detector that is not installed.
        """
        model = self if baseline is None else self.with_baseline(baseline)
        if turns is not None:
            from affekt.runtime.streaming.turns import TurnTimeline

            return TurnTimeline(
                self._backend, source, turns, options, model._adaptation, adapt=adapt
            )
        from affekt.runtime.streaming.timeline import Timeline

        return Timeline(model._backend, source, options, model._adaptation)

    def sentences(
        self,
        source: AudioSource,
        turns: Sequence[Turn],
        options: TimelineOptions | None = None,
        *,
        adapt: bool = True,
    ) -> TurnTimeline:
        """Give one answer for each turn, however long it is, as for sentences of a transcript.

        Parameters, order and errors are those of :meth:`timeline`; ``answers`` of what it returns
        has them by index of the turn, when all of it is read.
        """
        from affekt.runtime.streaming.turns import TurnTimeline

        return TurnTimeline(
            self._backend, source, turns, options, self._adaptation, adapt=adapt, whole=True
        )

    def measure(
        self,
        source: AudioSource,
        options: TimelineOptions | None = None,
        *,
        baseline: Baseline | None = None,
    ) -> Iterator[Measurement]:
        """Yield the answer of each hop: what :meth:`timeline` smooths and merges.

        Source, options, order and errors are those of :meth:`timeline`.
        """
        from affekt.runtime.streaming.timeline import measure

        model = self if baseline is None else self.with_baseline(baseline)
        return measure(model._backend, source, options, model._adaptation)

    def stream(
        self,
        options: TimelineOptions | None = None,
        *,
        sample_rate: int = SAMPLE_RATE,
        provisional: bool = False,
        baseline: Baseline | None = None,
        learn: bool = False,
    ) -> Stream:
        """Listen to sound as it comes.

        Parameters
        ----------
        options : TimelineOptions, optional
        sample_rate : int
            Of the chunks that will be pushed, in Hz.
        provisional : bool
            Provisional predictions before the first full window.
        baseline : Baseline, optional
            As in :meth:`predict`.
        learn : bool
            Learn the voice from the sound: the baseline, or an empty one, grows as it comes.
            ``stream.baseline`` is what it has become.

        Returns
        -------
        Stream
            Of its own; many may run at once.
        """
        from affekt.runtime.streaming.stream import Stream

        model = self
        if baseline is not None or (learn and self._adaptation is None):
            model = self.with_baseline(self.baseline([]) if baseline is None else baseline)
        return Stream(
            model._backend,
            options,
            sample_rate=sample_rate,
            provisional=provisional,
            adaptation=model._adaptation,
            learn=learn,
        )

    def predict_clips(self, clips: Sequence[LoadedAudio]) -> list[Prediction]:
        """Predict the emotion of clips that were loaded elsewhere.

        Parameters
        ----------
        clips : sequence of LoadedAudio
            What :func:`affekt.audio.load_clip` gives at the model's rate, and
            :meth:`refuse_unusable` lets pass.
        """
        return [_raised(answer) for answer in self._predict_chunk(clips)]

    def _load(self, source: AudioSource) -> LoadedAudio | Prediction | AudioError:
        """Load a recording; predict it at once where it is too long to be kept in memory."""
        rate = self.config.sample_rate
        sound = Mono(Recording(source), rate, QualityMeter())
        parts: list[Floats] = []
        length = 0
        try:
            blocks = iter(sound)
            for block in blocks:
                parts.append(block)
                length += len(block)
                if length > WHOLE_SECONDS * rate:
                    return self._predict_long(sound, parts, blocks)
            quality = sound.quality()
            self.refuse_unusable(sound.name, quality)
        except AudioError as error:
            return error
        return LoadedAudio(parts[0] if len(parts) == 1 else np.concatenate(parts), quality)

    def _predict_long(self, sound: Mono, begin: list[Floats], rest: Iterator[Floats]) -> Prediction:
        """Predict a recording while it is read, in the memory of a short one.

        Models that cannot stream answer for parts, see :mod:`affekt.runtime.parts`.

        Raises
        ------
        AudioError
            If it cannot be read, or is silent.
        """
        encoder, blocks = self._backend.frame_encoder(), chain(begin, rest)
        if encoder is None:
            means = RunningMean()
            for part in cut(blocks, part_samples(self.config)):
                means.add(self._backend.run(part[None]), part[None])
            quality = sound.quality()
            self.refuse_unusable(sound.name, quality)
            outputs = means.means()
        else:
            run, pool = encoder.start(), RunningPool(encoder.channels)
            for block in blocks:
                pool.add(*run.push(block))
            pool.add(*run.finish())
            quality = sound.quality()
            self.refuse_unusable(sound.name, quality)
            embedding = pool.pooled()
            outputs = {**encoder.classify(embedding[None]), "embedding": embedding[None]}
        return self._prediction(quality, self._adapted(outputs), 0)

    def _adapted(self, outputs: dict[str, Floats]) -> dict[str, Floats]:
        """Take the baseline out: of the embedding of a whole recording, also one in parts."""
        return outputs if self._adaptation is None else self._adaptation.moved(outputs)

    def refuse_unusable(self, name: str, quality: AudioQuality) -> None:
        """Raise for a recording that no answer can be given about.

        Raises
        ------
        AudioError
            If it is shorter than the model needs, or silent.
        """
        shortest = self.config.minimum_duration
        if quality.duration < shortest:
            raise AudioError(
                f"{name}: it is too short: {quality.duration:.2g} s, the model needs {shortest:g} s"
            )
        if quality.silent:
            raise AudioError(
                f"{name}: it is silent (peak {quality.peak_dbfs:.0f} dBFS); "
                f"check the microphone and the file"
            )

    def _predict_chunk(
        self, clips: Sequence[LoadedAudio | Prediction | AudioError]
    ) -> Iterator[Prediction | AudioError]:
        by_length: dict[int, list[int]] = {}
        for index, clip in enumerate(clips):
            if isinstance(clip, LoadedAudio):
                by_length.setdefault(len(clip.waveform), []).append(index)
        answers: dict[int, Prediction] = {}
        for indices in by_length.values():
            alike = [clip for i in indices if isinstance(clip := clips[i], LoadedAudio)]
            answers.update(zip(indices, self._run(alike), strict=True))
        for index, clip in enumerate(clips):
            yield answers[index] if isinstance(clip, LoadedAudio) else clip

    def _run(self, clips: Sequence[LoadedAudio]) -> list[Prediction]:
        waveforms = np.stack([clip.waveform for clip in clips])  # [batch, samples]
        outputs = self._adapted(self._backend.run(waveforms))
        return [self._prediction(clip.quality, outputs, i) for i, clip in enumerate(clips)]

    def _prediction(
        self, quality: AudioQuality, outputs: Mapping[str, Floats], index: int
    ) -> Prediction:
        """Return the answer of one row of a graph's outputs."""
        probabilities, embedding = outputs["probabilities"][index], outputs["embedding"][index]
        best = int(probabilities.argmax())
        ood_score = None
        if self._domain is not None:
            ood_score = self._domain.score(embedding, quality.duration)
        return Prediction(
            label=self.labels[best],
            confidence=float(probabilities[best]),
            scores=dict(zip(self.labels, map(float, probabilities), strict=True)),
            likely=self.config.prediction_set(probabilities),
            embedding=embedding,
            duration=quality.duration,
            warnings=tuple(describe_warnings(quality, ood_score=ood_score)),
            quality=quality,
            ood_score=ood_score,
            **numbers_of(outputs, index),
        )


def load_model(
    id_or_path: str | os.PathLike[str] | None = None,
    *,
    threads: int | None = None,
    backend: str = "",
    device: str = "cpu",
) -> Model:
    """Load a model.

    Parameters
    ----------
    id_or_path : str or path-like, optional
        A model directory, an ONNX or LiteRT file exported by affekt, or a hub id (``org/name`` or
        ``org/name@revision``), fetched once into the user's cache. The model that ships with
        the package when None.
    threads : int, optional
        Threads for the graph; by default the cores of this process, four at most.
    backend : str
        ``"onnx"``, ``"litert"``, or empty: what the model's file needs.
    device : str
        ``"cpu"``, ``"cuda"`` or ``"tensorrt"``; never silently another one.

    Raises
    ------
    ModelError
        If there is no such model, it is damaged, incomplete, or of a newer format, or the device
        is not there.
    """
    return Model.from_pretrained(id_or_path, threads=threads, backend=backend, device=device)


def _reopened(folder: str, adaptation: Adaptation | None) -> Model:
    return Model(open_backend(open_bundle(folder)), adaptation)


def _raised(answer: Prediction | AudioError) -> Prediction:
    if isinstance(answer, AffektError):
        raise answer
    return answer
