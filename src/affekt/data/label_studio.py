"""Labels that people gave in Label Studio, as clips.

Its export as JSON: a list of tasks, each with the recording under ``data.audio`` and annotations. A
choice labels the whole recording, a region its part. Tasks that nobody has labelled are left out.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from affekt.data.manifest import Clip
from affekt.errors import DataError
from affekt.labels import canonical, check_labels

_LOCAL_FILES = "/data/local-files/"


def read_label_studio(path: str | os.PathLike[str]) -> list[Clip]:
    """Read the clips of an export of Label Studio (JSON).

    Where several people labelled a recording, the label that most of them gave counts, and
    `Clip.votes` has the shares. The speaker is ``data.speaker``, where a task has it.

    Raises
    ------
    DataError
        If it is no such export, holds no labels, or a recording does not exist.
    """
    path = Path(path)
    try:
        tasks = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: it cannot be read as JSON: {error}") from None
    if not isinstance(tasks, list) or not all(
        isinstance(task, dict) and isinstance(task.get("data"), dict) for task in tasks
    ):
        raise DataError(f"{path}: it is no export of Label Studio: export the project as JSON")
    clips = [clip for number, task in enumerate(tasks, 1) for clip in _clips(task, path, number)]
    if not clips:
        raise DataError(f"{path}: none of {len(tasks)} tasks has a label")
    check_labels(dict.fromkeys(clip.emotion for clip in clips), str(path))
    return clips


def _clips(task: Mapping[str, Any], path: Path, number: int) -> Iterator[Clip]:
    """Yield what was labelled in a task, the earliest first."""
    where = f"{path}, task {number}"
    labels: dict[tuple[float | None, float | None], Counter[str]] = {}
    try:
        for annotation in task.get("annotations") or ():
            if annotation.get("was_cancelled"):
                continue
            for result in annotation["result"]:
                for span, label in _labelled(result):
                    labels.setdefault(span, Counter())[canonical(label)] += 1
        if not labels:
            return
        file = _file(str(task["data"]["audio"]), path.parent)
        speaker = str(task["data"].get("speaker") or "")
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DataError(
            f"{where}: it lacks the recording (data.audio), or its labels are not of audio"
        ) from None
    if not file.is_file():
        raise DataError(f"{where}: {file} does not exist: put the export beside the recordings")
    for span in sorted(labels, key=lambda span: span[0] or 0.0):
        votes = labels[span]
        total = sum(votes.values())
        shares = {label: count / total for label, count in votes.items()} if total > 1 else None
        yield Clip(
            file, votes.most_common(1)[0][0], speaker, start=span[0], end=span[1], votes=shares
        )


def _labelled(
    result: Mapping[str, Any],
) -> Iterator[tuple[tuple[float | None, float | None], str]]:
    """Yield the stretch, and the label, of one result; what is no label is passed over."""
    value = result.get("value", {})
    names: Sequence[str] = value.get("choices") or value.get("labels") or ()
    if "start" in value:
        span: tuple[float | None, float | None] = (float(value["start"]), float(value["end"]))
    else:
        span = (None, None)
    for name in names:
        yield span, name


def _file(source: str, folder: Path) -> Path:
    """Return the recording of a task: a path, or an address of files on the same machine."""
    parts = urlsplit(source)
    if parts.path.startswith(_LOCAL_FILES) and (wanted := parse_qs(parts.query).get("d")):
        inside = wanted[0]
        return next(
            (place for place in (folder / inside, Path("/") / inside) if place.is_file()),
            folder / inside,
        )
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if parts.scheme in ("http", "https", "s3", "gs"):
        raise DataError(f"{source} is not on this machine: fetch it, and name the file")
    return folder / source
