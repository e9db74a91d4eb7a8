"""What loudness, telephones and background noise do to a model's answers.

    python benchmarks/robustness.py --data ../shared/data  # measures, writes JSON and table
    python benchmarks/robustness.py --model base           # another model, beside those stored
    python benchmarks/robustness.py --table-only           # writes docs/input-quality.md again

The clips are those of the test speakers of ``cremad-tfds``, which the shipped models were
not trained on; every condition changes the same clips. Noise comes from the folder ``noise/noise``
of the data.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from _common import Report, Result

from affekt.runtime.bundle import DEFAULT

REPORT = Report("robustness", "docs/input-quality.md")
PROTOCOL = "cremad-tfds"
RATE = 16000  # Hz
TELEPHONE = (300.0, 3400.0)  # Hz

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Takes samples [samples] at ``RATE`` and a generator; returns changed samples."""


def gain(level_db: float) -> Change:
    """Make a recording louder or softer, without clipping: float samples have room."""
    return lambda samples, _: samples * np.float32(10 ** (level_db / 20))


def telephone(samples: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Keep the band of a telephone and nothing else."""
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum[(hz < TELEPHONE[0]) | (hz > TELEPHONE[1])] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def silence_at_ends(samples: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Add a second of silence at both ends."""
    return np.pad(samples, RATE)


def floor_at_ends(samples: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Add a second of the recording's own quietest stretch, repeated, at both ends."""
    from affekt.augment.pad_ends import floor_course

    floor = np.resize(floor_course(samples, RATE), RATE)
    return np.concatenate([floor, samples, floor])


def noise(snr_db: float, recordings: Sequence[np.ndarray]) -> Change:
    """Add a stretch of a recorded background at a ratio of mean powers."""

    def add(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        chosen = recordings[int(rng.integers(len(recordings)))]
        start = int(rng.integers(max(1, len(chosen) - len(samples))))
        stretch = np.resize(chosen[start:], len(samples))
        power = np.mean(samples**2) / max(float(np.mean(stretch**2)), 1e-12)
        scale = np.float32(np.sqrt(power * 10 ** (-snr_db / 10)))
        return np.asarray(samples + stretch * scale)

    return add


def measure(data: Path | None, model_id: str | None, count: int | None) -> Result:
    """Run all conditions and return the result as it is stored."""
    import affekt
    from affekt.data import data_root
    from affekt.evaluation import evaluate, get_protocol
    from affekt.evaluation.provenance import commit, data_fingerprint, software_versions

    started = time.perf_counter()
    model = affekt.load_model(model_id)
    protocol = get_protocol(PROTOCOL)
    clips = protocol.folds(protocol.load(data))[0].test
    clips = clips[:: max(1, len(clips) // count)] if count else clips
    folder = data_root(data) / "noise" / "noise"
    backgrounds = [affekt.load_audio(file) for file in sorted(folder.glob("*"))]
    backgrounds = [samples for samples in backgrounds if np.abs(samples).max() > 0]
    conditions: dict[str, Change] = {
        "as recorded": lambda samples, _: samples,
        "20 dB softer": gain(-20),
        "20 dB louder": gain(20),
        "telephone band, 300 to 3400 Hz": telephone,
        "1 s of silence at both ends": silence_at_ends,
        "1 s of its own floor at both ends": floor_at_ends,
        **{f"noise at {snr} dB SNR": noise(snr, backgrounds) for snr in (20, 10, 0)},
    }
    waveforms = [affekt.load_audio(clip.file) for clip in clips]
    targets = np.array([model.labels.index(clip.emotion) for clip in clips])
    rows = []
    for name, change in conditions.items():
        rng = np.random.default_rng(0)
        changed = ((np.clip(change(samples, rng), -4, 4), RATE) for samples in waveforms)
        answers = model.predict_batch(changed)
        probabilities = np.array([list(answer.scores.values()) for answer in answers])
        metrics = evaluate(probabilities, targets, model.labels)
        rows.append((name, metrics, probabilities.argmax(axis=1)))
        print(f"{name}: UAR {100 * metrics.uar:.1f} %", flush=True)
    reference = rows[0]
    return {
        "protocol": PROTOCOL,
        "model": model_id or DEFAULT,
        "clips": len(clips),
        "noises": len(backgrounds),
        "conditions": {
            name: {
                "uar": metrics.uar,
                "uar_change": metrics.uar - reference[1].uar,
                "same_label": float(np.mean(labels == reference[2])),
                "ece": metrics.ece,
            }
            for name, metrics, labels in rows
        },
        "versions": software_versions(),
        "data_sha256": data_fingerprint(clips),
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - started, 1),
    }


def table(stored: Result) -> str:
    """Return the results of all models, each measured by itself, as Markdown."""
    head = "".join(f" `{model}`: UAR | change | calibration error |" for model in stored)
    lines = [f"| condition |{head}", f"|---|{'---:|---:|---:|' * len(stored)}"]
    conditions = {name: None for result in stored.values() for name in result["conditions"]}
    for name in conditions:
        cells = "".join(_cells(result["conditions"].get(name)) for result in stored.values())
        lines.append(f"| {name} |{cells}")
    told = "; ".join(
        f"`{model}`: {result['clips']} clips, {result['noises']} recorded backgrounds, commit "
        f"`{result['commit'][:12]}`"
        for model, result in stored.items()
    )
    lines += ["", f"Clips of the test speakers of `{PROTOCOL}`. {told}."]
    return "\n".join(lines)


def _cells(row: Result | None) -> str:
    """Return the cells of one condition; empty where it was not measured."""
    if row is None:
        return " | | |"
    uar, change, ece = (100 * row[name] for name in ("uar", "uar_change", "ece"))
    return f" {uar:.1f} % | {change:+.1f} | {ece:.1f} % |"


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the corpora; default: $AFFEKT_DATA")
    parser.add_argument("--model", help="model directory or hub id; default: the shipped model")
    parser.add_argument("--clips", type=int, help="about how many clips (all)")

    def of_model(options: argparse.Namespace) -> Result:
        result = measure(options.data, options.model, options.clips)
        stored = REPORT.load() if options.out == REPORT.file and REPORT.file.is_file() else {}
        return {**stored, result["model"]: result}

    REPORT.run(parser, of_model, table)


if __name__ == "__main__":
    main()
