"""Recordings whose course is known: what a time line says of them, moment by moment.

    python benchmarks/known_course.py --data ../shared/data --model base
    python benchmarks/known_course.py --fit --corpora ../shared/corpora --model base
    python benchmarks/known_course.py --table-only  # writes the table again

Clips of the test speakers of CREMA-D, without the silence at their ends, are put one after another
in blocks of three of one emotion, with short pauses, and a floor of noise at -66 dBFS. There
are five kinds of recordings: of one speaker; conversations of four with music and background noise
between their blocks; and these in noise, in the band of a telephone, and as MP3 at 32 kbit/s.

``--fit`` sets the threshold of a shipped model for windows, on recordings of the first kind of the
validation speakers of CREMA-D and of SAVEE and EmoTale.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _common import ROOT, Report, Result
from domain import HOLD_SPEECH, music
from report.page import write_text
from robustness import noise, telephone

from affekt import TimelineOptions, Turn
from affekt.runtime.bundle import DEFAULT

if TYPE_CHECKING:
    import affekt
    from affekt.data import Clip
    from affekt.evaluation.timeline import TimelineScores

REPORT = Report("known_course", "benchmarks/measurements.md")
PICTURE = ROOT / "benchmarks" / "images" / "timeline.png"
PROTOCOL = "cremad-tfds"
RATE = 16000  # Hz
CLIPS_PER_BLOCK = 3
PAUSE = (0.2, 0.8)  # seconds between clips
ROOM = 0.0005  # full scale: noise at -66 dBFS
TRIM_DB = 25.0  # below the loudest moment of a clip, what comes first and last is silence
GROUP = 4  # speakers in a conversation
GROUPS = 3
BETWEEN = (8.0, 15.0)  # seconds of music or noise, after every fourth block
SNR_DB = 10.0
MP3_BIT_RATE = 32_000
FIT_CORPORA = ("savee", "emotale")
FIT_SPEAKERS = 4  # of each corpus, at most
UNCERTAIN = "uncertain"
TIMELINE = TimelineOptions(vad="silero")


@dataclass(frozen=True)
class Part:
    """What is heard in a span of a recording: an emotion, ``music`` or ``noise``."""

    start: float
    end: float
    label: str
    speaker: str = ""


@dataclass(frozen=True)
class Course:
    """A recording, and what is heard when."""

    samples: np.ndarray
    parts: tuple[Part, ...]


def compose(
    clips: Sequence[Clip],
    labels: Sequence[str],
    *,
    between: Sequence[tuple[str, np.ndarray]] = (),
    blocks: int = 1,
) -> Course:
    """Put clips one after another, in blocks of one speaker and emotion.

    Parameters
    ----------
    clips : sequence of Clip
    labels : sequence of str
        Emotions that are used.
    between : sequence of (label, samples)
        Music and noise, one after every fourth block.
    blocks : int
        Of each speaker and emotion, at most.
    """
    import affekt

    speakers = sorted({clip.speaker for clip in clips})
    rng = np.random.default_rng(zlib.crc32("+".join(speakers).encode()))
    made: list[list[Clip]] = []
    for speaker in speakers:
        for label in labels:
            own = [one for one in clips if (one.speaker, one.emotion) == (speaker, label)]
            rng.shuffle(own)
            made += [
                own[start : start + CLIPS_PER_BLOCK]
                for start in range(0, len(own) - CLIPS_PER_BLOCK + 1, CLIPS_PER_BLOCK)
            ][:blocks]
    stretches: list[np.ndarray] = []
    parts: list[Part] = []
    position, others = 0, iter(between)

    def add(samples: np.ndarray, label: str, speaker: str = "") -> None:
        nonlocal position
        pause = round(rng.uniform(*PAUSE) * RATE)
        begin = position + pause
        position = begin + len(samples)
        stretches.extend([np.zeros(pause, dtype=np.float32), samples])
        parts.append(Part(begin / RATE, position / RATE, label, speaker))

    for number, place in enumerate(rng.permutation(len(made)), start=1):
        for clip in made[place]:
            add(trimmed(affekt.load_audio(clip.file)), clip.emotion, clip.speaker)
        if number % 4 == 0 and (other := next(others, None)) is not None:
            add(other[1], other[0])
    samples = np.concatenate(stretches)
    samples = samples + rng.normal(0, ROOM, len(samples)).astype(np.float32)
    return Course(samples.astype(np.float32), tuple(parts))


def trimmed(samples: np.ndarray) -> np.ndarray:
    """Cut the silence before and after the voice, found by its level alone."""
    size = RATE // 50
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    power = np.mean(frames**2, axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-TRIM_DB / 10))
    return samples[loud[0] * size : (loud[-1] + 1) * size]


def clips_of(data: Path | None, side: str) -> list[Clip]:
    """Return the clips of a side of the protocol."""
    from affekt.evaluation import get_protocol

    protocol = get_protocol(PROTOCOL)
    fold = protocol.folds(protocol.load(data))[0]
    return list({"validation": fold.validation, "test": fold.test}[side])


def by_speaker(clips: Sequence[Clip], size: int) -> Iterator[list[Clip]]:
    """Yield the clips of each speaker, or of groups of several; the last ones may be left out."""
    speakers = sorted({clip.speaker for clip in clips})
    for start in range(0, len(speakers) - size + 1, size):
        group = speakers[start : start + size]
        yield [clip for clip in clips if clip.speaker in group]


def backgrounds(data: Path | None) -> list[np.ndarray]:
    """Return the recordings of noise without speech."""
    import affekt
    from affekt.data import data_root

    files = sorted((data_root(data) / "noise" / "noise").glob("*.ogg"))
    quiet = [file for file in files if not any(word in file.name for word in HOLD_SPEECH)]
    return [affekt.load_audio(file) for file in quiet]


def fillers(noises: Sequence[np.ndarray], count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield music and noise by turns."""
    rng = np.random.default_rng(count)
    for number in range(count):
        size = round(rng.uniform(*BETWEEN) * RATE)
        if number % 2:
            samples = np.resize(noises[int(rng.integers(len(noises)))], size)
            yield "noise", (samples / np.abs(samples).max() * 0.3).astype(np.float32)
        else:
            pieces = music(7, bool(number % 4), rng)
            yield "music", np.concatenate(pieces)[:size]


