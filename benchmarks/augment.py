"""Waveform augmentation beside audiomentations, and its share of a training epoch.

    python benchmarks/augment.py --data ../shared/data   # measures, writes JSON and tables
    python benchmarks/augment.py --table-only            # writes the tables again

Needs ``pip install audiomentations fast-mp3-augment`` beside the ``train`` extra. Both sides get
the same RAVDESS clips, decoded before, and one thread; they take turns round by round, and a ratio
is the median of the rounds' ratios. Noise and rooms come from ``noise/noise`` and ``noise/rir`` of
the data. The epoch is one of the recipe ``cnn`` on two threads.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _common import ROOT, Report, Result, choose_clips, processor

if TYPE_CHECKING:
    from affekt.data import Clip
    from affekt.training.data.batches import Batch

REPORT = Report("augment", "benchmarks/measurements.md")
RATE = 16_000  # Hz
THREADS = 2  # of the training epoch
ASKED = {"rate": 1.13, "snr_db": 10.0}  # what the exactness of both sides is measured at

Change = Callable[[np.ndarray], np.ndarray]
"""Takes samples ``[samples]`` at ``RATE``, draws, and returns changed samples."""

CHAIN: tuple[dict[str, Any], ...] = (
    {"name": "time_stretch", "probability": 0.5},
    {"name": "pitch_shift", "probability": 0.5},
    {"name": "vocal_tract_length", "probability": 0.5},
    {"name": "room_impulse_response", "probability": 0.3},
    {"name": "background_noise", "probability": 0.5},
    {"name": "codec", "probability": 0.2},
)
"""The chain whose cost in training is measured: more than most recipes would ask for."""
VARIANTS = 3


# --- the systems ---


def own(name: str, **options: Any) -> Change:
    """A transform of affekt with a generator of its own."""
    from affekt.augment import get_transform

    transform, rng = get_transform(name, options), np.random.default_rng(0)
    return lambda samples: transform(samples, RATE, rng)


def peer(name: str, *places: Path, **options: Any) -> Change:
    """A transform of audiomentations, always applied."""
    audiomentations = import_module("audiomentations")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transform = getattr(audiomentations, name)(*places, p=1.0, **options)

    def change(samples: np.ndarray) -> np.ndarray:
        changed: np.ndarray = transform(samples=samples, sample_rate=RATE)
        return changed

    return change


def systems(noise: Path, rooms: Path) -> dict[str, tuple[Change, str, Change | None]]:
    """Name of each transform, ours, and the name and work of what audiomentations has for it."""
    stretch = {"min_rate": 0.8, "max_rate": 1.2}
    shift = {"min_semitones": -2.0, "max_semitones": 2.0}
    ratio = {"min_snr_db": 5.0, "max_snr_db": 30.0}
    return {
        "time_stretch": (
            own("time_stretch", **stretch),
            "TimeStretch",
            peer("TimeStretch", leave_length_unchanged=False, **stretch),
        ),
        "pitch_shift": (own("pitch_shift", **shift), "PitchShift", peer("PitchShift", **shift)),
        "speed_perturbation": (own("speed_perturbation"), "", None),
        "vocal_tract_length": (own("vocal_tract_length"), "", None),
        "background_noise": (
            own("background_noise", folder=str(noise), **ratio),
            "AddBackgroundNoise",
            peer("AddBackgroundNoise", noise, **ratio),
        ),
        "room_impulse_response": (
            own("room_impulse_response", folder=str(rooms)),
            "ApplyImpulseResponse",
            peer("ApplyImpulseResponse", rooms),
        ),
        "codec, mp3": (
            own("codec", kinds=("mp3",), min_kbps=8.0, max_kbps=32.0),
            "Mp3Compression",
            peer("Mp3Compression", min_bitrate=8, max_bitrate=32, backend="fast-mp3-augment"),
        ),
        **{f"codec, {kind}": (own("codec", kinds=(kind,)), "", None) for kind in OTHER_CODECS},
        "gain": (own("gain"), "Gain", peer("Gain")),
        "clipping": (own("clipping"), "ClippingDistortion", peer("ClippingDistortion")),
        "dropouts": (own("dropouts", min_count=1, max_count=1), "TimeMask", peer("TimeMask")),
        "random_crop": (
            own("random_crop", seconds=2.0),
            "AdjustDuration",
            peer("AdjustDuration", duration_seconds=2.0),
        ),
        "random_shift": (own("random_shift"), "Shift", peer("Shift")),
    }


OTHER_CODECS = ("phone", "gsm", "opus")
REQUIRED = ("audiomentations", "fast_mp3_augment")


# --- throughput and exactness ---


def throughput(
    waveforms: Sequence[np.ndarray], sides: Mapping[str, Any], rounds: int
) -> dict[str, Any]:
    """Milliseconds per clip of each transform on both sides."""
    found = {}
    for name, (ours, title, theirs) in sides.items():
        times: dict[str, list[float]] = {"affekt": [], "audiomentations": []}
        for change in filter(None, (ours, theirs)):
            for samples in waveforms[:3]:
                change(samples)
        for _ in range(rounds):
            for side, change in zip(times, (ours, theirs), strict=True):
                if change:
                    times[side].append(seconds(change, waveforms))
        row: dict[str, Any] = {"affekt_ms": per_clip(times["affekt"], waveforms)}
        if theirs:
            ratios = np.divide(times["audiomentations"], times["affekt"])
            row |= {
                "audiomentations": title,
                "audiomentations_ms": per_clip(times["audiomentations"], waveforms),
                "affekt_times_as_fast": round(float(np.median(ratios)), 3),
            }
        found[name] = row
        print(f"{name}: {row}", file=sys.stderr)
    return found


def seconds(change: Change, waveforms: Sequence[np.ndarray]) -> float:
    """Wall time of one pass over all clips."""
    start = time.perf_counter()
    for samples in waveforms:
        change(samples)
    return time.perf_counter() - start


def per_clip(times: Sequence[float], waveforms: Sequence[np.ndarray]) -> float:
    """Median time in milliseconds per clip."""
    return round(1000 * statistics.median(times) / len(waveforms), 4)


def exactness(waveforms: Sequence[np.ndarray], noise: Path) -> dict[str, Any]:
    """How far duration and SNR are at most from the requested values, and how much else changes."""
    rate, snr_db = ASKED["rate"], ASKED["snr_db"]
    stretch = {"min_rate": rate, "max_rate": rate}
    ratio = {"min_snr_db": snr_db, "max_snr_db": snr_db}
    sides: dict[str, tuple[Change, Change]] = {
        "affekt": (
            own("time_stretch", **stretch),
            own("background_noise", folder=str(noise), **ratio),
        ),
        "audiomentations": (
            peer("TimeStretch", leave_length_unchanged=False, **stretch),
            peer("AddBackgroundNoise", noise, **ratio),
        ),
    }
    found = {}
    for side, (stretched, noisy) in sides.items():
        results = [stretched(x) for x in waveforms]
        lengths = [
            abs(len(result) - round(len(x) / rate))
            for x, result in zip(waveforms, results, strict=True)
        ]
        distances = [
            log_mel_distance_db(x, result, rate)
            for x, result in zip(waveforms, results, strict=True)
        ]
        ratios = [abs(measured_snr_db(x, noisy(x)) - snr_db) for x in waveforms]
        found[side] = {
            "duration_samples": max(lengths),
            "stretch_db": round(float(np.mean(distances)), 3),
            "snr_db": round(max(ratios), 4),
        }
    return found


def log_mel_distance_db(before: np.ndarray, after: np.ndarray, rate: float) -> float:
    """Mean difference of the log-mel from that of the recording at the corresponding time."""
    import torch

    from affekt.models.frontend import FrontendConfig, LogMel

    frontend = LogMel(FrontendConfig(hop_length=80))
    one, other = (frontend(torch.from_numpy(x)[None])[0].numpy() for x in (before, after))
    times = np.round(np.arange(other.shape[1]) * rate).astype(int)
    difference = other - one[:, np.minimum(times, one.shape[1] - 1)]
    return float(np.abs(difference).mean() * 10 / np.log(10))


def measured_snr_db(clean: np.ndarray, noisy: np.ndarray) -> float:
    """Ratio of the mean powers of the recording and of what was added."""
    added = noisy.astype(np.float64) - clean
    return float(10 * np.log10(np.mean(np.square(clean, dtype=np.float64)) / np.mean(added**2)))


# --- the share of a training epoch ---


def training_share(clips: Sequence[Clip], noise: Path, rooms: Path, epochs: int) -> dict[str, Any]:
    """Time that variants take once, and batches and steps take in each epoch."""
    import torch

    from affekt.training import FeatureStore, load_recipe
    from affekt.training.data.features import variants_of

    torch.set_num_threads(THREADS)
    recipe = load_recipe(ROOT / "recipes" / "cnn.toml")
    folders = {"background_noise": str(noise), "room_impulse_response": str(rooms)}
    tables = tuple(
        table | ({"folder": folders[table["name"]]} if table["name"] in folders else {})
        for table in CHAIN
    )
    planned = recipe.training.epochs
    training = replace(recipe.training, epochs=epochs)
    augment = replace(recipe.augment, variants=VARIANTS, waveform=tables)
    plain = replace(recipe, training=training)
    recipe = replace(plain, augment=augment)

    started = time.perf_counter()
    FeatureStore(recipe.model.frontend).prepare(clips, plain.training.speeds)
    reading = time.perf_counter() - started
    store = FeatureStore(recipe.model.frontend)
    started = time.perf_counter()
    store.prepare(clips, (1.0,), None, variants_of(recipe, 0))
    variants = time.perf_counter() - started

    making, epoch = epoch_seconds(recipe, clips, store)
    # All of the preparation is counted, though reading is needed without augmentation too.
    share = (variants / planned + making) / (variants / planned + epoch)
    return {
        "clips": len(clips),
        "variants": VARIANTS,
        "chain": [f"{table['name']} {table['probability']}" for table in CHAIN],
        "threads": THREADS,
        "epochs": planned,
        "reading_seconds": round(reading, 2),
        "variants_seconds": round(variants, 2),
        "epoch_seconds": round(epoch, 3),
        "batches_seconds": round(making, 3),
        "share": round(share, 4),
    }


def epoch_seconds(recipe: Any, clips: Sequence[Clip], store: Any) -> tuple[float, float]:
    """Seconds an epoch takes in making its batches, and in all; the first epoch warms up."""
    from affekt.models import NetworkConfig, build_network
    from affekt.training.data.batches import Batches
    from affekt.training.network.loop import Trainer

    class Timed(Batches):
        """Batches that know how long they took to make."""

        making = 0.0

        def epoch(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
            batches = super().epoch(epoch, first_step)
            while True:
                start = time.perf_counter()
                batch = next(batches, None)
                if epoch:
                    self.making += time.perf_counter() - start
                if batch is None:
                    return
                yield batch

    labels = tuple(sorted({clip.emotion for clip in clips}))
    network = build_network(
        NetworkConfig(
            labels=labels,
            architecture=recipe.model.architecture,
            options=dict(recipe.model.options),
            frontend=recipe.model.frontend,
            head_dropout=recipe.model.head_dropout,
        )
    )
    # Without the statistics of the features: an epoch takes as long, whatever it learns.
    batches = Timed(clips, labels, recipe, store, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            network,
            batches,
            recipe.training,
            Path(folder),
            "benchmark",
            lambda _: (float("nan"), float("nan")),
            seed=0,
        )
        trainer.run()
    counted = len(trainer.history) - 1
    total = trainer.history[-1].seconds - trainer.history[0].seconds
    return batches.making / counted, total / counted


# --- the measurement ---


def measure(options: argparse.Namespace) -> Result:
    """Run everything and return the result as it is stored."""
    from affekt.audio import load_audio
    from affekt.data import data_root
    from affekt.evaluation.provenance import commit, data_fingerprint, software_versions

    started = time.perf_counter()
    noise, rooms = (data_root(options.data) / "noise" / name for name in ("noise", "rir"))
    clips = choose_clips(options.data, options.clips)
    waveforms = [load_audio(clip.file) for clip in clips]
    transforms = throughput(waveforms, systems(noise, rooms), options.rounds)
    return {
        "clips": len(clips),
        "audio_seconds": round(sum(map(len, waveforms)) / RATE, 1),
        "rounds": options.rounds,
        "asked": ASKED,
        "transforms": transforms,
        "exactness": exactness(waveforms, noise),
        "training": training_share(
            choose_clips(options.data, options.train_clips), noise, rooms, options.epochs + 1
        ),
        "machine": processor(),
        "versions": software_versions() | {"audiomentations": version("audiomentations")},
        "data_sha256": data_fingerprint(clips),
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - started, 1),
    }


# --- the tables ---


def table(result: Result) -> str:
    """Return the result as Markdown."""
    lines = [
        "| transform | affekt, ms per clip | audiomentations, ms per clip | affekt is faster by |",
        "|---|---:|---:|---:|",
    ]
    for name, row in result["transforms"].items():
        theirs = "has none | "
        if "audiomentations" in row:
            theirs = f"`{row['audiomentations']}` {row['audiomentations_ms']:.2f} "
            theirs += f"| {row['affekt_times_as_fast']:.2f} ×"
        lines.append(f"| {name} | {row['affekt_ms']:.2f} | {theirs} |")
    lines += ["", *facts(result)]
    return "\n".join(lines)


def facts(result: Result) -> list[str]:
    """Return exactness, the share of training, and the conditions, in sentences."""
    ours, theirs = result["exactness"]["affekt"], result["exactness"]["audiomentations"]
    training = result["training"]
    mean = result["audio_seconds"] / result["clips"]
    return [
        f"Largest error of the duration at a rate of {result['asked']['rate']}: "
        f"{ours['duration_samples']} samples (audiomentations: {theirs['duration_samples']}); of "
        f"the ratio at {result['asked']['snr_db']:g} dB: {ours['snr_db']:.3f} dB "
        f"(audiomentations: {theirs['snr_db']:.3f} dB). A stretched recording's log-mel differs "
        f"from the recording's at the corresponding time by {ours['stretch_db']:.2f} dB on average "
        f"(audiomentations: {theirs['stretch_db']:.2f} dB).",
        "",
        f"In training on {training['clips']} clips with {training['threads']} threads, "
        f"{training['variants']} variants of {', '.join(training['chain'])} took "
        f"{training['variants_seconds']:.1f} s once (reading the clips at three speeds: "
        f"{training['reading_seconds']:.1f} s); an epoch took {training['epoch_seconds']:.2f} s, "
        f"of which all that makes its batches took {training['batches_seconds']:.2f} s. Over "
        f"{training['epochs']} epochs, that is **{100 * training['share']:.1f} %** of the time.",
        "",
        f"{result['clips']} RAVDESS clips of {mean:.1f} s on average, one thread, median of "
        f"{result['rounds']} interleaved rounds; {result['machine']}; audiomentations "
        f"{result['versions']['audiomentations']}; commit `{result['commit'][:12]}`.",
    ]


def main() -> None:
    """Measure, or write the tables of a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the corpora; default: $AFFEKT_DATA")
    parser.add_argument("--clips", type=int, default=100, help="clips for throughput (100)")
    parser.add_argument("--rounds", type=int, default=5, help="how many rounds (5)")
    parser.add_argument("--train-clips", type=int, default=480, help="clips of an epoch (480)")
    parser.add_argument("--epochs", type=int, default=3, help="epochs measured (3)")
    REPORT.add_options(parser)
    options = parser.parse_args()
    if options.table_only:
        REPORT.show(table(REPORT.load()))
        return
    if min(options.clips, options.rounds, options.train_clips, options.epochs) < 1:
        parser.error("--clips, --rounds, --train-clips and --epochs must be at least 1")
    if not all(map(find_spec, REQUIRED)):
        raise SystemExit("error: missing: pip install audiomentations fast-mp3-augment")

    from affekt.errors import AffektError

    try:
        result = measure(options)
    except AffektError as error:
        raise SystemExit(f"error: {error}") from None
    REPORT.finish(result, options.out, table)


if __name__ == "__main__":
    main()
