"""The records of an answer: their fields, units, JSON and JSON schema.

    Prediction   one answer for a whole recording
    Measurement  one answer for a single window
    Segment      one answer for a stretch of a recording
    Track        the segments of a recording, and a SpeakerSummary of each speaker
    Outcome      the prediction of a recording in a batch, or its error

Every place that writes, sends or describes an answer derives it from these classes: the output
formats, the report, the command line, the server and its OpenAPI document, the client, and the
types of the browser module. A further field is one more entry here (see `affekt.records`).
`to_dict` rounds each number to its digits and leaves out what is not known
(None, or an empty text), so that a field which a model does not fill changes nothing.

In a notebook, a prediction, a segment and a track show themselves as bars and ribbons, and
`to_frame` and `plot` make tables and pictures. `affekt.formats` does that work; it stands above
these records, so that it is named by its path where it is called.

>>> segment = Segment(0.0, 1.5, "happy", 0.8, {"happy": 0.8, "sad": 0.2})
>>> segment.to_dict()["end"]
1.5
>>> Segment.from_dict(segment.to_dict()) == segment
True
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from affekt.labels import CIRCUMPLEX
from affekt.records import Info, Record, documented, fields_of

Floats = NDArray[np.float32]

UNCERTAIN = "uncertain"
"""The label of a stretch in which no emotion is probable enough to be named."""

DIMENSIONS = ("valence", "arousal", "dominance")
"""Fields of an answer from -1 to 1, in the order of `affekt.labels.CIRCUMPLEX`."""
DERIVED, TRAINED = "derived", "trained"
_ROUNDING = 1e-5  # more than rounded scores move a derived dimension by


@documented
@dataclass(frozen=True)
class AudioQuality(Record):
    """Level and faults of a recording; levels are relative to full scale (1.0)."""

    duration: Annotated[float, Info("Length of the recording.", unit="seconds", minimum=0)]
    rms_dbfs: Annotated[
        float, Info("Root mean square; a full-scale sine has -3.01.", unit="dB", digits=2)
    ]
    peak_dbfs: Annotated[
        float,
        Info("Largest magnitude; above 0 where samples overshoot full scale.", unit="dB", digits=2),
    ]
    clipped_fraction: Annotated[
        float, Info("Share of the samples at or beyond full scale.", minimum=0, maximum=1)
    ]
    silent: Annotated[bool, Info("Whether the peak is too low for any speech.")]
    snr_db: Annotated[
        float | None,
        Info("Sound above the steady noise under it; unknown if it is short.", unit="dB", digits=2),
    ] = None
    bandwidth_hz: Annotated[
        float | None,
        Info("Highest frequency of the sound; unknown in silence.", unit="Hz", digits=0, minimum=0),
    ] = None
    held_tones: Annotated[
        float | None,
        Info(
            "Share of the sound in tones that hold their pitch, as in music; unknown in silence "
            "and where it is too short.",
            digits=4,
            minimum=0,
            maximum=1,
        ),
    ] = None
    damaged_packets: Annotated[
        int | None,
        Info("Packets of the file that could not be decoded, and were left out.", minimum=0),
    ] = None


@documented
@dataclass(frozen=True, repr=False)
class Answer(Record):
    """What a model predicts of a stretch of sound.

    What further heads, speaker baselines or sets of labels say about it is a field here, too, and
    is known then to every format, the server, the client and the browser module.
    """

    label: Annotated[
        str, Info(f"The most probable emotion; '{UNCERTAIN}' where none is probable enough.")
    ]
    confidence: Annotated[
        float,
        Info(
            "Calibrated probability of the label; of the most probable one if it is uncertain.",
            minimum=0,
            maximum=1,
        ),
    ]
    scores: Annotated[
        dict[str, float],
        Info(
            "Probability of every emotion, in the order of the model; they sum to 1.",
            minimum=0,
            maximum=1,
        ),
    ]
    intensity: Annotated[
        float | None,
        Info(
            "How strongly the emotion is shown, from 0 (faint) to 1 (strong).",
            minimum=0,
            maximum=1,
            shown=".0%",
            output=True,
        ),
    ] = field(default=None, kw_only=True)
    valence: Annotated[
        float | None,
        Info(
            "From unpleasant (-1) to pleasant (1).",
            minimum=-1,
            maximum=1,
            shown="+.2f",
            output=True,
        ),
    ] = field(default=None, kw_only=True)
    arousal: Annotated[
        float | None,
        Info("From calm (-1) to excited (1).", minimum=-1, maximum=1, shown="+.2f", output=True),
    ] = field(default=None, kw_only=True)
    dominance: Annotated[
        float | None,
        Info(
            "From powerless (-1) to in control (1).",
            minimum=-1,
            maximum=1,
            shown="+.2f",
            output=True,
        ),
    ] = field(default=None, kw_only=True)
    dimensions: Annotated[
        str,
        Info(
            f"Where valence, arousal and dominance come from: '{TRAINED}', or '{DERIVED}' from the "
            "scores by published norms."
        ),
    ] = field(default="", kw_only=True)
    ood_score: Annotated[
        float | None,
        Info(
            "How unlike speech of the training data the sound is; above 1, a warning.",
            digits=4,
            minimum=0,
        ),
    ] = field(default=None, kw_only=True)
    warnings: Annotated[tuple[str, ...], Info("What makes the answer less sure.")] = field(
        default=(), kw_only=True
    )

    def __post_init__(self) -> None:
        # What a model does not say follows from the scores, again whenever these are replaced.
        known = any(getattr(self, name) is not None for name in DIMENSIONS)
        if known and self.dimensions != DERIVED:
            object.__setattr__(self, "dimensions", TRAINED)
            return
        found = derived_dimensions(self.scores)
        object.__setattr__(self, "dimensions", DERIVED if found else "")
        for name in DIMENSIONS:
            given, value = getattr(self, name), found.get(name)
            # Those of an answer read from JSON, whose scores are rounded, stay as they are.
            if given is None or value is None or abs(given - value) > _ROUNDING:
                object.__setattr__(self, name, value)

    def ranked(self) -> list[tuple[str, float]]:
        """Return the emotions with their probabilities, the most probable first."""
        return sorted(self.scores.items(), key=lambda item: -item[1])

    def extras(self) -> dict[str, str]:
        """Return, as people read them, the fields beside the label that have a value.

        Without those that are derived from the scores.
        """
        left_out = DIMENSIONS if self.dimensions == DERIVED else ()
        return {
            one.name: shown.join(value) if isinstance(value, tuple) else format(value, shown)
            for one in fields_of(type(self))
            if (shown := one.info.shown)
            and one.name not in left_out
            and (value := getattr(self, one.name)) is not None
        }

    def to_hf(self, top_k: int | None = None) -> list[dict[str, Any]]:
        """Return what the audio classification pipeline of Hugging Face gives.

        Parameters
        ----------
        top_k : int, optional
            How many emotions; all by default.

        Returns
        -------
        list of dict
            Each with ``label`` and ``score``, the most probable first.
        """
        return [{"label": label, "score": score} for label, score in self.ranked()[:top_k]]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._summary()})"

    def _summary(self) -> str:
        words = [f"{name} {score:.0%}" for name, score in self.ranked()[:2]]
        if self.label == UNCERTAIN:
            words.insert(0, UNCERTAIN)
        return ", ".join([*words, *(f"! {warning}" for warning in self.warnings)])

    def _repr_html_(self) -> str:
        return str(import_module("affekt.formats.notebook").answer_html(self))


@documented
@dataclass(frozen=True, repr=False)
class Prediction(Answer):
    """The answer for one whole recording.

    ``embedding`` [shape=(dim,)], the pooled representation in float32, and ``source``, the path of
    the recording, are not part of the JSON: they are empty in a prediction that was read from it.
    """

    duration: Annotated[float, Info("Length of the recording.", unit="seconds", minimum=0)] = field(
        kw_only=True
    )
    quality: Annotated[
        AudioQuality | None, Info("Level, clipping, noise and bandwidth of the recording.")
    ] = field(default=None, kw_only=True)
    modalities: Annotated[
        dict[str, float] | None,
        Info(
            "Share of each modality (voice, face, text) in the answer, below 0 where it speaks "
            "against it; the magnitudes sum to 1. Unknown where the voice alone was asked.",
            digits=4,
            minimum=-1,
            maximum=1,
        ),
    ] = field(default=None, kw_only=True)
    likely: Annotated[
        tuple[str, ...] | None,
        Info(
            "The emotions that are probable enough for the true one to be among them in about "
            "nine of ten recordings, the most probable first; unknown where that was not measured.",
            shown=" or ",
        ),
    ] = field(default=None, kw_only=True)
    embedding: Floats = field(
        default_factory=lambda: np.zeros(0, np.float32), compare=False, kw_only=True
    )
    source: str = field(default="", compare=False, kw_only=True)

    def _summary(self) -> str:
        return f"{super()._summary()}, {self.duration:.1f} s"

    def to_frame(self) -> Any:
        """Return a pandas table of one row; see `affekt.formats.frame.to_frame`."""
        return _frame([Outcome(self.source, self)])

    def extras(self) -> dict[str, str]:
        """Return, as people read them, the fields beside the label that have a value."""
        shares = ", ".join(f"{name} {share:.0%}" for name, share in (self.modalities or {}).items())
        return super().extras() | ({"modalities": shares} if shares else {})


@dataclass(frozen=True)
class _Interval(Record):
    start: Annotated[
        float, Info("Beginning, from that of the recording.", unit="seconds", minimum=0)
    ]
    end: Annotated[
        float, Info("End, from the beginning of the recording.", unit="seconds", minimum=0)
    ]

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start


@documented
@dataclass(frozen=True, repr=False)
class Measurement(Answer, _Interval):
    """The answer for one window, assigned to the hop in its middle.

    Hops follow each other; those without sound are left out.
    """

    speech: Annotated[
        float | None,
        Info(
            "Share of the hop in which somebody speaks; unknown without a detector.",
            minimum=0,
            maximum=1,
        ),
    ] = field(default=None, kw_only=True)
    provisional: Annotated[
        bool,
        Info(
            "Whether it is about all of the last seconds, before the first whole window, and has "
            "no part in a segment."
        ),
    ] = field(default=False, kw_only=True)


@documented
@dataclass(frozen=True, repr=False)
class Segment(Answer, _Interval):
    """A stretch of a recording under one label; its numbers are means over its windows."""

    speaker: Annotated[str, Info("Who speaks; empty where unknown.")] = field(
        default="", kw_only=True
    )

    def _summary(self) -> str:
        who = f" {self.speaker}" if self.speaker else ""
        return f"{self.start:.1f} to {self.end:.1f} s{who}: {super()._summary()}"


@documented
@dataclass(frozen=True)
class SpeakerSummary(Record):
    """The emotions of one speaker of a recording."""

    speaker: Annotated[str, Info("Who.")]
    seconds: Annotated[float, Info("Length of the segments.", unit="seconds", minimum=0)]
    segments: Annotated[int, Info("How many segments.", minimum=0)]
    shares: Annotated[
        dict[str, float],
        Info("Share of the seconds under each label, the largest first.", minimum=0, maximum=1),
    ]
    adapted: Annotated[
        bool, Info("Whether the speaker's own baseline was taken out of the answers.")
    ] = False


@documented
@dataclass(frozen=True, repr=False)
class Track(Record):
    """The time line of one recording, or the error that it gave."""

    file: Annotated[str, Info("Name of the recording, as the user wrote it.")]
    segments: Annotated[
        tuple[Segment, ...],
        Info(
            "In the order of time; those of one speaker do not overlap. Those before a fault stay."
        ),
    ] = ()
    duration: Annotated[
        float,
        Info("Length of the recording; 0 if unreadable.", unit="seconds", minimum=0),
    ] = 0.0
    error: Annotated[str, Info("What was wrong; empty where the recording was read.")] = ""
    quality: Annotated[
        AudioQuality | None, Info("Level, clipping, noise and bandwidth of the recording.")
    ] = None
    warnings: Annotated[tuple[str, ...], Info("What makes the answers less sure.")] = ()
    ood_score: Annotated[
        float | None,
        Info("Mean of the segments' scores: how unlike the training data.", digits=4, minimum=0),
    ] = None
    speakers: Annotated[
        tuple[SpeakerSummary, ...] | None, Info("Of each speaker, by name; unknown without names.")
    ] = None

    def __repr__(self) -> str:
        count = f"{len(self.segments)} segment{'' if len(self.segments) == 1 else 's'}"
        error = f", error: {self.error}" if self.error else ""
        return f"Track({self.file!r}, {count}, {self.duration:.1f} s{error})"

    def _repr_html_(self) -> str:
        return str(import_module("affekt.formats.notebook").track_html(self))

    def to_frame(self) -> Any:
        """Return a pandas table with a row a segment; see `affekt.formats.frame.to_frame`."""
        return _frame([self])

    def plot(self, ax: Any = None) -> Any:
        """Draw the ribbon of emotions; see `affekt.formats.report.png.plot`."""
        return import_module("affekt.formats.report.png").plot(self, ax)


@documented
@dataclass(frozen=True)
class Outcome(Record):
    """What became of one recording in a batch: its prediction, or the error that it gave."""

    file: Annotated[str, Info("Name of the recording, as the user wrote it.")]
    prediction: Annotated[
        Prediction | None, Info("The answer; in JSON its fields stand beside `file`.", inline=True)
    ] = None
    error: Annotated[str, Info("What was wrong; empty where there is a prediction.")] = ""


def _frame(results: Sequence[Track | Outcome]) -> Any:
    return import_module("affekt.formats.frame").to_frame(results)


OUTPUTS: Mapping[str, Info] = MappingProxyType(
    {one.name: one.info for one in fields_of(Answer) if one.info.output}
)
"""By name, the outputs of a graph beside ``probabilities`` and ``embedding``: one number each."""

NUMBERS = tuple(one.name for one in fields_of(Answer) if one.kind is float and one.optional)
"""Fields of an answer that are numbers a model may not give: of several answers, their mean."""


def derived_dimensions(scores: Mapping[str, float]) -> dict[str, float]:
    """Return the mean of `DIMENSIONS` over emotions by their norms, weighted by probability.

    Empty where a label has no norm.
    """
    if not scores or not scores.keys() <= CIRCUMPLEX.keys():
        return {}
    total = sum(scores.values()) or 1.0
    points = [(value, CIRCUMPLEX[label]) for label, value in scores.items()]
    return {
        name: round(sum(value * point[axis] for value, point in points) / total, 6)
        for axis, name in enumerate(DIMENSIONS)
    }


def mean_numbers(answers: Iterable[Answer], seconds: Sequence[float]) -> dict[str, Any]:
    """Return the means of `NUMBERS`, weighted by duration, over the answers that know them.

    Derived dimensions are left out: they follow from the mean of the scores.
    """
    rows = list(zip(answers, seconds, strict=True))
    means: dict[str, float | None] = {}
    for name in NUMBERS:
        known = [
            (value, s)
            for one, s in rows
            if (value := getattr(one, name)) is not None
            and not (name in DIMENSIONS and one.dimensions == DERIVED)
        ]
        total = sum(weight for _, weight in known)
        means[name] = sum(value * s for value, s in known) / total if total > 0 else None
    return means


def label_shares(segments: Iterable[Segment]) -> dict[str, float]:
    """Return the share of each label of the seconds of segments, the largest first."""
    seconds: dict[str, float] = {}
    for one in segments:
        seconds[one.label] = seconds.get(one.label, 0.0) + one.duration
    total = sum(seconds.values())
    ranked = sorted(seconds.items(), key=lambda item: -item[1])
    return {label: amount / total for label, amount in ranked if total > 0}


def summarise_speakers(
    segments: Iterable[Segment], adapted: Sequence[str] = ()
) -> tuple[SpeakerSummary, ...] | None:
    """Sum up the segments of each speaker who has a name, by name; None where nobody has."""
    groups: dict[str, list[Segment]] = {}
    for one in segments:
        if one.speaker:
            groups.setdefault(one.speaker, []).append(one)
    return (
        tuple(
            SpeakerSummary(
                speaker=speaker,
                seconds=sum(one.duration for one in group),
                segments=len(group),
                shares=label_shares(group),
                adapted=speaker in adapted,
            )
            for speaker, group in sorted(groups.items())
        )
        or None
    )


def as_track(result: Track | Outcome) -> Track:
    """Return a prediction as the time line of one segment over the whole recording."""
    if isinstance(result, Track):
        return result
    answer = result.prediction
    if answer is None:
        return Track(result.file, error=result.error)
    own = {one.name: getattr(answer, one.name) for one in fields_of(Answer)}
    return Track(
        file=result.file,
        segments=(Segment(start=0.0, end=answer.duration, **{**own, "warnings": ()}),),
        duration=answer.duration,
        quality=answer.quality,
        warnings=answer.warnings,
        ood_score=answer.ood_score,
    )
