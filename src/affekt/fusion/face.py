"""Tables of face units (action units), and a linear model of their means.

OpenFace   a CSV of each video with a row per frame (``frame``, ``timestamp``, ``success``,
           ``AU01_r`` ... intensities, ``AU01_c`` ... presences)
py-feat    the same with ``AU01`` ... and probabilities of seven emotions (``anger`` ...), which
           are an answer by themselves
means      a row per recording, its name in the first column

Baltrusaitis et al., "OpenFace 2.0: facial behavior analysis toolkit", 2018; Cheong et al.,
"Py-Feat: Python facial expression analysis toolbox", 2023.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affekt.adapt.examples import LinearHead, fit_head
from affekt.errors import DataError
from affekt.evaluation.calibration import fit_temperature, softmax
from affekt.evaluation.metrics import uar
from affekt.files import atomic_path, json_text
from affekt.labels import canonical
from affekt.turns.speakers import read_text

Doubles = npt.NDArray[np.float64]

FORMAT_VERSION = 1
_UNIT = re.compile(r"AU\d\d(_[rc])?")
_EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""Columns in which py-feat says what it sees."""
_NAMES = ("clip", "file", "name", "filename", "input")
_RAVDESS = re.compile(r"\d\d((?:-\d\d){6})")
"""A name of RAVDESS; its first number tells video from sound."""
_SLACK = 0.5  # seconds by which sound and picture of one recording may differ
_SLACK_SHARE = 0.05  # of the recording
_SAME_RATE = 0.02  # rates of frames that differ by less are equal
_SHOWN = 5
_GROUPS = 5
_LEAST_SPEAKERS = 2


@dataclass(frozen=True, eq=False)
class FaceTable:
    """The face units of one recording.

    Attributes
    ----------
    path : Path
    units : mapping of str to float
        Mean of each column over the frames with a face.
    emotions : mapping of str to float
        Means of the probabilities that py-feat gives; empty without.
    rate : float, optional
        Frames per second; unknown without times.
    frames : int
        To the end of the recording, those without a face among them; 0 for a table of means.
    """

    path: Path
    units: Mapping[str, float]
    emotions: Mapping[str, float]
    rate: float | None
    frames: int

    def check(self, recording: str, seconds: float, video_rate: float | None = None) -> None:
        """Refuse the table of another recording.

        Parameters
        ----------
        recording : str
            Its name, for the message.
        seconds : float
            Its length.
        video_rate : float, optional
            Its frames per second, where it has a picture.

        Raises
        ------
        DataError
            If the rates of frames or the lengths differ. A table of means says neither.
        """
        rate = self.rate or video_rate
        if not self.frames or rate is None:
            return
        if video_rate is not None and abs(rate / video_rate - 1) > _SAME_RATE:
            raise DataError(
                f"{self.path}: it has {rate:.3g} frames per second, {recording} has "
                f"{video_rate:.3g}: make the table of this very file"
            )
        length = self.frames / rate
        if abs(length - seconds) > max(_SLACK, _SLACK_SHARE * seconds):
            raise DataError(
                f"{self.path}: it is {length:.1f} s long, {recording} {seconds:.1f} s: it is of "
                "another recording, or of another frame rate"
            )


def read_face(path: str | os.PathLike[str], recording: str = "") -> FaceTable:
    """Read a table of face units.

    Parameters
    ----------
    path : str or path-like
        A table, or a folder with ``NAME.csv`` for each recording.
    recording : str
        The recording, whose name tells the row of a table of means, and the file of a folder.

    Raises
    ------
    DataError
        If there is no such table or row, columns are absent, or there are several faces.
    """
    path = Path(path)
    if path.is_dir():
        own = [one for one in sorted(path.glob("*.csv")) if _same_name(one.name, recording)]
        if len(own) != 1:
            raise DataError(f"{path}: it holds {len(own) or 'no'} tables for {recording}")
        path = own[0]
    header, rows = _read_rows(path)
    lower = [name.lower() for name in header]
    units = [name for name in header if _UNIT.fullmatch(name)]
    emotions = [name for name in _EMOTIONS if name in lower]
    if len(emotions) < len(_EMOTIONS):
        emotions = []
    if not units and not emotions:
        raise DataError(
            f"{path}: it has no face units: expected columns such as AU12_r (OpenFace) or AU12 "
            "(py-feat)"
        )
    places = [header.index(name) for name in units] + [lower.index(name) for name in emotions]
    if "frame" not in lower:
        rows = [_row_of(path, lower, rows, recording)]
    values = _numbers(path, header, rows, places)
    frames, rate = 0, None
    seen = np.asarray(np.isfinite(values).all(axis=1))
    if "frame" in lower:
        if "success" in lower:
            seen &= np.asarray(_numbers(path, header, rows, [lower.index("success")])[:, 0] > 0)
        frames, rate = _timing(path, header, rows, seen)
    if not seen.any():
        raise DataError(f"{path}: no frame of it shows a face")
    means = values[seen].mean(axis=0)
    found = dict(zip(units, map(float, means), strict=False))
    told = means[len(units) :]
    total = float(told.sum())
    if emotions and (total <= 0 or (told < 0).any()):
        raise DataError(f"{path}: its emotions are no probabilities")
    by_emotion = {
        canonical(name): float(value / total) for name, value in zip(emotions, told, strict=True)
    }
    return FaceTable(path, found, by_emotion, rate, frames)


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    return _rows_of(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1)  # of means, one table serves many recordings
def _rows_of(path: Path, changed: int, size: int) -> tuple[list[str], list[list[str]]]:
    lines = list(csv.reader(read_text(path).splitlines()))
    rows = [row for row in lines[1:] if row]
    if not rows:
        raise DataError(f"{path}: it has no rows: expected a table of face units")
    header = [name.strip() for name in lines[0]]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise DataError(f"{path}, row {number}: {len(row)} cells, the header has {len(header)}")
    return header, rows


