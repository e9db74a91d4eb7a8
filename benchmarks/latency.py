"""How long each recipe takes from the samples of a clip to its answer, beside what others use.

    python benchmarks/latency.py --data ../shared/data  # measures, writes the JSON and the table
    python benchmarks/latency.py --recipe cnn           # one and openSMILE; adds it by their ratio
    python benchmarks/latency.py --table-only           # writes the table again

Then `make tables` shows the times in docs/results.md, too. Everything hears the same clip in this
process, on one thread, in turns: whatever else the machine does meets all of them alike, and a
ratio is the median of the ratios within each round. All but the large encoders, which take seconds
and gain nothing by it, do their work once untimed before each round's. A network is exported and
run by ONNX Runtime with the weights of its first step, a large encoder of others by PyTorch with
random ones: what they are changes no time. A classical system is trained on a fold of RAVDESS.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _common import (
    ROOT,
    THREAD_VARIABLES,
    Report,
    Result,
    choose_clips,
    processor,
    recipe_file,
)

if TYPE_CHECKING:
    import numpy as np

    from affekt.training import Recipe

REPORT = Report("latency", "benchmarks/measurements.md")
REFERENCE = "openSMILE ComParE 2016, no model"
SECONDS = 3.0
PROTOCOL, FOLD = "ravdess-luna5", "1"  # what classical systems are trained on
REQUIRED = ("opensmile", "transformers")
SHOWN = ("python", "affekt", "onnxruntime", "torch", *REQUIRED)  # versions under the table

Work = Callable[[], object]
"""From the samples to the answer, once."""


# --- ours ---


def recipes() -> list[Recipe]:
    """Return the recipes that have a figure in ``benchmarks/results``, ensembles by members."""
    from affekt.evaluation.results import read_results
    from affekt.training import load_recipe

    names = sorted({result.recipe for result in read_results(ROOT / "benchmarks" / "results")})
    return [load_recipe(recipe_file(name)) for name in names]


def what_runs(recipe: Recipe) -> str:
    """Return what of a recipe decides how long it takes; those that share it are timed once."""
    from affekt.config import to_dict

    values = to_dict(recipe)
    if recipe.classical:
        return json.dumps(values["classical"], sort_keys=True)
    values["model"].pop("head_dropout")
    values["model"]["options"].pop("dropout", None)
    return json.dumps([values["model"], recipe.tasks.intensity > 0], sort_keys=True)


def network_work(recipe: Recipe, samples: np.ndarray, folder: Path) -> Work:
    """Export the network of a recipe; the work is to run it."""
    from affekt.evaluation import get_protocol
    from affekt.export.graph.onnx import export_onnx
    from affekt.runtime.session import open_session
    from affekt.training.network.fit import new_network

    path = folder / "model.onnx"
    network = new_network(recipe, get_protocol(PROTOCOL).labels, seed=0).eval()
    export_onnx(network, path, {})
    session = open_session(path, threads=1)
    return lambda: session.run(None, {"waveform": samples[None]})


def classical_work(recipe: Recipe, samples: np.ndarray, data: Path | None) -> Work:
    """Train a classical system; the work is to measure features, and to classify them."""
    import numpy as np

    from affekt.audio import SAMPLE_RATE
    from affekt.evaluation import get_protocol
    from affekt.features import functional_vector
    from affekt.training.classic.fit import VectorStore, fit_classical

    config = recipe.classical
    assert config is not None
    protocol = get_protocol(PROTOCOL)
    (fold,) = (one for one in protocol.folds(protocol.load(data)) if one.name == FOLD)
    targets = np.array([protocol.labels.index(clip.emotion) for clip in fold.train])
    vectors = VectorStore(config.features, ROOT / "runs" / "latency").matrix(fold.train)
    system = fit_classical(config, (vectors, targets), None, len(protocol.labels))

    def work() -> object:
        _, vector = functional_vector(samples, SAMPLE_RATE, config.features)
        return system.logits(vector[None])

    return work


# --- what others use: features of openSMILE, and encoders as large as the published ones ---


def opensmile_work(samples: np.ndarray) -> Work:
    """The 6373 functionals of ComParE 2016."""
    import opensmile

    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.ComParE_2016,
        feature_level=opensmile.FeatureLevel.Functionals,
        num_workers=1,
    )
    return lambda: smile.process_signal(samples, 16_000)


def wave_encoder_work(kind: str, samples: np.ndarray, **sizes: int) -> Work:
    """An encoder of transformers that hears a waveform."""
    import torch
    import transformers

    config = getattr(transformers, f"{kind}Config")(**sizes)
    encoder = getattr(transformers, f"{kind}Model")(config).eval()
    waveform = torch.from_numpy(samples[None])

    def work() -> object:
        with torch.inference_mode():
            return encoder(waveform).last_hidden_state

    return work


def whisper_work(samples: np.ndarray, **sizes: int) -> Work:
    """The encoder of Whisper, which hears the log-mel of 30 s, however short the clip is."""
    import torch
    import transformers
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    encoder = WhisperEncoder(transformers.WhisperConfig(**sizes)).eval()
    extract = transformers.WhisperFeatureExtractor(feature_size=sizes["num_mel_bins"])

    def work() -> object:
        features = extract(samples, sampling_rate=16_000, return_tensors="pt").input_features
        with torch.inference_mode():
            return encoder(features).last_hidden_state

    return work


LARGE: dict[str, int] = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
PEERS: dict[str, Callable[[np.ndarray], Work]] = {
    REFERENCE: opensmile_work,
    "HuBERT base, encoder": lambda samples: wave_encoder_work("Hubert", samples),
    "WavLM large, encoder": lambda samples: wave_encoder_work("WavLM", samples, **LARGE),
    "wav2vec 2.0 XLSR, encoder": lambda samples: wave_encoder_work("Wav2Vec2", samples, **LARGE),
    "Whisper large-v3, encoder": lambda samples: whisper_work(
        samples,
        d_model=1280,
        encoder_layers=32,
        encoder_attention_heads=20,
        encoder_ffn_dim=5120,
        num_mel_bins=128,
    ),
}
"""Name, as ``benchmarks/anchors.toml`` calls it too, to what makes the work."""
LARGE_ENCODERS = PEERS.keys() - {REFERENCE}


# --- the measurement ---


def measure(data: Path | None, rounds: int, only: list[str]) -> Result:
    """Time everything, or some recipes, and return the result as it is stored."""
    import numpy as np
    import torch

    from affekt.audio import SAMPLE_RATE
    from affekt.evaluation.provenance import commit, software_versions
    from affekt.training.data.features import clip_samples

    torch.set_num_threads(1)
    length = round(SAMPLE_RATE * SECONDS)
    started = time.perf_counter()
    samples = np.resize(clip_samples(choose_clips(data, 1)[0], SAMPLE_RATE), length)
    chosen = [one for one in recipes() if one.name in only or not only]
    peers = [REFERENCE] if only else list(PEERS)
    alone = {one.name: one for one in [*chosen, *members(chosen)] if not one.ensemble}
    works: dict[str, Work] = {}
    with tempfile.TemporaryDirectory() as folder:
        for recipe in alone.values():
            key = what_runs(recipe)
            if key not in works:
                print(f"preparing {recipe.name}", file=sys.stderr)
                classical = recipe.classical is not None
                works[key] = (
                    classical_work(recipe, samples, data)
                    if classical
                    else network_work(recipe, samples, Path(folder))
                )
        for name in peers:
            print(f"preparing {name}", file=sys.stderr)
            works[name] = PEERS[name](samples)
        seconds = timed(works, rounds)
    reference = seconds[REFERENCE]
    own = {name: seconds[what_runs(recipe)] for name, recipe in alone.items()}
    for team in (one for one in chosen if one.ensemble):
        parts = [own[member.name] for member in members([team])]
        own[team.name] = [sum(one) for one in zip(*parts, strict=True)]
    return {
        "audio_seconds": SECONDS,
        "rounds": rounds,
        "threads": 1,
        "recipes": {one.name: summary(own[one.name], reference) for one in chosen},
        "peers": {name: summary(seconds[name], reference) for name in peers},
        "machine": processor(),
        "versions": software_versions() | {name: version(name) for name in REQUIRED},
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - started, 1),
    }


def members(chosen: list[Recipe]) -> list[Recipe]:
    """Return the members of the ensembles among some recipes, once for each of their seeds."""
    teams = [one.ensemble for one in chosen if one.ensemble]
    return [member for team in teams for member in team.members for _ in range(team.seeds)]


def timed(works: dict[str, Work], rounds: int) -> dict[str, list[float]]:
    """Return the seconds that each takes in each round, once it is warm."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds):
        for name, work in works.items():
            if name not in LARGE_ENCODERS or number == 0:
                work()  # the others have emptied the caches of the processor
            begin = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - begin)
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return seconds


