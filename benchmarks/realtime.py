"""What time lines and streams cost: real-time factor, latency, memory, many streams at once.

    python benchmarks/realtime.py --data ../shared/data    # measures, writes the JSON and the table
    python benchmarks/realtime.py --table-only             # writes the table again

Clips of CREMA-D and recorded noise, one after another, make a recording of an hour; its beginning
is the shorter ones. Every task has a process and one thread of its own (``many`` has two), and the
rounds are interleaved, every other one backwards. Shares of real time and latencies are by the
clock. What is compared (a stream with the time line, one window with another) is compared by the
CPU time of the process, within each round, and the median of these ratios is taken: whatever else
the machine does meets both sides alike.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _common import Report, Result, Worker, peak_memory, processor, spread, work_in_rounds

from affekt.audio import decode_blocks

if TYPE_CHECKING:
    import affekt

REPORT = Report("realtime", "benchmarks/measurements.md")
RATE = 16000  # Hz
HOUR, FIVE_MINUTES, TEN_MINUTES = 3600, 300, 600  # seconds
CHUNK = 1600  # samples: 100 ms
STREAMS, CORES, MANY_SECONDS = 32, 2, 60
NOISE_SHARE = 0.25  # of the recording that is noise alone
FEW_ROUNDS = 3  # of what is not compared


@dataclass(frozen=True)
class Task:
    """One thing to measure: what is done, to how many seconds of the recording, and how."""

    title: str
    kind: str
    seconds: int
    vad: str = "off"
    window: float = 3.0
    compared: bool = False  # one side of a ratio: measured in every round
    learn: bool = False  # with a baseline that learns
    model: str = "live"


TASKS = {
    "hour": Task("time line of an hour", "timeline", HOUR),
    "hour-vad": Task("time line of an hour, voice activity on", "timeline", HOUR, "silero"),
    "five": Task("time line of 5 minutes", "timeline", FIVE_MINUTES),
    "five-vad": Task(
        "time line of 5 minutes, voice activity on", "timeline", FIVE_MINUTES, "silero"
    ),
    "window-1": Task("time line, window 1 s", "timeline", TEN_MINUTES, window=1.0, compared=True),
    "window-3": Task("time line, window 3 s", "timeline", TEN_MINUTES, compared=True),
    "window-10": Task(
        "time line, window 10 s", "timeline", TEN_MINUTES, window=10.0, compared=True
    ),
    "stream": Task("stream, chunks of 100 ms", "stream", TEN_MINUTES, compared=True),
    "stream-baseline": Task(
        "stream, chunks of 100 ms, with a baseline that learns",
        "stream",
        TEN_MINUTES,
        compared=True,
        learn=True,
    ),
    "stream-vad": Task(
        "stream, chunks of 100 ms, voice activity on", "stream", TEN_MINUTES, "silero"
    ),
    "stream-hour": Task("stream of an hour, accelerated", "stream", HOUR),
    "base": Task("time line of 5 minutes by `base`", "timeline", FIVE_MINUTES, model="base"),
    "base-vad": Task(
        "time line of 5 minutes by `base`, voice activity on",
        "timeline",
        FIVE_MINUTES,
        "silero",
        model="base",
    ),
    "many": Task(f"{STREAMS} streams at once on {CORES} cores", "many", MANY_SECONDS, "silero"),
}


# --- the recording ---


def make_recording(data: Path | None, path: Path) -> None:
    """Write an hour of clips and noise, 16-bit at 16 kHz."""
    import soundfile

    import affekt
    from affekt.data import data_root, load_corpus

    clips = spread(sorted(load_corpus("cremad", data), key=lambda clip: clip.file), 250)
    voices = [affekt.load_audio(clip.file) for clip in clips]
    noises = [
        affekt.load_audio(file) for file in sorted((data_root(data) / "noise/noise").iterdir())
    ]
    noise = np.concatenate([one for one in noises if len(one) > RATE])
    rng = np.random.default_rng(0)
    written = 0
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        while written < HOUR * RATE:
            voice = voices[int(rng.integers(len(voices)))]
            pause = round(len(voice) * NOISE_SHARE / (1 - NOISE_SHARE) * rng.uniform(0, 2))
            start = int(rng.integers(len(noise) - len(voice) - pause))
            stretch = 0.3 * noise[start : start + len(voice) + pause]
            stretch[: len(voice)] = 0.1 * stretch[: len(voice)] + voice
            stretch = stretch[: HOUR * RATE - written].clip(-1, 1)
            file.write(stretch)
            written += len(stretch)


# --- one task, in a process of its own ---


def work(key: str, recording: str) -> None:
    """Do a task once for every round; print what was seen of it at the end."""
    import affekt

    task = TASKS[key]
    model = affekt.load_model(task.model, threads=1)
    options = affekt.TimelineOptions(vad=task.vad, window=task.window)
    facts: dict[str, Any] = {}
    kinds: dict[str, Callable[..., dict[str, Any]]] = {
        "timeline": _timeline,
        "stream": partial(_stream, learn=task.learn),
        "many": _many,
    }
    run = kinds[task.kind]
    for _ in model.measure((np.zeros(5 * RATE, np.float32) + 0.01, RATE), options):
        pass  # loads what is loaded once
    print("ready", flush=True)
    work_in_rounds(lambda: facts.update(run(model, options, recording, task.seconds)))
    print(json.dumps({**facts, "peak_memory_bytes": peak_memory()}), flush=True)


def _timeline(
    model: affekt.Model, options: affekt.TimelineOptions, recording: str, seconds: int
) -> dict[str, Any]:
    segments = list(model.timeline(_part(recording, seconds), options))
    return {"segments": len(segments), "end": segments[-1].end}


def _stream(
    model: affekt.Model,
    options: affekt.TimelineOptions,
    recording: str,
    seconds: int,
    *,
    learn: bool,
) -> dict[str, Any]:
    stream, segments, all_ms, result_ms = model.stream(options, learn=learn), [], [], []
    early = 0
    for index, chunk in enumerate(_chunks(recording, seconds)):
        start = time.perf_counter()
        segments += stream.push(chunk)
        took = 1000 * (time.perf_counter() - start)
        all_ms.append(took)
        if stream.measurements:
            result_ms.append(took)
        if index == FIVE_MINUTES * RATE // CHUNK - 1:
            early = peak_memory()
    segments += stream.flush()
    last = stream.measurements[-1].end if stream.measurements else segments[-1].end
    return {
        "segments": len(segments),
        "end": last,
        "memory_growth_bytes": peak_memory() - early,
        "push_ms": np.percentile(all_ms, [50, 99]).round(3).tolist(),
        "result_ms": np.percentile(result_ms, [50, 99]).round(3).tolist(),
    }


def _many(
    model: affekt.Model, options: affekt.TimelineOptions, recording: str, seconds: int
) -> dict[str, Any]:
    """Streams share out the cores; each core serves its streams chunk by chunk, in turn."""
    chunks = list(_chunks(recording, seconds))

    def serve(count: int) -> None:
        streams = [model.stream(options) for _ in range(count)]
        for index in range(len(chunks)):
            for number, stream in enumerate(streams):
                stream.push(chunks[(index + 7 * number) % len(chunks)])

    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(serve, [STREAMS // CORES] * CORES))
    return {}


def _part(recording: str, seconds: int) -> str:
    """The path of the recording's beginning."""
    return recording.replace("hour", str(seconds))


