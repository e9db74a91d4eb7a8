"""Damaged recordings against a server: none may be answered with 5xx, hang, or end a decoder.

    python benchmarks/mutated.py --count 10000 --seconds 600

Each is a short recording in one of many formats in which bytes were changed, cut out, repeated or
added. The seed of each is its number, so that what fails can be made again with ``--only N``.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import re
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from _load import form_request
from serve import affekt_server

SECONDS = 1.0
CLIENTS = 4
LONGEST_SECONDS = 30.0  # beyond the limit of decoding: a hang


def originals() -> dict[str, bytes]:
    """Return the same sound in each format, as the bytes of files."""
    import av
    import soundfile

    samples = np.random.default_rng(0).normal(0, 0.1, round(48000 * SECONDS)).astype(np.float32)
    made = {}
    for kind, subtype in (
        *(("WAV", "PCM_24"), ("WAV", "IMA_ADPCM"), ("WAV", "GSM610"), ("FLAC", "PCM_16")),
        *(("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16")),
        *(("CAF", "ALAC_16"), ("W64", "PCM_16"), ("AU", "ULAW"), ("VOC", "PCM_16")),
    ):
        file = io.BytesIO()
        rate, sound = (8000, samples[:8000]) if subtype == "GSM610" else (48000, samples)
        soundfile.write(file, sound, rate, format=kind, subtype=subtype)
        made[f"{kind} {subtype}"] = file.getvalue()
    for kind, codec in (("webm", "libopus"), ("mp4", "aac"), ("adts", "aac"), ("flv", "aac")):
        file = io.BytesIO()
        with av.open(file, "w", format=kind) as output:
            stream = output.add_stream(codec, rate=48000, layout="mono")
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.sample_rate = 48000
            size = stream.codec_context.frame_size or 960
            resampler = av.AudioResampler(format=stream.format, frame_size=size)
            for part in (*resampler.resample(frame), *resampler.resample(None)):
                output.mux(stream.encode(part))
            output.mux(stream.encode(None))
        made[f"{kind} {codec}"] = file.getvalue()
    return made


def mutate(content: bytes, generator: np.random.Generator) -> bytes:
    """Return a recording with a few faults, most of them near its beginning."""
    data = bytearray(content)
    for _ in range(int(generator.integers(1, 9))):
        near = int(generator.integers(0, 200)) if generator.random() < 0.6 else len(data)
        at = int(generator.integers(0, max(1, min(near + 1, len(data)))))
        size = int(generator.integers(1, 9))
        fault = generator.integers(0, 5)
        if fault <= 1:
            data[at : at + size] = generator.bytes(size)
        elif fault == 2:
            del data[at : at + int(generator.integers(1, 2000))]
        elif fault == 3:
            data[at:at] = data[at : at + int(generator.integers(1, 500))]
        else:
            data[at : at + 4] = generator.choice([0, 255], 4).astype(np.uint8).tobytes()
    return bytes(data)


def ask(port: int, content: bytes) -> tuple[int, float]:
    """Upload a recording; return the status, 0 where there was none, and the seconds it took."""
    head, _, body = form_request(content, path="/v1/audio/emotions", port=port).partition(
        b"\r\n\r\n"
    )
    kind = head.partition(b"Content-Type: ")[2].partition(b"\r\n")[0].decode()
    begun = time.perf_counter()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2 * LONGEST_SECONDS)
        connection.request("POST", "/v1/audio/emotions", body, {"Content-Type": kind})
        status = connection.getresponse().status
        connection.close()
    except OSError:
        status = 0
    return status, time.perf_counter() - begun


def main() -> None:
    """Upload damaged recordings, and say what came of them; status 1 if that was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000, help="of each format (10000)")
    parser.add_argument("--seconds", type=float, default=600.0, help="at most (600)")
    parser.add_argument("--only", type=int, help="the number of one recording")
    parser.add_argument("--out", type=Path, help="where a JSON with the counts goes")
    options = parser.parse_args()
    made = originals()
    names = list(made)
    wrong: list[str] = []
    statuses: dict[str, Counter[int]] = {name: Counter() for name in names}
    numbers = range(options.count * len(names)) if options.only is None else [options.only]
    with affekt_server(None) as (port, _), ThreadPoolExecutor(CLIENTS) as pool:
        until = time.monotonic() + options.seconds

        def work(number: int) -> None:
            if time.monotonic() > until:
                return
            name = names[number % len(names)]
            content = mutate(made[name], np.random.default_rng(number))
            status, seconds = ask(port, content)
            statuses[name][status] += 1
            if status == 0 or status >= 500 or seconds > LONGEST_SECONDS:
                wrong.append(f"{number} ({name}): status {status} after {seconds:.1f} s")

        list(pool.map(work, numbers))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/metrics")
        metrics = connection.getresponse().read().decode()
    deaths = int(float(re.findall(r"^affekt_decoder_deaths_total (\S+)", metrics, re.M)[0]))
    found = {name: dict(sorted(counted.items())) for name, counted in statuses.items()}
    result = {"statuses": found, "decoder_deaths": deaths, "wrong": wrong}
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    sys.exit(1 if wrong or deaths else 0)


if __name__ == "__main__":
    main()
