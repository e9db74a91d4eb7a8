"""Answers as a pandas table on the index of audformat: ``file``, ``start``, ``end``.

>>> import affekt
>>> affekt.predict(["a.wav", "b.wav"])["label"]  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from affekt.errors import MissingExtraError
from affekt.formats.rows import columns, segment_rows
from affekt.results import Outcome, Track, as_track
from affekt.runtime.batch import predict_files
from affekt.runtime.predictor import Model, load_model


def predict(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    model: Model | str | os.PathLike[str] | None = None,
) -> Any:
    """Predict recordings, as a table.

    Parameters
    ----------
    files : path, or iterable of paths
    model : Model, or what `affekt.load_model` takes, optional
        The model that ships with the package by default.

    Returns
    -------
    pandas.DataFrame
        See `to_frame`, a row for each recording. One that cannot be predicted has its reason in
        the column ``error``.

    Raises
    ------
    MissingExtraError
        If pandas is not installed.
    ModelError
        If the model cannot be used.
    """
    _pandas()
    if isinstance(files, (str, os.PathLike)):
        files = [files]
    names = [os.fspath(file) for file in files]
    used = model if isinstance(model, Model) else load_model(model)
    return to_frame(predict_files(names, model=used))


def to_frame(results: Iterable[Track | Outcome]) -> Any:
    """Return time lines or predictions as a table with a row for each segment.

    Parameters
    ----------
    results : iterable of Track or Outcome
        A prediction is one segment over the whole recording.

    Returns
    -------
    pandas.DataFrame
        On a segmented index of audformat (``file``, ``start``, ``end``; the times are
        `pandas.Timedelta`), with the columns of `affekt.formats.rows.columns`. A
        recording without segments has one row, whose ``end`` is NaT.

    Raises
    ------
    MissingExtraError
        If pandas is not installed.
    """
    pandas = _pandas()
    tracks = [as_track(result) for result in results]
    index: list[tuple[str, Any, Any]] = []
    rows: list[dict[str, Any]] = []
    for track in tracks:
        for one in segment_rows(track):
            is_segment = "start" in one
            if not is_segment and track.segments:
                continue  # the error of the recording, which its last segment has, too
            start = pandas.Timedelta(seconds=one.pop("start", 0))
            end = pandas.Timedelta(seconds=one.pop("end")) if is_segment else pandas.NaT
            index.append((one.pop("file"), start, end))
            rows.append({**one, "error": track.error})
    labels = dict.fromkeys(
        name for track in tracks for one in track.segments for name in one.scores
    )
    kinds = {
        name: kind
        for name, kind in columns(tuple(labels), segments=True).items()
        if name not in ("file", "start", "end")
    }
    files, starts, ends = zip(*index, strict=True) if index else ((), (), ())
    levels = [pandas.Index(files, dtype="string")]
    levels += [pandas.Index(times, dtype="timedelta64[ns]") for times in (starts, ends)]
    places = pandas.MultiIndex.from_arrays(levels, names=["file", "start", "end"])
    frame = pandas.DataFrame(rows, columns=list(kinds), index=places)
    return frame.astype({name: "float64" for name, kind in kinds.items() if kind is float})


def _pandas() -> Any:
    try:
        return import_module("pandas")
    except ImportError:
        raise MissingExtraError("tables", "pandas") from None