def as_mp3(samples: np.ndarray) -> bytes:
    """Encode samples as MP3 at 32 kbit/s."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as output:
        stream = output.add_stream("libmp3lame", rate=RATE, layout="mono")
        stream.bit_rate = MP3_BIT_RATE
        whole = np.clip(samples * 32767, -32768, 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            output.mux(packet)
    return file.getvalue()


def kinds(data: Path | None, labels: Sequence[str]) -> dict[str, list[tuple[Any, Course]]]:
    """Return what is given to the model, and its course, by kind of recording."""
    test = clips_of(data, "test")
    noises = backgrounds(data)
    alone = [compose(clips, labels) for clips in list(by_speaker(test, 1))[: GROUPS * GROUP]]
    talks = [
        compose(clips, labels, between=list(fillers(noises, 6 + number)))
        for number, clips in enumerate(list(by_speaker(test, GROUP))[:GROUPS])
    ]
    rng = np.random.default_rng(0)
    noisy = noise(SNR_DB, noises)
    changes: dict[str, Callable[[np.ndarray], Any]] = {
        "four speakers, music and noise between": lambda samples: (samples, RATE),
        f"these in noise at {SNR_DB:g} dB": lambda samples: (noisy(samples, rng), RATE),
        "these on the telephone": lambda samples: (telephone(samples, rng), RATE),
        "these as MP3 at 32 kbit/s": as_mp3,
    }
    found = {"one speaker": [((one.samples, RATE), one) for one in alone]}
    for name, change in changes.items():
        found[name] = [(change(one.samples), one) for one in talks]
    return found


def scores(
    model: affekt.Model, recordings: Sequence[tuple[Any, Course]], *, given: bool = False
) -> TimelineScores:
    """Score the time lines of recordings, with the turns of the speakers given or not."""
    from affekt.evaluation.timeline import NO_SPEECH, score_timelines

    pairs = []
    for source, course in recordings:
        turns = None
        if given:
            spoken = [one for one in course.parts if one.label not in NO_SPEECH]
            turns = [Turn(one.start, one.end, one.speaker) for one in spoken]
        line = model.timeline(source, TIMELINE, turns=turns)
        found = [(one.start, one.end, one.label) for one in line]
        pairs.append(([(one.start, one.end, one.label) for one in course.parts], found))
    return score_timelines(pairs, model.labels)


def measure(data: Path | None, model_id: str | None) -> Result:
    """Score all kinds of recordings; draw one of them if the model is the default one."""
    import affekt
    from affekt.evaluation.provenance import commit, software_versions

    started = time.perf_counter()
    model = affekt.load_model(model_id)
    recordings = kinds(data, model.labels)
    found: dict[str, Any] = {}
    for name, some in recordings.items():
        found[name] = {"found": scores(model, some).to_dict()}
        if name != "one speaker":
            found[name]["turns given"] = scores(model, some, given=True).to_dict()
        print(name, json.dumps(found[name]), flush=True)
    if (model_id or DEFAULT) == DEFAULT:
        draw(model, recordings["one speaker"][0][1])
    return {
        "kinds": found,
        "window_threshold": getattr(model.config, "window_threshold", model.config.threshold),
        "minutes": {
            name: round(sum(len(one.samples) for _, one in some) / RATE / 60, 1)
            for name, some in recordings.items()
        },
        "commit": commit(),
        "versions": software_versions(),
        "wall_seconds": round(time.perf_counter() - started, 1),
    }


def fit(data: Path | None, corpora: Path, model_id: str | None) -> Result:
    """Set the threshold of a shipped model for windows; return what it was chosen by."""
    import affekt
    from affekt.data import open_data
    from affekt.evaluation.calibration import fit_threshold, window_share
    from affekt.files import json_text
    from affekt.runtime.bundle import CONFIG_FILE, open_bundle

    model = affekt.load_model(model_id)
    voices = {"cremad, validation": clips_of(data, "validation")}
    voices |= {name: open_data(name, corpora) for name in FIT_CORPORA}
    answers: dict[str, list[tuple[np.ndarray, int]]] = {}
    for name, clips in voices.items():
        answers[name] = []
        for own in list(by_speaker(clips, 1))[:FIT_SPEAKERS]:
            course = compose(own, model.labels)
            hops = list(model.measure((course.samples, RATE), TIMELINE))
            rows = np.array([[one.scores[label] for label in model.labels] for one in hops])
            middles = np.array([(one.start + one.end) / 2 for one in hops])
            for middle in middles:
                near = np.abs(middles - middle) <= TIMELINE.smoothing / 2 + 1e-6
                answers[name] += [
                    (rows[near].mean(axis=0), model.labels.index(part.label))
                    for part in course.parts
                    if part.start <= middle < part.end
                ]
    # Each corpus counts alike, however long its recordings are.
    size = min(map(len, answers.values()))
    rng = np.random.default_rng(0)
    drawn = [some[i] for some in answers.values() for i in rng.permutation(len(some))[:size]]
    probabilities = np.array([scores for scores, _ in drawn])
    targets = np.array([target for _, target in drawn])
    share = window_share(len(model.labels))
    threshold = round(fit_threshold(probabilities, targets, share), 4)
    path = open_bundle(model_id).directory / CONFIG_FILE
    config = json.loads(path.read_text(encoding="utf-8"))
    config["calibration"]["window_threshold"] = threshold
    write_text(path, json_text(config))
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == targets
    return {
        "window_threshold": threshold,
        "right_from": round(share, 4),
        "windows": {name: len(some) for name, some in answers.items()},
        "by_confidence": [
            {
                "from": low,
                "windows": int(inside.sum()),
                "right": round(float(right[inside].mean()), 4),
            }
            for low in np.arange(0.2, 1.0, 0.1).round(1).tolist()
            if (inside := (confidence >= low) & (confidence < low + 0.1)).any()
        ],
    }


def draw(model: affekt.Model, course: Course, path: Path = PICTURE) -> None:
    """Draw the truth, the time line and the probabilities of the first minutes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    from affekt.files import atomic_path

    shown = min(120.0, len(course.samples) / RATE)  # seconds
    segments = list(model.timeline((course.samples, RATE), TIMELINE))
    measured = list(model.measure((course.samples, RATE), TIMELINE))
    palette = ("#d55e00", "#009e73", "#cc79a7", "#e69f00", "#999999", "#0072b2")
    colors = dict(zip(model.labels, palette, strict=False)) | {UNCERTAIN: "#e8e8e8"}
    figure, (ribbons, lines) = pyplot.subplots(
        2, 1, figsize=(11, 4.2), sharex=True, height_ratios=(1, 1.6), layout="constrained"
    )
    said = [(one.start, one.end, one.label) for one in segments]
    meant = [(one.start, one.end, one.label) for one in course.parts]
    for row, spans in ((1, meant), (0, said)):
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


