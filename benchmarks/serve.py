"""Load on a server: requests per second, latencies, streams in real time, memory over time.

    python benchmarks/serve.py                  # measures, writes the JSON and the table
    python benchmarks/serve.py --soak 600       # only ten minutes of mixed load, beside the rest
    python benchmarks/serve.py --table-only     # writes the table again

Server and clients share the cores of one machine, over loopback. The clips are 3 s of noise that
swells, so that all runs cost the same. affekt's server and a direct call of its model take turns
in rounds; the peer, which takes seconds for what they do in milliseconds, is measured once.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from _common import ROOT, Report, Result, Worker, processor, work_in_rounds
from _load import SAMPLE_RATE, Answers, drive, form_request, hold_streams
from _watch import cpu_seconds, memory

from affekt.runtime.bundle import DEFAULT

REPORT = Report("serve", "benchmarks/measurements.md")
CLIP_SECONDS = 3.0
CLIENTS = (1, 8, 64)
KINDS = ("WAV", "FLAC")  # read as it is, and decoded in a process of its own
PEER_REQUESTS = {1: 5, 8: 16, 64: 64}
DIRECT_CLIPS = 100
STREAMS = 64
PEER = "wav2vec2-base"
PEER_START_SECONDS = 300.0  # it imports torch and transformers


# --- what is sent ---


def clips(count: int = 16, kind: str = "WAV") -> list[bytes]:
    """Return different recordings of equal length, as the bytes of files."""
    import soundfile

    generator = np.random.default_rng(0)
    made = []
    for _ in range(count):
        length = round(CLIP_SECONDS * SAMPLE_RATE)
        swell = np.sin(np.linspace(0, 3 * np.pi, length)) ** 2
        samples = (0.1 * generator.normal(size=length) * swell).astype(np.float32)
        file = io.BytesIO()
        soundfile.write(file, samples, SAMPLE_RATE, format=kind, subtype="PCM_16")
        made.append(file.getvalue())
    return made


def speech() -> np.ndarray:
    """Return the sample recordings one after the other."""
    from affekt import load_audio

    files = sorted((ROOT / "examples" / "recordings").glob("*.wav"))
    return np.concatenate([load_audio(file) for file in files])


# --- who answers ---


@contextmanager
def affekt_server(
    model: str | None, *options: str, queue: int | None = 1000
) -> Iterator[tuple[int, int]]:
    """Run ``affekt serve``; give its port and its process id."""
    chosen = ["--model", model] if model else []
    if queue is not None:
        chosen.append(f"--queue={queue}")
    command = [sys.executable, "-m", "affekt", "serve", "--port=0", "--log-format=json"]
    process = subprocess.Popen([*command, *chosen, *options], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                break
        else:
            raise SystemExit("error: affekt serve does not start")
        reading = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
        yield int(found[1]), process.pid
    finally:
        process.terminate()
        process.wait()
    reading.wait()


@contextmanager
def peer_server() -> Iterator[int]:
    """Run the peer; give its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    script = str(Path(__file__).with_name("_serve_peer.py"))
    process = subprocess.Popen([sys.executable, script, str(port)])
    try:
        until = time.monotonic() + PEER_START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"error: the server of {PEER} does not start")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def work_directly(model: str | None) -> None:
    """In a worker: call the model with the same clips, one after the other, on one thread."""
    import affekt

    recogniser = affekt.load_model(model, threads=1)
    made = {kind: clips(kind=kind) for kind in KINDS}
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}

    def work() -> None:
        for kind, files in made.items():
            for index in range(DIRECT_CLIPS):
                begun = time.perf_counter()
                recogniser.predict(files[index % len(files)])
                times[kind].append(1000 * (time.perf_counter() - begun))

    work()
    for measured in times.values():
        measured.clear()
    print("ready", flush=True)
    work_in_rounds(work)
    print(json.dumps(times))


# --- the measurement ---


def measure(options: argparse.Namespace) -> Result:
    """Measure everything but the soak; one that was stored before is kept."""
    from affekt.evaluation.provenance import commit, software_versions

    start = time.perf_counter()
    result: Result = {"clip_seconds": CLIP_SECONDS, "rounds": options.rounds}
    result["model"] = options.model or DEFAULT
    result |= measure_requests(options)
    result["batching"] = measure_batching(options)
    result["streams"] = measure_streams(options)
    if REPORT.file.is_file() and "soak" in (stored := REPORT.load()):
        result["soak"] = stored["soak"]
    return result | {
        "machine": processor(),
        "versions": software_versions(),
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - start, 1),
    }