def summary(seconds: list[float], reference: list[float]) -> dict[str, Any]:
    """Return the figures of one; the ratio is against the reference, round by round."""
    ratios = [one / other for one, other in zip(seconds, reference, strict=True)]
    return {
        "milliseconds": round(1000 * statistics.median(seconds), 2),
        "times_reference": round(statistics.median(ratios), 4),
    }


def added(stored: Result, rows: dict[str, dict[str, Any]]) -> Result:
    """Return a stored result with further rows, in the time of its own machine: by their ratio."""
    reference = stored["peers"][REFERENCE]["milliseconds"]
    for row in rows.values():
        row["milliseconds"] = round(row["times_reference"] * reference, 2)
    return {**stored, "recipes": stored["recipes"] | rows}


# --- the table ---


def table(result: Result) -> str:
    """Return the result as Markdown: the table, and the conditions in one sentence."""
    lines = ["| | ms | of openSMILE |", "|---|---:|---:|"]
    rows = {f"`{name}`": row for name, row in result["recipes"].items()} | result["peers"]
    for name, row in sorted(rows.items(), key=lambda item: item[1]["milliseconds"]):
        lines.append(f"| {name} | {row['milliseconds']:,.1f} | {row['times_reference']:.3f} × |")
    versions = ", ".join(f"{name} {result['versions'][name]}" for name in SHOWN)
    lines += [
        "",
        f"A clip of {result['audio_seconds']:g} s, one thread, median of {result['rounds']} "
        f"interleaved rounds; {result['machine']}; {versions}; commit `{result['commit'][:12]}`.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with ravdess/; default: $AFFEKT_DATA")
    parser.add_argument("--rounds", type=int, default=5, help="how many rounds (5)")
    parser.add_argument(
        "--recipe", action="append", default=[], help="only this one, added to what is stored"
    )
    REPORT.add_options(parser)
    options = parser.parse_args()
    if options.table_only:
        REPORT.show(table(REPORT.load()))
        return
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    missing = [name for name in REQUIRED if find_spec(name) is None]
    if missing:
        raise SystemExit(f"error: not installed: pip install {' '.join(missing)}")
    if any(os.environ.get(name) != "1" for name in THREAD_VARIABLES):
        # What counts threads reads these once, when it is loaded.
        one = dict.fromkeys(THREAD_VARIABLES, "1")
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | one)

    from affekt.errors import AffektError

    try:
        unknown = set(options.recipe) - {one.name for one in recipes()}
        if unknown:
            parser.error(f"no figure in benchmarks/results is of {', '.join(sorted(unknown))}")
        result = measure(options.data, options.rounds, options.recipe)
    except AffektError as error:
        raise SystemExit(f"error: {error}") from None
    if options.recipe:
        result = added(REPORT.load(), result["recipes"])
    REPORT.finish(result, options.out, table)


if __name__ == "__main__":
    main()
