"""The model card: what a model directory says of itself to people, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from affekt.results import DIMENSIONS
from affekt.runtime.metadata import describe_dimensions


def model_card(config: Mapping[str, Any], graph_bytes: int, graph: str = "model.onnx") -> str:
    """Return the model card as Markdown with the front matter that model hubs read.

    Parameters
    ----------
    config : Mapping
        The contents of ``config.json``.
    graph_bytes : int
        Size of the file that holds the network.
    graph : str
        Its name.
    """
    labels = list(config["id2label"].values())
    architecture = config["architecture"]
    begun = architecture.get("checkpoint", "")
    dimensions = describe_dimensions(labels, config.get("heads", ()))
    lines = [
        "---",
        "library_name: affekt",
        "pipeline_tag: audio-classification",
        "tags: [speech-emotion-recognition]",
        *([f"base_model: {config['base_model']}"] if "base_model" in config else []),
        "---",
        "",
        f"# {config['name']}",
        "",
        f"Recognises {', '.join(labels[:-1])} or {labels[-1]} in a voice. Takes float32 samples at "
        f"{config['sample_rate']} Hz, mono, of any length; the frontend is part of the graph.",
        "",
        "```console",
        "$ affekt predict recording.wav --model <this folder>",
        "```",
        "",
        "| | |",
        "|---|---|",
        f"| architecture | `{architecture['name']}` |",
        *([f"| encoder begun from | `{begun}` |"] if begun else []),
        f"| parameters | {config['parameters']:,} |",
        f"| `{graph}` | {graph_bytes:,} bytes |",
        f"| temperature | {config['calibration']['temperature']:.3f} |",
        *([f"| {', '.join(DIMENSIONS)} | {dimensions} |"] if dimensions else []),
        f"| licence of the weights | {config['licence'] or 'not stated: trained on own data'} |",
        "",
        "## Trained on",
        "",
        "| corpus | licence | clips | speakers |",
        "|---|---|---:|---:|",
    ]
    for row in config["training_data"]:
        licence = row.get("licence") or "not stated"
        lines.append(f"| {row['corpus']} | {licence} | {row['clips']:,} | {row['speakers']} |")
    lines += _soup(config)
    lines += _examples(config)
    lines += ["", "## Figures", ""]
    lines += _figures(config)
    lines += _groups(config)
    lines += ["", "## Intended and unintended use", "", config["intended_use"], ""]
    lines += [
        "The corpora are acted, by few speakers, in few languages. On voices, rooms, languages "
        "and microphones unlike theirs, expect less than the figures above.",
        "",
    ]
    return "\n".join(lines)


def _soup(config: Mapping[str, Any]) -> list[str]:
    """Return the sentence on a soup, where the weights are one."""
    soup = config.get("soup")
    if not soup:
        return []
    kept = sum(member["kept"] for member in soup["members"])
    norms = (
        f"; its batch norms were measured anew on {soup['norms_recomputed_on']:,} training clips"
        if soup["norms_recomputed_on"]
        else ""
    )
    lines = [
        "",
        "## A model soup",
        "",
        f"The mean of the weights of {kept} of {len(soup['members'])} runs ({soup['method']}, "
        f"chosen and calibrated on validation speakers){norms}. UAR on validation speakers: "
        f"{100 * soup['validation_uar']:.1f} %.",
        "",
        "| run | seed | validation UAR | in the mean |",
        "|---|---:|---:|---|",
    ]
    for member in soup["members"]:
        uar, kept_word = 100 * member["validation_uar"], "yes" if member["kept"] else "no"
        lines.append(f"| {member['name']} | {member['seed']} | {uar:.1f} % | {kept_word} |")
    return lines


def _examples(config: Mapping[str, Any]) -> list[str]:
    """Return what a model that was adapted with examples has learned from."""
    found = config.get("adaptation")
    if not found:
        return []
    counts = ", ".join(f"{count} {label}" for label, count in found["examples"].items())
    return [
        "",
        f"The last layer was adapted from `{config['base_model']}` with examples: {counts}.",
        *(f"- {note}" for note in found["notes"]),
    ]


def _figures(config: Mapping[str, Any]) -> list[str]:
    if not config["metrics"]:
        return ["Not measured."]
    own = "the examples, each part of them left out once"
    whom = "the test speakers, who took no part in training and validation"
    lines = [
        f"On {own if 'adaptation' in config else whom}:",
        "",
        "| data | clips | speakers | UAR | accuracy | macro F1 | calibration error |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in config["metrics"]:
        scores = " | ".join(_score(row, name) for name in ("uar", "wa", "macro_f1", "ece"))
        lines.append(f"| {row['protocol']} | {row['clips']} | {row['speakers']} | {scores} |")
    return lines


def _groups(config: Mapping[str, Any]) -> list[str]:
    """Return the figures by group and speaker, where they were measured."""
    lines: list[str] = []
    for row in config["metrics"]:
        if told := row.get("fairness"):
            lines += ["", f"{row['protocol']}:", "", *(f"- {line}" for line in told)]
    return ["", "## By group and speaker", *lines] if lines else []


def _score(row: Mapping[str, Any], name: str) -> str:
    """Return a figure in percent, with its interval where there is one."""
    text = f"{100 * row[name]:.1f} %"
    if interval := row.get(f"{name}_ci95"):
        low, high = (100 * value for value in interval)
        text += f" ({low:.1f} to {high:.1f})"
    return text