COLUMNS = {
    "uar": "UAR",
    "named": "named",
    "missed_speech": "missed speech",
    "music_labelled": "music labelled",
    "eder": "EDER",
    "boundary_error": "boundaries",
}
"""Scores of the table, by their names in the result."""


def table(result: Result) -> str:
    """Return the results of all models, and what their thresholds were chosen by, as Markdown."""
    lines = [*_scores_table(result), ""] if result["models"] else []
    lines += [
        "| model | windows | named from | right, of confidences below 0.3, 0.5, 0.7, 1 |",
        "|---|---:|---:|---:|",
    ]
    for name, one in result.get("fits", {}).items():
        shares = []
        for low, high in itertools.pairwise((0.0, 0.3, 0.5, 0.7, 1.0)):
            inside = [row for row in one["by_confidence"] if low <= row["from"] < high]
            count = sum(row["windows"] for row in inside)
            hits = sum(row["windows"] * row["right"] for row in inside)
            shares.append(f"{100 * hits / count:.0f} %" if count else "")
        windows = sum(one["windows"].values())
        lines.append(
            f"| `{name}` | {windows} | {one['window_threshold']:.2f} | {', '.join(shares)} |"
        )
    return "\n".join(lines)


def _scores_table(result: Result) -> list[str]:
    heads = " | ".join(COLUMNS.values())
    lines = [f"| model, recordings | {heads} |", f"|---|{'---:|' * len(COLUMNS)}"]
    for name, one in result["models"].items():
        before = result.get("before", {}).get(name)
        for kind, rows in one["kinds"].items():
            for way, row in rows.items():
                who = "" if way == "found" else f", {way}"
                old = None if before is None else before["kinds"].get(kind, {}).get(way)
                cells = " | ".join(_cell(key, row, old) for key in COLUMNS)
                lines.append(f"| `{name}`, {kind}{who} | {cells} |")
    minutes = next(iter(result["models"].values()))["minutes"]
    lengths = ", ".join(f"{value:.0f}" for value in minutes.values())
    commits = [f"`{name}` `{one['commit'][:12]}`" for name, one in result["models"].items()]
    before = sorted({one["commit"][:12] for one in result.get("before", {}).values()})
    older = f" In brackets: before, `{'`, `'.join(before)}`." if before else ""
    return [
        *lines,
        "",
        f"Minutes of each kind: {lengths}. Commits: {', '.join(commits)}.{older}",
    ]