def _numbers(
    path: Path, header: Sequence[str], rows: Sequence[Sequence[str]], places: Sequence[int]
) -> Doubles:
    """Return some columns ``[rows, columns]``; nan where a cell is empty."""
    values = np.empty((len(rows), len(places)))
    for index, row in enumerate(rows):
        for column, place in enumerate(places):
            try:
                values[index, column] = float(row[place].strip() or "nan")
            except ValueError:
                raise DataError(
                    f"{path}: {row[place].strip()[:40]!r} in the column {header[place]} is no "
                    "number"
                ) from None
    return values


def _row_of(
    path: Path, header: Sequence[str], rows: Sequence[list[str]], recording: str
) -> list[str]:
    """Return the row of a recording in a table of means."""
    place = next((header.index(name) for name in _NAMES if name in header), None)
    if place is None:
        if len(rows) == 1:
            return rows[0]
        raise DataError(
            f"{path}: its {len(rows)} rows are neither frames (a column frame) nor recordings (a "
            "column clip)"
        )
    own = [row for row in rows if _same_name(row[place].strip(), recording)]
    if len(own) != 1:
        raise DataError(f"{path}: it has {len(own) or 'no'} rows for {recording or 'no name'}")
    return own[0]


def _same_name(one: str, other: str) -> bool:
    return _key(one) == _key(other)


def _key(name: str) -> str:
    stem = Path(name.replace("\\", "/")).name
    stem = stem.rsplit(".", 1)[0] if "." in stem else stem
    ravdess = _RAVDESS.fullmatch(stem)
    return ravdess[1] if ravdess else stem


def _timing(
    path: Path, header: Sequence[str], rows: Sequence[list[str]], seen: npt.NDArray[np.bool_]
) -> tuple[int, float | None]:
    """Return how many frames there are to the last, and how many a second."""
    lower = [name.lower() for name in header]
    frames = _numbers(path, header, rows, [lower.index("frame")])[:, 0]
    if not np.isfinite(frames).all() or (frames < 0).any():
        raise DataError(f"{path}: the column frame has a gap, or numbers below 0")
    numbers, counts = np.unique(frames[seen], return_counts=True)
    if (counts > 1).any():
        raise DataError(
            f"{path}: frame {numbers[counts > 1][0]:g} has several faces: keep the rows of the one "
            "who speaks"
        )
    count = int(frames.max() - frames.min()) + 1
    if "timestamp" not in lower:
        return count, None
    times = _numbers(path, header, rows, [lower.index("timestamp")])[:, 0]
    order = np.argsort(frames, kind="stable")
    steps, lengths = np.diff(frames[order]), np.diff(times[order])
    forward = steps > 0
    if not forward.any():
        return count, None
    if not np.isfinite(times).all() or (lengths[forward] <= 0).any():
        raise DataError(f"{path}: its timestamps do not grow with its frames")
    return count, float(steps[forward].sum() / lengths[forward].sum())


def video_rate(path: str | os.PathLike[str]) -> float | None:
    """Return the frames per second of a recording's picture; None where it has none."""
    import av

    try:
        with av.open(os.fspath(path)) as container:
            for stream in container.streams.video:
                if not (stream.disposition & av.stream.Disposition.attached_pic):
                    return float(stream.average_rate) if stream.average_rate else None
    except (av.error.FFmpegError, OSError):
        return None  # whether the sound can be read is not asked here
    return None


# --- a model of face units ---