def _chunks(recording: str, seconds: int) -> Iterator[np.ndarray]:
    """Chunks as a microphone gives them; read as a time line reads, many at once."""
    for block, _ in decode_blocks(_part(recording, seconds)):
        for start in range(0, len(block), CHUNK):
            yield block[start : start + CHUNK]


# --- the measurement ---


def measure(data: Path | None, rounds: int, only: Sequence[str]) -> Result:
    """Run tasks and return the result as it is stored; without ``only``, all of them."""
    import soundfile

    from affekt.evaluation.provenance import commit, software_versions

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        recording = str(Path(folder) / "hour.wav")
        make_recording(data, Path(recording))
        for seconds in {task.seconds for task in TASKS.values()}:
            samples, _ = soundfile.read(recording, frames=seconds * RATE, dtype="int16")
            soundfile.write(_part(recording, seconds), samples, RATE)
        keys = only or list(TASKS)
        workers = {key: Worker(__file__, "--worker", key, recording) for key in keys}
        for number in range(rounds):
            for key in keys[:: -1 if number % 2 else 1]:
                if number < _rounds_of(TASKS[key]):
                    workers[key].round()
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
        tasks = {key: summary(key, worker) for key, worker in workers.items()}
    if only:
        stored = REPORT.load()
        added = {key: {**row, "commit": commit()} for key, row in tasks.items()}
        stored = {**stored, "tasks": {**stored["tasks"], **added}}
        if {"stream", "stream-baseline"} <= set(keys):
            stored["baseline_to_stream"] = ratio(workers, "stream-baseline", "stream")
        return stored
    return {
        "rounds": rounds,
        "tasks": tasks,
        "stream_to_timeline": ratio(workers, "stream", "window-3"),
        "stream_to_timeline_vad": ratio(workers, "stream-vad", "five-vad"),
        "baseline_to_stream": ratio(workers, "stream-baseline", "stream"),
        "window_spread": max(
            abs(ratio(workers, key, "window-3") - 1) for key in ("window-1", "window-10")
        ),
        "machine": processor(),
        "versions": software_versions(),
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - started, 1),
    }


