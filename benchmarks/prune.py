"""What pruning leaves of a `cnn` without training it again: single weights, and whole channels.

Weights: in each convolution of the encoder the smallest are set to zero. They cost the same time
and, stored densely, the same bytes; what a sparse file would take is told by compression. Channels:
inside each residual block those are left out whose filters weigh least, which makes a network that
is truly smaller. UAR on unheard speakers, as for every export.

    python benchmarks/prune.py --model models/small --data ../shared/data
"""

from __future__ import annotations

import argparse
import copy
import zlib
from collections.abc import Callable
from pathlib import Path

import torch
from _common import ROOT, Report, Result
from torch import nn

REPORT = Report("prune", "benchmarks/experiments.md")
SHARES = (0.3, 0.5, 0.7)  # of the weights, or of the channels inside each block


def measure(model: Path, data: Path | None) -> Result:
    """Prune by every share, and hear the same clips with each."""
    from affekt.evaluation.metrics import uar
    from affekt.export.check.recordings import unheard_speech
    from affekt.export.model_directory import read_network

    network, config = read_network(model)
    speech = unheard_speech(config, data)
    if speech is None:
        raise SystemExit("error: CREMA-D is needed: affekt data get cremad, and --data")

    def row(kind: str, share: float, pruned: nn.Module) -> Result:
        with torch.inference_mode():
            answers = [pruned(torch.from_numpy(wave)[None])[0] for wave in speech.waveforms]
        labels = torch.cat(answers).argmax(dim=1).numpy()
        filters = _filters(pruned)
        return {
            "pruned": kind,
            "share": share,
            "weights": sum(int(weight.count_nonzero()) for weight in filters),
            "compressed": sum(len(zlib.compress(_int8(weight), 9)) for weight in filters),
            "uar": round(uar(speech.targets, labels, len(config["id2label"])), 4),
        }

    rows = [row("nothing", 0.0, network)]
    kinds: dict[str, Pruning] = {"weights": prune_weights, "channels": prune_channels}
    for kind, prune in kinds.items():
        rows += [row(kind, share, prune(copy.deepcopy(network), share)) for share in SHARES]
    return {"model": config["name"], "clips": len(speech.targets), "rows": rows}


def table(result: Result) -> str:
    """Return the result as Markdown."""
    lines = [
        f"`{result['model']}`, {result['clips']} clips of the test speakers of `cremad-tfds`, "
        "without training again:",
        "",
        "| pruned | share | weights of the encoder left | in int8, compressed, bytes | UAR |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['pruned']} | {row['share']:.0%} | {row['weights']:,} | {row['compressed']:,} "
        f"| {row['uar']:.1%} |"
        for row in result["rows"]
    ]
    return "\n".join(lines)


Pruning = Callable[[nn.Module, float], nn.Module]


def _filters(network: nn.Module) -> list[torch.Tensor]:
    """The weights of the encoder's convolutions."""
    encoder = network.get_submodule("encoder")
    return [m.weight.detach() for m in encoder.modules() if isinstance(m, nn.Conv2d)]


def prune_weights(network: nn.Module, share: float) -> nn.Module:
    """Set the smallest weights of each convolution to zero."""
    for weight in _filters(network):
        flat = weight.abs().flatten()
        count = round(share * len(flat))
        if count:
            weight[weight.abs() <= flat.kthvalue(count).values] = 0
    return network


def prune_channels(network: nn.Module, share: float) -> nn.Module:
    """Take the channels out of each block that its second convolution would hear least of."""
    for block in network.get_submodule("encoder.blocks"):  # type: ignore[attr-defined]
        into, norm, out = block.dilated, block.dilated_norm, block.local
        heard = norm.weight.abs() * out.weight.abs().sum(dim=(0, 2, 3))
        drop = heard.argsort()[: round(share * len(heard))]
        with torch.no_grad():
            out.weight[:, drop] = 0
            into.weight[drop] = 0
    return network


def _int8(weight: torch.Tensor) -> bytes:
    """A convolution's weights as an export stores them: a scale per output channel."""
    scale = weight.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12) / 127
    return (weight / scale).round().to(torch.int8).numpy().tobytes()


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "small")
    parser.add_argument("--data", type=Path, help="folder with cremad/; default: $AFFEKT_DATA")
    REPORT.add_options(parser)
    options = parser.parse_args()
    if options.table_only:
        REPORT.show(table(REPORT.load()))
    else:
        REPORT.finish(measure(options.model, options.data), options.out, table)


if __name__ == "__main__":
    main()