@dataclass(frozen=True, eq=False)
class FaceModel:
    """A linear model of the means of face units.

    Attributes
    ----------
    labels : tuple of str
    units : tuple of str
        Columns that it needs.
    head : LinearHead
        Calibrated, of the means as they are.
    weights : mapping of str to float
        Of the modalities ``voice`` and ``face``, fitted for `voice`; empty where they were not.
    voice : str
        Name of the model of the voice that they are for.
    metrics : mapping
        ``uar``, with the speakers of the examples left out, ``clips`` and ``speakers``.
    licence : str
        Of the examples, and thus of the model.
    """

    labels: tuple[str, ...]
    units: tuple[str, ...]
    head: LinearHead
    weights: Mapping[str, float] = field(default_factory=dict)
    voice: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    licence: str = ""

    def predict(self, table: FaceTable) -> dict[str, float]:
        """Return the probability of each emotion.

        Raises
        ------
        DataError
            If the table lacks columns.
        """
        absent = [name for name in self.units if name not in table.units]
        if absent:
            more = f" and {len(absent) - _SHOWN} more" if len(absent) > _SHOWN else ""
            raise DataError(
                f"{table.path}: it lacks the columns {', '.join(absent[:_SHOWN])}{more}, which the "
                "face model needs: make the table with the tool that made its examples"
            )
        logits = self.logits(np.array([[table.units[name] for name in self.units]]))
        return dict(zip(self.labels, map(float, softmax(logits)[0]), strict=True))

    def logits(self, means: npt.ArrayLike) -> Doubles:
        """Calibrated logits ``[clips, emotions]`` of means ``[clips, units]``."""
        return np.asarray(np.asarray(means) @ self.head.weights.T + self.head.bias)

    def weights_for(self, voice: str) -> Mapping[str, float]:
        """Weights of the modalities beside a model of the voice; empty where not fitted for it."""
        return self.weights if voice == self.voice else {}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON."""
        values = {
            "format_version": FORMAT_VERSION,
            "licence": self.licence,
            "labels": self.labels,
            "units": self.units,
            "voice": self.voice,
            "weights": self.weights,
            "metrics": self.metrics,
            "head": {"weights": self.head.weights.tolist(), "bias": self.head.bias.tolist()},
        }
        with atomic_path(path) as partial:
            partial.write_text(json_text(values), encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FaceModel:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If it cannot be read, or is no face model.
        """
        path = Path(path)
        try:
            values: Any = json.loads(read_text(path))
            if values["format_version"] > FORMAT_VERSION:
                raise DataError(f"{path}: it is of a newer version of affekt: update affekt")
            head = LinearHead(
                np.array(values["head"]["weights"], dtype=np.float64),
                np.array(values["head"]["bias"], dtype=np.float64),
            )
            model = cls(
                labels=tuple(map(str, values["labels"])),
                units=tuple(map(str, values["units"])),
                head=head,
                weights={str(name): float(one) for name, one in values["weights"].items()},
                voice=str(values["voice"]),
                metrics=dict(values["metrics"]),
                licence=str(values["licence"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise DataError(f"{path}: it is no face model, or damaged: see affekt face") from None
        shape = (len(model.labels), len(model.units))
        sound = np.isfinite(head.weights).all() and np.isfinite(head.bias).all()
        if head.weights.shape != shape or head.bias.shape != shape[:1] or not sound:
            raise DataError(f"{path}: the face model is damaged: make it again with affekt face")
        return model


def fit_face(
    means: npt.ArrayLike,
    units: Sequence[str],
    emotions: Sequence[str],
    speakers: Sequence[str],
) -> tuple[FaceModel, Doubles]:
    """Learn a face model from labelled recordings.

    Parameters
    ----------
    means : array [shape=(clips, units)]
        Of the units of each recording.
    units, emotions, speakers : sequence of str
        Names of the columns, and of each recording its emotion and who speaks.

    Returns
    -------
    FaceModel
        Calibrated on speakers that were left out.
    np.ndarray [shape=(clips, emotions)]
        Its probabilities for each recording with the speaker left out, in the order of its labels.

    Raises
    ------
    DataError
        If there are fewer than two emotions or speakers.
    """
    x = np.asarray(means, dtype=np.float64)
    labels, targets = np.unique(np.array(emotions, dtype=object).astype(str), return_inverse=True)
    names, voices = np.unique(np.array(speakers, dtype=object).astype(str), return_inverse=True)
    if len(labels) < _LEAST_SPEAKERS or len(names) < _LEAST_SPEAKERS:
        raise DataError(
            f"a face model learns from two emotions and two speakers or more, got {len(labels)} "
            f"and {len(names)}"
        )
    start = LinearHead(np.zeros((len(labels), x.shape[1])), np.zeros(len(labels)))

    def fitted(chosen: npt.NDArray[np.bool_]) -> LinearHead:
        # A class without examples would have no weight to be divided by.
        if len(np.unique(targets[chosen])) < len(labels):
            raise DataError("each emotion needs examples of two speakers or more")
        return fit_head(x[chosen], targets[chosen], start)

    logits = np.empty((len(x), len(labels)))
    groups = voices % _GROUPS
    for group in np.unique(groups):
        own = groups == group
        head = fitted(~own)
        logits[own] = x[own] @ head.weights.T + head.bias
    counts = np.bincount(targets)
    temperature = fit_temperature(logits, targets, 1 / counts[targets])
    head = fitted(np.ones(len(x), dtype=bool))
    model = FaceModel(
        labels=tuple(map(str, labels)),
        units=tuple(units),
        head=LinearHead(head.weights / temperature, head.bias / temperature),
        metrics={
            "uar": round(uar(targets, logits.argmax(axis=1), len(labels)), 4),
            "clips": len(x),
            "speakers": len(names),
        },
    )
    return model, softmax(logits / temperature)