def _rounds_of(task: Task) -> float:
    """An hour takes long, and little depends on chance in it: it is measured once."""
    return math.inf if task.compared else 1 if task.seconds == HOUR else FEW_ROUNDS


def summary(key: str, worker: Worker) -> dict[str, Any]:
    """Return the figures of one task."""
    task = TASKS[key]
    facts: dict[str, Any] = json.loads(worker.finish())
    factors = [second / task.seconds for second in worker.seconds]
    shares = [second / task.seconds for second in worker.cpu_seconds]
    return {
        "title": task.title,
        "rtf": round(statistics.median(factors), 6),
        "cpu_share": round(statistics.median(shares), 6),
        **facts,
    }


def ratio(workers: dict[str, Worker], one: str, other: str) -> float:
    """CPU time per second of one task over that of another, the median over rounds."""
    pairs = zip(workers[one].cpu_seconds, workers[other].cpu_seconds, strict=False)
    scale = TASKS[other].seconds / TASKS[one].seconds
    return round(statistics.median(a / b * scale for a, b in pairs), 3)


# --- the table ---


def table(result: Result) -> str:
    """Return the result as Markdown: what was asked, what was measured, the conditions."""
    tasks = result["tasks"]
    rows: list[tuple[str, str, str]] = []

    def add(what: str, limit: str, found: str) -> None:
        rows.append((what, limit, found))

    for key, limit in (("hour", "0.003"), ("hour-vad", "0.012")):
        add(f"{tasks[key]['title']}: share of real time", limit, f"{tasks[key]['rtf']:.4f}")
    for key in ("base", "base-vad"):
        if key in tasks:
            title = f"{tasks[key]['title']}: CPU time as share of real time"
            add(title, "0.05", f"{tasks[key]['cpu_share']:.3f}")
    for key, short in (("hour", "five"), ("hour-vad", "five-vad")):
        more = tasks[key]["peak_memory_bytes"] - tasks[short]["peak_memory_bytes"]
        vad = ", voice activity on" if "vad" in key else ""
        add(f"memory of an hour over 5 minutes{vad}", "30 MB", f"{more / 1e6:.1f} MB")
    for name, vad in (("", ""), ("_vad", ", voice activity on")):
        add(
            f"stream in chunks of 100 ms: cost beside the time line{vad}",
            "2 ×",
            f"{result[f'stream_to_timeline{name}']:.2f} ×",
        )
    if "baseline_to_stream" in result:
        title = "stream with a baseline that learns: cost beside one without"
        add(title, "1.02 ×", f"{result['baseline_to_stream']:.3f} ×")
    for key, vad in (("stream", ""), ("stream-vad", ", voice activity on")):
        median, high = tasks[key]["result_ms"]
        add(
            f"from the end of a chunk to its result{vad}: median, 99th percentile",
            "20 ms",
            f"{median:.1f} ms, {high:.1f} ms",
        )
    add(f"{tasks['many']['title']}: share of real time", "1", f"{tasks['many']['rtf']:.2f}")
    add(
        "cost for windows of 1 and 10 s beside 3 s: largest difference",
        "10 %",
        f"{100 * result['window_spread']:.1f} %",
    )
    hour = tasks["stream-hour"]
    add(
        "stream of an hour: memory from the 5th minute on",
        "",
        f"{hour['memory_growth_bytes'] / 1e6:+.1f} MB",
    )
    add(
        "stream of an hour: error of the end time",
        "10 ms",
        f"{1000 * abs(hour['end'] - HOUR):.1f} ms",
    )
    lines = ["| | at most | measured |", "|---|---:|---:|"]
    lines += [f"| {what} | {limit} | {found} |" for what, limit, found in rows]
    versions = result["versions"]
    shown = ", ".join(f"{name} {versions[name]}" for name in ("python", "onnxruntime", "numpy"))
    lines += [
        "",
        f"CREMA-D clips and recorded noise; `live` where no other model is named, one thread where "
        f"nothing else is said; rounds are interleaved, comparisons are medians of the ratios of "
        f"CPU time within each of {result['rounds']}; {result['machine']}; {shown}; "
        f"commit `{result['commit'][:12]}`.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    from affekt.errors import AffektError

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the corpora; default: $AFFEKT_DATA")
    parser.add_argument("--rounds", type=int, default=15, help="how many rounds (15)")
    parser.add_argument(
        "--only", nargs="+", choices=TASKS, default=[], help="tasks; what is stored stays"
    )
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    REPORT.add_options(parser)
    options = parser.parse_args()
    if options.worker:
        work(*options.worker)
        return
    if options.table_only:
        REPORT.show(table(REPORT.load()))
        return
    try:
        result = measure(options.data, options.rounds, options.only)
    except AffektError as error:
        raise SystemExit(f"error: {error}") from None
    REPORT.finish(result, options.out, table)


if __name__ == "__main__":
    main()