def measure_requests(options: argparse.Namespace) -> Result:
    """Compare the server with its model and with the peer."""
    made = clips()
    own: dict[int, list[Answers]] = {clients: [] for clients in CLIENTS}
    decoded: list[Answers] = []
    direct = Worker(__file__, "--direct", options.model or DEFAULT)
    with affekt_server(options.model) as (port, _):
        path = "/v1/audio/emotions"
        requests = [form_request(clip, path=path, port=port) for clip in made]
        flac = [form_request(clip, path=path, port=port) for clip in clips(kind="FLAC")]
        asyncio.run(drive(port, requests + flac, clients=8, seconds=2))  # warm up
        for number in range(options.rounds):
            for clients in CLIENTS:
                load = drive(port, requests, clients=clients, seconds=options.seconds)
                own[clients].append(asyncio.run(load))
            decoded.append(asyncio.run(drive(port, flac, clients=1, seconds=options.seconds)))
            direct.round()
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    times = json.loads(direct.finish())
    peer = {}
    with peer_server() as port:
        requests = [form_request(clip, path="/predict", port=port) for clip in made]
        asyncio.run(drive(port, requests, clients=1, count=1))
        for clients, count in PEER_REQUESTS.items():
            peer[clients] = [asyncio.run(drive(port, requests, clients=clients, count=count))]
            print(f"{PEER}, {clients} clients", file=sys.stderr)
    affekt_rows = {str(clients): summary(found) for clients, found in own.items()}
    peer_rows = {str(clients): summary(found) for clients, found in peer.items()}
    return {
        "affekt": affekt_rows,
        "direct": percentiles(times["WAV"])
        | {"requests_per_second": round(1000 / statistics.mean(times["WAV"]), 2)},
        "peer": peer_rows,
        "times_as_many_as_peer": {
            clients: round(
                affekt_rows[clients]["requests_per_second"]
                / peer_rows[clients]["requests_per_second"],
                1,
            )
            for clients in affekt_rows
        },
        "overhead_milliseconds": overhead(own[1], times["WAV"]),
        "overhead_decoded_milliseconds": overhead(decoded, times["FLAC"]),
    }


def overhead(served: Sequence[Answers], alone: Sequence[float]) -> float:
    """Return what one client waits longer than for a direct call: the median over the rounds."""
    found = []
    for number, answers in enumerate(served):
        direct = alone[number * DIRECT_CLIPS : (number + 1) * DIRECT_CLIPS]
        found.append(statistics.median(answers.milliseconds) - statistics.median(direct))
    return round(statistics.median(found), 3)


def measure_batching(options: argparse.Namespace) -> Result:
    """Tell what sharing runs gains under full load: requests per second with and without."""
    rates: dict[str, list[float]] = {"1": [], "8": []}
    made = clips()
    for _ in range(2):
        for batch, found in rates.items():
            with affekt_server(options.model, f"--batch={batch}") as (port, _):
                requests = [form_request(c, path="/v1/audio/emotions", port=port) for c in made]
                asyncio.run(drive(port, requests, clients=64, seconds=2))
                load = drive(port, requests, clients=64, seconds=options.seconds)
                answers = asyncio.run(load)
                found.append(len(answers.milliseconds) / answers.seconds)
    return {batch: round(statistics.median(found), 1) for batch, found in rates.items()}


def measure_streams(options: argparse.Namespace) -> Result:
    """Hold many streams at once, and tell how late their answers come."""
    with affekt_server(options.model) as (port, pid):
        url = f"ws://127.0.0.1:{port}/v1/stream"
        before = cpu_seconds(pid)
        seconds = options.stream_seconds
        heard = asyncio.run(hold_streams(url, speech(), streams=STREAMS, seconds=seconds))
        used = cpu_seconds(pid) - before
    return {
        "streams": STREAMS,
        "seconds": seconds,
        "answers": len(heard.delays),
        "faults": heard.faults,
        "delay_ms": percentiles([1000 * delay for delay in heard.delays]),
        "last_answer_ms": percentiles([1000 * delay for delay in heard.last]),
        "cores_used": round(used / (seconds + 1), 2),
    }


