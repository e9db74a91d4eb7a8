"""How large each architecture is with its default options, and of which layers it is made.

    python benchmarks/architectures.py               # counts; writes JSON and page
    python benchmarks/architectures.py --table-only  # writes the page again

Nothing is timed, so any machine gives the same figures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from _common import Report, Result

if TYPE_CHECKING:
    from torch import nn

    from affekt.models import Network

REPORT = Report("architectures", "docs/models.md")
LAYERS = Report("architectures", "benchmarks/measurements.md")


def measure() -> Result:
    """Count every architecture of the package and return the result as it is stored."""
    from affekt.evaluation.provenance import commit, software_versions
    from affekt.labels import SHARED_EMOTIONS
    from affekt.models.registry import ARCHITECTURES
    from affekt.models.survey import COUNTED_SECONDS

    return {
        "seconds": COUNTED_SECONDS,
        "labels": len(SHARED_EMOTIONS),
        "architectures": {name: architecture(name) for name in ARCHITECTURES},
        "versions": software_versions(),
        "commit": commit(),
    }


def architecture(name: str) -> Result:
    """Return what is stored of one architecture."""
    from affekt.models.frontend import FrontendConfig
    from affekt.models.survey import example_network, network_facts

    # The normalisation with which streamable ones stream.
    network = example_network(name, frontend=FrontendConfig(normalisation="local"))
    facts = asdict(network_facts(network))
    facts.pop("name")
    paper = network.encoder.paper
    return {**facts, "paper": paper and paper._asdict(), "layers": layers(network)}


def layers(network: Network) -> list[dict[str, object]]:
    """Return the layers of a network in the order in which they run, equal neighbours as one.

    Each has the name of its class, how often it comes, the shape of its output for one recording
    (``"time"`` where it grows with the recording), and its parameters. Every parameter of the
    network is counted once.
    """
    import torch

    from affekt.models.survey import COUNTED_SECONDS

    shapes: dict[nn.Module, list[tuple[int, ...]]] = {}

    def after(module: nn.Module, given: object, answer: Any) -> None:
        answer = answer[0] if isinstance(answer, tuple) else answer
        shapes.setdefault(module, []).append(tuple(answer.shape[1:]))

    units = [*_units(network.encoder), network.pooling, network.head]
    hooks = [unit.register_forward_hook(after) for unit in units]
    rate = network.config.frontend.sample_rate
    with torch.inference_mode():
        for seconds in (COUNTED_SECONDS, 2 * COUNTED_SECONDS):
            network.eval()(torch.zeros(1, round(seconds * rate)))
    for hook in hooks:
        hook.remove()
    rows = [
        {
            "layer": type(unit).__name__.lstrip("_"),
            "output": [
                size if size == longer else "time"
                for size, longer in zip(*shapes[unit][:2], strict=True)
            ],
            "parameters": sum(p.numel() for p in unit.parameters()),
        }
        for unit in sorted(shapes, key=list(shapes).index)
    ]
    rest = sum(p.numel() for p in network.parameters()) - sum(
        int(str(row["parameters"])) for row in rows
    )
    if rest:
        rows.append({"layer": "own weights", "output": [], "parameters": rest})
    return [{**row, "times": len([*same])} for row, same in groupby(rows)]


def _units(module: nn.Module) -> Iterator[nn.Module]:
    """The layers of an encoder: the members of a list of layers, and modules without such lists."""
    from torch import nn

    for child in module.children():
        if isinstance(child, nn.ModuleList):
            yield from child
        elif any(isinstance(inner, nn.ModuleList) for inner in child.children()):
            yield from _units(child)
        elif not isinstance(child, (nn.Dropout, nn.Dropout1d, nn.Dropout2d)):
            yield child


def table(result: Result) -> str:
    """Return the result as Markdown: the table, and the conditions in one sentence."""
    lines = [
        "| architecture | parameters | million multiply-adds per second of audio "
        "| frames per second | receptive field | streams | LiteRT |",
        "|---|---:|---:|---:|---:|---|---|",
    ]
    for name, row in result["architectures"].items():
        streams, litert = ("yes" if row[key] else "no" for key in ("streamable", "litert"))
        lines.append(
            f"| [`{name}`](#{name}) | {row['parameters']:,} | {_work(row)} "
            f"| {row['frames_per_second']:g} | {_field(row)} | {streams} | {litert} |"
        )
    lines += [
        "",
        f"With default options (`ssl`: on an encoder of the size of WavLM base), log-mel of local "
        f"level or the waveform, mean and deviation pooling and {result['labels']} emotions; "
        f"work without the frontend, on {result['seconds']:g} s of audio; commit "
        f"`{result['commit'][:12]}`.",
    ]
    return "\n".join(lines)


def section(name: str, result: Result) -> str:
    """Return what the page shows of one architecture: its facts in a sentence, and its layers."""
    row = result["architectures"][name]
    streams = "Streams" if row["streamable"] else "Does not stream"
    paper = row["paper"]
    source = f" After [{paper['citation']}]({paper['url']})." if paper else ""
    lines = [
        f"{row['parameters']:,} parameters, {_work(row)} million multiply-adds per second of "
        f"audio; a frame depends on {_field(row)} of the recording. {streams}.{source}",
        "",
        "| layer | output | parameters |",
        "|---|---|---:|",
    ]
    for layer in row["layers"]:
        times = f" × {layer['times']}" if layer["times"] > 1 else ""
        output = " × ".join(map(str, layer["output"]))
        lines.append(f"| `{layer['layer']}`{times} | {output} | {layer['parameters']:,} |")
    return "\n".join(lines)


def show(result: Result) -> None:
    """Write the table and each section."""
    REPORT.show(table(result))
    for name in result["architectures"]:
        replace(LAYERS, part=name).show(section(name, result))


def _work(row: Result) -> str:
    return f"{row['multiply_adds_per_second'] / 1e6:.1f}"


def _field(row: Result) -> str:
    field = row["receptive_field"]
    return "all" if field is None else f"{field:.2f} s"


def main() -> None:
    """Count, or only show again what is stored."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table-only", action="store_true", help="write the page again")
    if not parser.parse_args().table_only:
        REPORT.finish(measure(), REPORT.file, table)
    show(REPORT.load())


if __name__ == "__main__":
    main()