def _cell(key: str, row: Result, old: Result | None) -> str:
    """Return a score, with that of the version before in brackets."""
    known = old is not None and old[key] is not None
    return _score(key, row[key]) + (f" ({_score(key, old[key])})" if old and known else "")


def _score(key: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f} s" if key == "boundary_error" else f"{100 * value:.1f}"


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the corpora; default: $AFFEKT_DATA")
    parser.add_argument("--model", default=DEFAULT, help="a shipped model; default: %(default)s")
    parser.add_argument("--before", action="store_true", help="store it as the version before")
    parser.add_argument("--fit", action="store_true", help="set the threshold of windows")
    parser.add_argument("--corpora", type=Path, help="folder of SAVEE and EmoTale, for --fit")

    def beside_others(options: argparse.Namespace) -> Result:
        if options.fit:
            part, found = "fits", fit(options.data, options.corpora, options.model)
        else:
            part = "before" if options.before else "models"
            found = measure(options.data, options.model)
        result: Result = {"protocol": PROTOCOL, "models": {}}
        if options.out.is_file():
            result = json.loads(options.out.read_text(encoding="utf-8"))
        return {**result, part: {**result.get(part, {}), options.model: found}}

    REPORT.run(parser, beside_others, table)


if __name__ == "__main__":
    main()