def soak(options: argparse.Namespace) -> Result:
    """Mix good and bad recordings, short and long, and streams; watch the memory."""
    from affekt.evaluation.provenance import commit

    made = [*clips(8), *(clip[: len(clip) // 2] for clip in clips(2)), b"nonsense" * 500]
    files = sorted((ROOT / "examples" / "recordings").glob("*.*"))
    made += [file.read_bytes() for file in files if file.suffix not in (".py", ".md")]
    samples: list[tuple[float, float]] = []
    with affekt_server(options.model) as (port, pid):
        requests = [form_request(clip, path="/v1/audio/emotions", port=port) for clip in made]
        url = f"ws://127.0.0.1:{port}/v1/stream"

        async def mix() -> tuple[int, int, int]:
            start, answered, refused, faults = time.perf_counter(), 0, 0, 0
            while (passed := time.perf_counter() - start) < options.soak:
                samples.append((passed, memory(pid)))
                load, heard = await asyncio.gather(
                    drive(port, requests, clients=4, seconds=5),
                    hold_streams(url, speech(), streams=8, seconds=5),
                )
                answered += len(load.milliseconds)
                refused += sum(load.others.values())
                faults += heard.faults
            return answered, refused, faults

        answered, refused, faults = asyncio.run(mix())
    settled = [size for passed, size in samples if passed >= 0.2 * options.soak]
    third = max(1, len(settled) // 3)
    growth = statistics.mean(settled[-third:]) - statistics.mean(settled[:third])
    return {
        "seconds": options.soak,
        "answered": answered,
        "refused": refused,
        "stream_faults": faults,
        "memory_mb": round(statistics.mean(settled) / 1e6, 1),
        "growth_mb": round(growth / 1e6, 2),
        "samples_mb": [round(size / 1e6, 1) for _, size in samples],
        "commit": commit(),
    }


def summary(rounds: Sequence[Answers]) -> Result:
    """Return rate and latencies over all rounds; the rate is the median of theirs."""
    rates = [len(answers.milliseconds) / answers.seconds for answers in rounds]
    times = [value for answers in rounds for value in answers.milliseconds]
    others = sum(sum(answers.others.values()) for answers in rounds)
    rate = {"requests_per_second": round(statistics.median(rates), 2), "not_answered": others}
    return percentiles(times) | rate


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return the median and the tails."""
    if not values:
        raise SystemExit("error: nothing was answered: the machine is too busy to measure on")
    return {f"p{p}": round(float(np.percentile(values, p)), 2) for p in (50, 95, 99)}


# --- the table ---


def table(result: Result) -> str:
    """Return the result as Markdown."""
    lines = [
        "| 3 s clips | clients | requests per second | median ms | 95 % ms | 99 % ms |",
        "|---|---:|---:|---:|---:|---:|",
    ]

    def row(title: str, clients: str, figures: dict[str, Any]) -> str:
        return (
            f"| {title} | {clients} | {figures['requests_per_second']:.1f} | {figures['p50']:.1f} "
            f"| {figures['p95']:.1f} | {figures['p99']:.1f} |"
        )

    lines += [row("`affekt serve`", n, found) for n, found in result["affekt"].items()]
    lines.append(row("the model called directly, one thread", "", result["direct"]))
    title = "FastAPI with wav2vec2-base of transformers"
    lines += [row(title, n, found) for n, found in result["peer"].items()]
    ratios = result["times_as_many_as_peer"]
    told = ", ".join(f"{ratio:.0f} times at {n}" for n, ratio in ratios.items())
    batching, streams = result["batching"], result["streams"]
    isolated = result.get("overhead_decoded_milliseconds")
    also = (
        f", and {isolated:.1f} ms for FLAC, whose decoder is isolated"
        if isolated is not None
        else ""
    )
    lines += [
        "",
        f"As many requests as the peer: {told} clients. Over the direct call, HTTP "
        f"adds {result['overhead_milliseconds']:.1f} ms at the median{also}. Sharing runs between "
        f"requests: {batching['8']:.0f} requests per second, {batching['1']:.0f} without.",
        "",
        f"{streams['streams']} streams at once for {streams['seconds']:.0f} s: "
        f"{streams['answers']} answers, half of them within {streams['delay_ms']['p50']:.0f} ms of "
        f"the sound that they need, 99 % within {streams['delay_ms']['p99']:.0f} ms; "
        f"{streams['faults']} broke; the server used {streams['cores_used']:.2f} cores.",
        "",
    ]
    if (soaked := result.get("soak")) is not None:
        lines += [
            f"{soaked['seconds'] / 60:.0f} minutes of mixed load: {soaked['answered']} requests "
            f"answered, {soaked['refused']} bad ones refused, {soaked['stream_faults']} streams "
            f"broken; server and decoders held {soaked['memory_mb']:.0f} MB, and "
            f"{soaked['growth_mb']:+.1f} MB more in the last third than in the first "
            f"(commit `{soaked['commit'][:12]}`).",
            "",
        ]
    lines.append(
        f"Model `{result['model']}`; {result['rounds']} rounds; server and clients together on "
        f"{result['machine']}; "
        f"onnxruntime {result['versions'].get('onnxruntime')}; commit `{result['commit'][:12]}`."
    )
    return "\n".join(lines)


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    REPORT.add_options(parser)
    parser.add_argument("--model", help="model directory or hub id; default: the shipped model")
    parser.add_argument("--rounds", type=int, default=3, help="how many rounds (3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of load, each time (5)")
    parser.add_argument("--stream-seconds", type=float, default=20.0, help="of each stream (20)")
    parser.add_argument(
        "--soak", type=float, default=0.0, help="only mixed load, of so many seconds"
    )
    parser.add_argument("--direct", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.direct:
        work_directly(options.direct)
        return
    if options.table_only:
        REPORT.show(table(REPORT.load()))
        return
    if options.soak:
        REPORT.finish(REPORT.load() | {"soak": soak(options)}, options.out, table)
        return
    missing = [name for name in ("transformers", "torch") if find_spec(name) is None]
    if missing:
        raise SystemExit(f"error: not installed: {', '.join(missing)}; see `make bench`")
    REPORT.finish(measure(options), options.out, table)


if __name__ == "__main__":
    main()
