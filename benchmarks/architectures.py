"""How large each architecture is with its default options, and how much it computes.

    python benchmarks/architectures.py               # counts, writes the JSON and the table
    python benchmarks/architectures.py --table-only  # writes the table of the page again

Nothing is timed, so any machine gives the same figures.
"""

from __future__ import annotations

import argparse
from typing import Any

from _common import Report, Result

REPORT = Report("architectures", "docs/architectures.md")
SECONDS = 3.0
# Without a checkpoint ssl has no size; that of WavLM's base, which its recipes use, is the default
# of its family.
OPTIONS: dict[str, dict[str, Any]] = {"ssl": {"encoder": {"model_type": "wavlm"}}}
LABELS = ("angry", "disgust", "fearful", "happy", "neutral", "sad")


def measure() -> Result:
    """Count every architecture of the registry and return the result as it is stored."""
    from affekt.evaluation.provenance import commit, software_versions
    from affekt.models import ARCHITECTURES

    return {
        "seconds": SECONDS,
        "labels": len(LABELS),
        "architectures": {name: count(name) for name in ARCHITECTURES},
        "versions": software_versions(),
        "commit": commit(),
    }


def count(name: str) -> dict[str, Any]:
    """Parameters, work and reach of an architecture; the frontend is left out of the work."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from affekt.models import ARCHITECTURES, NetworkConfig, build_network, describe
    from affekt.models.frontend import FrontendConfig
    from affekt.models.recurrent import Bidirectional

    frontend = FrontendConfig(normalisation="local")  # with which streamable ones stream
    if ARCHITECTURES[name].make.waveform_rate is not None:
        frontend = FrontendConfig(kind="waveform", hop_length=320)
    options = OPTIONS.get(name, {})
    network = build_network(NetworkConfig(LABELS, name, options, frontend)).eval()
    recurrent = [0]

    def add(layer: Bidirectional, inputs: tuple[Any, ...], output: Any) -> None:
        # The counter knows no recurrent layers: their matrices meet every frame once.
        weights = sum(p.numel() for p in layer.parameters() if p.ndim == 2)
        recurrent[0] += weights * inputs[0].shape[2]

    for module in network.modules():
        if isinstance(module, Bidirectional):
            module.register_forward_hook(add)
    with torch.inference_mode():
        spectrum = network.frontend(torch.zeros(1, round(SECONDS * frontend.sample_rate)))
        # With its default kernels, attention is a call that the counter does not look into.
        with (
            FlopCounterMode(display=False) as counter,
            torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
        ):
            network.classify(spectrum)
    facts = describe(network)
    field = None
    if network.encoder.receptive_field is not None:
        field = network.encoder.receptive_field * frontend.hop_length / frontend.sample_rate
    return {
        "parameters": facts.parameters,
        "multiply_adds_per_second": round((counter.get_total_flops() / 2 + recurrent[0]) / SECONDS),
        "receptive_field": None if field is None else round(field, 3),
        "frames_per_second": frontend.frames_per_second / network.encoder.time_stride,
        "streamable": facts.streamable,
        "litert": not network.encoder.litert_refusal,
    }


def table(result: Result) -> str:
    """Return the result as Markdown: the table, and the conditions in one sentence."""
    lines = [
        "| architecture | parameters | million multiply-adds per second of audio "
        "| frames per second | a frame hears | streams | LiteRT |",
        "|---|---:|---:|---:|---:|---|---|",
    ]
    for name, row in result["architectures"].items():
        work = row["multiply_adds_per_second"] / 1e6
        field = row["receptive_field"]
        hears = "all" if field is None else f"{field:.2f} s"
        streams, litert = ("yes" if row[key] else "no" for key in ("streamable", "litert"))
        lines.append(
            f"| `{name}` | {row['parameters']:,} | {work:.1f} | {row['frames_per_second']:g} "
            f"| {hears} | {streams} | {litert} |"
        )
    lines += [
        "",
        f"With default options (`ssl`: on an encoder of the size of WavLM base), log-mel of local "
        f"level or the waveform, mean and deviation pooling and {result['labels']} emotions; "
        f"work without the frontend, on {result['seconds']:g} s of audio; commit "
        f"`{result['commit'][:12]}`.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Count, or only write the table again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table-only", action="store_true", help="write the page's table again")
    if parser.parse_args().table_only:
        REPORT.show(table(REPORT.load()))
    else:
        REPORT.finish(measure(), REPORT.file, table)


if __name__ == "__main__":
    main()
