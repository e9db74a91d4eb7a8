"""A recording whose course is known: what a time line hears of it, frame by frame.

    python benchmarks/known_course.py --data ../shared/data  # measures, draws, writes the table
    python benchmarks/known_course.py --table-only           # writes the table again

For each speaker of CREMA-D whom the model was not trained on, clips without the silence at their
ends are put one after another in blocks of three of one emotion, with short pauses and background
noise. A frame of 0.1 s within a clip is right where the segment that covers it carries
the clip's emotion. Options are compared on validation speakers; the final figures are of the test
speakers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _common import ROOT, Report, Result

from affekt.runtime.bundle import DEFAULT

if TYPE_CHECKING:
    import affekt
    from affekt.data import Clip

REPORT = Report("known_course", "benchmarks/measurements.md")
PICTURE = ROOT / "benchmarks" / "images" / "timeline.png"
PROTOCOL = "cremad-tfds"
RATE = 16000  # Hz
FRAME = 0.1  # seconds
CLIPS_PER_BLOCK = 3
PAUSE = (0.2, 0.8)  # seconds between clips
ROOM = 0.0005  # full scale: noise at -66 dBFS
COMPARED = (
    (2.0, 0.0, "silero"),
    (3.0, 0.0, "silero"),
    (4.0, 0.0, "silero"),
    (2.0, 2.0, "silero"),
    (3.0, 0.0, "off"),
)
"""Window and smoothing in seconds, and voice activity."""
TRIM_DB = 25.0  # below the loudest moment of a clip, what comes first and last is silence
NOTHING, UNCERTAIN = "nothing", "uncertain"


@dataclass(frozen=True)
class Course:
    """A recording of one speaker, and what was said when."""

    speaker: str
    samples: np.ndarray
    parts: tuple[tuple[float, float, str], ...]  # start, end, emotion of each clip


def compose(speaker: str, clips: Sequence[Clip], labels: Sequence[str]) -> Course:
    """Put the clips of one speaker one after another."""
    import affekt

    rng = np.random.default_rng(int(speaker))
    by_emotion = {label: [clip for clip in clips if clip.emotion == label] for label in labels}
    for own in by_emotion.values():
        rng.shuffle(own)
    blocks = [
        own[start : start + CLIPS_PER_BLOCK]
        for own in by_emotion.values()
        for start in range(0, len(own) - CLIPS_PER_BLOCK + 1, CLIPS_PER_BLOCK)
    ]
    order = rng.permutation(len(blocks))
    stretches: list[np.ndarray] = []
    parts, position = [], 0
    for clip in (clip for index in order for clip in blocks[index]):
        pause = np.zeros(round(rng.uniform(*PAUSE) * RATE), dtype=np.float32)
        voice = trimmed(affekt.load_audio(clip.file))
        begin = position + len(pause)
        position = begin + len(voice)
        parts.append((begin / RATE, position / RATE, clip.emotion))
        stretches += [pause, voice]
    samples = np.concatenate(stretches)
    samples = samples + rng.normal(0, ROOM, len(samples)).astype(np.float32)
    return Course(speaker, samples.astype(np.float32), tuple(parts))


def trimmed(samples: np.ndarray) -> np.ndarray:
    """Cut the silence before and after the voice, found by its level alone."""
    size = RATE // 50
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    power = np.mean(frames**2, axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-TRIM_DB / 10))
    return samples[loud[0] * size : (loud[-1] + 1) * size]


def courses(data: Path | None, side: str, labels: Sequence[str]) -> list[Course]:
    """One recording for each speaker of a side of the protocol."""
    from affekt.evaluation import get_protocol

    protocol = get_protocol(PROTOCOL)
    fold = protocol.folds(protocol.load(data))[0]
    clips = {"validation": fold.validation, "test": fold.test}[side]
    speakers = sorted({clip.speaker for clip in clips})
    return [
        compose(one, [clip for clip in clips if clip.speaker == one], labels) for one in speakers
    ]


def frames_of(spans: Sequence[tuple[float, float, str]], count: int) -> np.ndarray:
    """The label of each frame [count], by its middle; `NOTHING` where no span covers it."""
    middles = (np.arange(count) + 0.5) * FRAME
    found = np.full(count, NOTHING, dtype=object)
    for start, end, label in spans:
        found[(middles >= start) & (middles < end)] = label
    return found


def score(
    model: affekt.Model, recordings: Sequence[Course], options: affekt.TimelineOptions
) -> dict[str, float]:
    """Compare time lines with the truth, over all frames within clips."""
    truth, heard = [], []
    for course in recordings:
        count = int(len(course.samples) / RATE / FRAME)
        found = [
            (one.start, one.end, one.label)
            for one in model.timeline((course.samples, RATE), options)
        ]
        truth.append(frames_of(course.parts, count))
        heard.append(frames_of(found, count))
    true, said = np.concatenate(truth), np.concatenate(heard)
    inside = true != NOTHING
    true, said = true[inside], said[inside]
    named = ~np.isin(said, [NOTHING, UNCERTAIN])

    def uar(chosen: np.ndarray) -> float:
        recalls = [
            np.mean(said[chosen & (true == label)] == label)
            for label in model.labels
            if (chosen & (true == label)).any()
        ]
        return round(float(np.mean(recalls)), 4)

    return {
        "uar": uar(np.ones_like(named)),
        "named": round(float(named.mean()), 4),
        "uar_of_named": uar(named),
        "frames": int(inside.sum()),
    }


def measure(data: Path | None, model_id: str | None) -> Result:
    """Compare options on validation speakers; score the test speakers; draw one of them."""
    import affekt
    from affekt.evaluation.provenance import commit, software_versions

    started = time.perf_counter()
    model = affekt.load_model(model_id)
    plain = affekt.TimelineOptions(vad="off", threshold=0.0)
    validation = courses(data, "validation", model.labels)
    compared = {
        f"window {window:g} s, smoothing {smoothing:g} s, voice activity {vad}": score(
            model, validation, replace(plain, window=window, smoothing=smoothing, vad=vad)
        )
        for window, smoothing, vad in COMPARED
    }
    test = courses(data, "test", model.labels)
    final = {
        "always naming an emotion": score(model, test, replace(plain, vad="silero")),
        "the same, without voice activity": score(model, test, plain),
        "as shipped": score(model, test, affekt.TimelineOptions(vad="silero")),
    }
    draw(model, test[0])
    return {
        "protocol": PROTOCOL,
        "model": model_id or DEFAULT,
        "validation": compared,
        "test": final,
        "speakers": len(test),
        "seconds": round(sum(len(course.samples) for course in test) / RATE),
        "commit": commit(),
        "versions": software_versions(),
        "wall_seconds": round(time.perf_counter() - started, 1),
    }


def draw(model: affekt.Model, course: Course, path: Path = PICTURE) -> None:
    """Draw the truth, the time line and the probabilities of the first minutes."""
    import matplotlib

    import affekt

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    from affekt.files import atomic_path

    shown = 120.0  # seconds
    options = affekt.TimelineOptions(vad="silero")
    segments = list(model.timeline((course.samples, RATE), options))
    measured = list(model.measure((course.samples, RATE), options))
    palette = ("#d55e00", "#009e73", "#cc79a7", "#e69f00", "#999999", "#0072b2")
    colors = dict(zip(model.labels, palette, strict=False)) | {UNCERTAIN: "#e8e8e8"}
    figure, (ribbons, lines) = pyplot.subplots(
        2, 1, figsize=(11, 4.2), sharex=True, height_ratios=(1, 1.6), layout="constrained"
    )
    said = [(one.start, one.end, one.label) for one in segments]
    for row, spans in ((1, course.parts), (0, said)):
        for start, end, label in spans:
            ribbons.broken_barh(
                [(start, end - start)], (row + 0.1, 0.8), color=colors[label], linewidth=0
            )
    ribbons.set_yticks([1.5, 0.5], ["meant", "heard"])
    ribbons.spines[:].set_visible(False)
    middles = [(one.start + one.end) / 2 for one in measured]
    for label in model.labels:
        lines.plot(middles, [one.scores[label] for one in measured], color=colors[label], lw=1.4)
    lines.set(xlim=(0, shown), ylim=(0, 1), xlabel="seconds", ylabel="probability")
    lines.spines[["top", "right"]].set_visible(False)
    handles = [Patch(color=color, label=label) for label, color in colors.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=110)
    pyplot.close(figure)


def table(result: Result) -> str:
    """Return the result as Markdown."""
    lines = [
        "| test speakers | UAR over frames | frames with an emotion named | UAR of those |",
        "|---|---:|---:|---:|",
    ]
    lines += [_row(name, row) for name, row in result["test"].items()]
    lines += [
        "",
        "| validation speakers, always naming an emotion | UAR over frames |",
        "|---|---:|",
    ]
    lines += [
        f"| {name} | {100 * row['uar']:.1f} % |" for name, row in result["validation"].items()
    ]
    lines += [
        "",
        f"{result['speakers']} test speakers of `{result['protocol']}`, "
        f"{result['seconds'] / 60:.0f} minutes, frames of {FRAME:g} s within clips; "
        f"model `{result['model']}`; commit `{result['commit'][:12]}`.",
    ]
    return "\n".join(lines)


def _row(name: str, row: dict[str, float]) -> str:
    return (
        f"| {name} | {100 * row['uar']:.1f} % | {100 * row['named']:.1f} % "
        f"| {100 * row['uar_of_named']:.1f} % |"
    )


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    from affekt.errors import AffektError

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the corpora; default: $AFFEKT_DATA")
    parser.add_argument("--model", help="model directory or hub id; default: the shipped model")
    REPORT.add_options(parser)
    options = parser.parse_args()
    if options.table_only:
        REPORT.show(table(REPORT.load()))
        return
    try:
        result = measure(options.data, options.model)
    except AffektError as error:
        raise SystemExit(f"error: {error}") from None
    REPORT.finish(result, options.out, table)


if __name__ == "__main__":
    main()
