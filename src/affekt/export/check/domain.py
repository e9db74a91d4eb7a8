"""Whether the out-of-domain score that was measured for a network still holds for its export.

The score compares an embedding with the embeddings of speech, so it holds as long as those of the
export lie where those of the network do: int8 moves them a little, a fixed window filled with
silence moves them far.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from affekt.export.check.recordings import UnheardSpeech, speech_like
from affekt.runtime.bundle import CONFIG_FILE
from affekt.runtime.config import parse_config
from affekt.runtime.domain import KEY, Domain, read_domain

if TYPE_CHECKING:
    from affekt.export.targets.registry import Artefact, Job

TOLERANCE = 0.1
"""How far a score may be from that of the network, relative to it or to the limit of 1."""
LENGTHS = (1.0, 3.0, 10.0)  # seconds
_COUNT = 12  # recordings of each length


def measured_domain(source: Path) -> Domain | None:
    """Read from a model directory where its embeddings of speech lie; None where nobody measured.

    The weights do not carry it: it is measured after they are written, into ``config.json``.

    Raises
    ------
    ModelError
        If ``config.json`` is damaged.
    """
    path = source / CONFIG_FILE
    if not path.is_file():
        return None
    return read_domain(parse_config(path.read_text(encoding="utf-8"), str(path)))


def check_domain(
    domain: Domain, job: Job, artefact: Artefact, folder: Path, speech: UnheardSpeech | None
) -> dict[str, Any]:
    """Compare the scores of an export with those of its network, on the same recordings.

    Returns
    -------
    dict
        ``max_difference`` (see `TOLERANCE`) and whether the score is ``kept``; for ``parity.json``.
    """
    if artefact.load is None:
        return {"max_difference": None, "kept": True}  # the same graph, which cannot run here
    graph = artefact.load(folder, 1)
    worst = 0.0
    for seconds in LENGTHS:
        waveforms = speech_like(speech, seconds, _COUNT, job.config["sample_rate"])
        with torch.inference_mode():
            embeddings = job.network(torch.from_numpy(waveforms))[1].numpy()
        durations = [seconds] * _COUNT
        found = domain.scores(graph.run(waveforms)[1], durations)
        expected = domain.scores(embeddings, durations)
        for one, other in zip(found, expected, strict=True):
            if one is not None and other is not None:  # long enough to tell
                worst = max(worst, abs(one - other) / max(other, 1.0))
    return {"max_difference": float(f"{worst:.4g}"), "kept": worst <= TOLERANCE}


def with_domain(
    config: Mapping[str, Any], domain: Domain | None, found: Mapping[str, Any] | None
) -> dict[str, Any]:
    """``config.json`` with the numbers behind the score, if they were found to hold."""
    if domain is None or not found or not found["kept"]:
        return dict(config)
    return {**config, KEY: domain.to_config()}
