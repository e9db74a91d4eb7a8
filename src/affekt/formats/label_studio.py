"""Time lines as Label Studio tasks with predictions, to be corrected by people.

The labelling configuration that goes with it is `labelling_config`. Quality, warnings and errors
are data of the task.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from xml.sax.saxutils import quoteattr

from affekt.formats.text import placed
from affekt.results import UNCERTAIN, Prediction, Segment, Track

_PLACED = ("start", "end", "label", "confidence", "scores", "warnings")
"""Fields with a place of their own; the others of a segment are its meta data."""


def lines(tracks: Iterable[Track], labels: Sequence[str]) -> Iterator[str]:
    """Yield a JSON array with a task for each recording; one file holds many recordings."""
    del labels
    yield "["
    waiting = ""
    for track in tracks:
        if waiting:
            yield f"{waiting},"
        waiting = json.dumps(_task(track), ensure_ascii=False, allow_nan=False)
    if waiting:
        yield waiting
    yield "]"


def labelling_config(labels: Sequence[str]) -> str:
    """Return the labelling configuration of a Label Studio project for these emotions."""
    named = "".join(f"<Label value={quoteattr(name)}/>" for name in (*labels, UNCERTAIN))
    return (
        f'<View><Labels name="emotion" toName="audio">{named}</Labels>'
        f'<Audio name="audio" value="$audio"/></View>'
    )


def choice_tasks(answers: Iterable[tuple[str, Prediction]]) -> str:
    """Return tasks in which people give each recording one label, with the model's answer first.

    Parameters
    ----------
    answers : iterable of (str, Prediction)
        Recordings by their names, and what the model says.
    """
    tasks = []
    for file, answer in answers:
        result = {
            "from_name": "emotion",
            "to_name": "audio",
            "type": "choices",
            "value": {"choices": [answer.label]},
        }
        prediction = {
            "model_version": "affekt",
            "score": round(answer.confidence, 6),
            "result": [result],
        }
        tasks.append({"data": {"audio": file}, "predictions": [prediction]})
    return json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"


def choices_config(labels: Sequence[str]) -> str:
    """Return the labelling configuration of a Label Studio project for `choice_tasks`."""
    named = "".join(f"<Choice value={quoteattr(name)}/>" for name in labels)
    return (
        f'<View><Audio name="audio" value="$audio"/>'
        f'<Choices name="emotion" toName="audio" choice="single">{named}</Choices></View>'
    )


def _task(track: Track) -> dict[str, object]:
    fields = track.to_dict()
    names = ("warnings", "quality", "ood_score", "speakers", "error")
    data = {"audio": track.file, **{name: fields[name] for name in names if name in fields}}
    regions = [
        _region(index, start, end, segment, track.duration)
        for index, (start, end, segment) in enumerate(placed(track))
    ]
    if not regions:
        return {"data": data}
    sure = sum(segment.confidence for segment in track.segments) / len(track.segments)
    prediction = {"model_version": "affekt", "score": round(sure, 6), "result": regions}
    return {"data": data, "predictions": [prediction]}


def _region(
    index: int, start: int, end: int, segment: Segment, duration: float
) -> dict[str, object]:
    fields = segment.to_dict()
    region: dict[str, object] = {
        "id": f"s{index}",
        "from_name": "emotion",
        "to_name": "audio",
        "type": "labels",
        "original_length": round(duration, 6),
        "score": fields["confidence"],
        "value": {
            "start": start / 1000,
            "end": end / 1000,
            "channel": 0,
            "labels": [segment.label],
        },
    }
    meta = {name: value for name, value in fields.items() if name not in _PLACED}
    if segment.warnings:
        meta["text"] = fields["warnings"]
    if meta:
        region["meta"] = meta
    return region
