"""What each frontend costs in ONNX Runtime, by itself.

    python benchmarks/frontends.py               # measures, writes the JSON and the table
    python benchmarks/frontends.py --table-only  # writes the table again

The frontends take turns on the same waveform, one thread each: whatever else the machine does
meets all of them alike.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _common import Report, Result, processor

if TYPE_CHECKING:
    from affekt.models.frontend import FrontendConfig

REPORT = Report("frontends", "benchmarks/measurements.md")
SECONDS = 3.0
PLAIN = "log-mel"

OPTIONS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "log-mel, utterance": {"normalisation": "utterance"},
    "log-mel, pcen": {"normalisation": "pcen"},
    "mfcc": {"kind": "mfcc"},
    "log-mel+prosody": {"kind": "log-mel+prosody", "n_fft": 512},
}
"""What differs from the defaults of a frontend."""


def export(config: FrontendConfig, path: Path) -> None:
    """Write a frontend alone as ONNX: waveform in, features out."""
    import torch

    from affekt.export.graph.onnx import OPSET
    from affekt.models.frontend import build_frontend

    class Whole(torch.nn.Module):
        """Both stages."""

        def __init__(self) -> None:
            super().__init__()
            self.frontend = build_frontend(config)

        def forward(self, waveform: torch.Tensor) -> torch.Tensor:
            return self.frontend.features(self.frontend(waveform))

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # the exporter speaks of itself
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Whole().eval(),
            (torch.zeros(2, config.sample_rate),),
            path,
            dynamo=True,
            input_names=["waveform"],
            dynamic_shapes=({0: torch.export.Dim("batch"), 1: torch.export.Dim("samples")},),
            opset_version=OPSET,
            verbose=False,
        )


def measure(rounds: int) -> Result:
    """Time all frontends and return the result as it is stored."""
    from affekt.evaluation.provenance import commit, software_versions
    from affekt.models.frontend import FrontendConfig
    from affekt.runtime.session import open_session

    configs = {name: FrontendConfig(**options) for name, options in OPTIONS.items()}
    noise = np.random.default_rng(0).normal(0, 0.1, (1, round(SECONDS * 16000)))
    feed = {"waveform": noise.astype(np.float32)}
    with tempfile.TemporaryDirectory() as folder:
        sessions = {}
        for name, config in configs.items():
            path = Path(folder) / f"{name}.onnx"
            export(config, path)
            sessions[name] = open_session(path, threads=1)
            sessions[name].run(None, feed)  # the first run makes room in memory
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(rounds):
        for name, session in sessions.items():
            started = time.perf_counter()
            session.run(None, feed)
            times[name].append(1000 * (time.perf_counter() - started))
    return {
        "seconds": SECONDS,
        "rounds": rounds,
        "threads": 1,
        "frontends": {
            name: {
                "channels": config.channels,
                # Other programs can only add to a time: the least is closest to the work itself.
                "least_ms": round(min(times[name]), 3),
                "median_ms": round(statistics.median(times[name]), 3),
            }
            for name, config in configs.items()
        },
        "machine": processor(),
        "versions": software_versions(),
        "commit": commit(),
    }


def table(result: Result) -> str:
    """Return the result as Markdown: the table, and the conditions in one sentence."""
    plain = result["frontends"][PLAIN]["least_ms"]
    lines = ["| frontend | channels | ms | of the plain log-mel |", "|---|---:|---:|---:|"]
    for name, row in result["frontends"].items():
        ratio = row["least_ms"] / plain
        lines.append(f"| {name} | {row['channels']} | {row['least_ms']:.2f} | {ratio:.2f} × |")
    lines += [
        "",
        f"For {result['seconds']:g} s of audio in ONNX Runtime "
        f"{result['versions']['onnxruntime']} on one thread, the least of {result['rounds']} "
        f"rounds; {result['machine']}; commit `{result['commit'][:12]}`.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=300, help="how many rounds (300)")
    REPORT.add_options(parser)
    options = parser.parse_args()
    if options.table_only:
        REPORT.show(table(REPORT.load()))
        return
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    REPORT.finish(measure(options.rounds), options.out, table)


if __name__ == "__main__":
    main()
