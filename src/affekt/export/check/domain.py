"""Whether the out-of-domain score that was measured for a network still holds for its export.

The score compares an embedding with the embeddings of speech, so it holds as long as those of the
export lie where those of the network do: int8 moves them a little, a fixed window filled with
silence moves them far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from affekt.export.check.recordings import UnheardSpeech, speech_like
from affekt.runtime.bundle import CONFIG_FILE
from affekt.runtime.config import parse_config
from affekt.runtime.domain import KEY, Domain, read_domain
from affekt.runtime.session import Floats

if TYPE_CHECKING:
    from affekt.export.artefact import Artefact, ExportJob

TOLERANCE = 0.1
"""How far a score may be from that of the network, relative to it or to the limit of 1."""
LENGTHS = (1.0, 3.0, 10.0)  # seconds
_COUNT = 12  # recordings of each length


def measured_domain(source: Path) -> Domain | None:
    """Read the space of embeddings of speech from a model directory; None where not measured.

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
    domain: Domain, job: ExportJob, artefact: Artefact, folder: Path, speech: UnheardSpeech | None
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
            embeddings = job.network(torch.from_numpy(waveforms))["embedding"].numpy()
        durations = [seconds] * _COUNT
        found = domain.scores(graph.run(waveforms)["embedding"], durations)
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


# --- fit ---


RANK = 160
"""Dimensions of the space of speech: fewer leave speech out, and other sounds stick out less."""
FALSE_ALARMS = 0.05
"""Share of held-out speech, of each corpus, that may be above the limit."""

_LEAST_SCALE = 1e-3  # a dimension that does not vary must not divide by nothing


def fit_domain(
    embeddings: Sequence[Floats],
    held_out: Mapping[float, Sequence[Floats]],
    *,
    rank: int = RANK,
    false_alarms: float = FALSE_ALARMS,
) -> Domain:
    """Fit the space of speech, and measure the part of held-out speech outside of it.

    Parameters
    ----------
    embeddings : sequence of np.ndarray [shape=(count, dim)]
        Of training speech, one array for each corpus; corpora weigh the same.
    held_out : mapping of float to sequence of np.ndarray
        Length in seconds to the embeddings of other speakers' speech of that length, one array
        for each corpus.
    rank : int
        Dimensions of the space.
    false_alarms : float
        Share of each corpus's held-out speech that may be above the limit.
    """
    mean = np.mean([one.mean(axis=0) for one in embeddings], axis=0)
    variance = np.mean([((one - mean) ** 2).mean(axis=0) for one in embeddings], axis=0)
    scale = np.maximum(np.sqrt(variance), _LEAST_SCALE)
    weighed = [(one - mean) / scale / np.sqrt(len(one)) for one in embeddings]
    basis = np.linalg.svd(np.concatenate(weighed), full_matrices=False)[2][:rank]  # [rank, dim]
    numbers = [np.asarray(array, dtype=np.float32) for array in (mean, scale, basis)]
    space = Domain(numbers[0], numbers[1], numbers[2], limits=())
    limits = [
        (seconds, max(_quantile(space.remainders(one), false_alarms) for one in corpora))
        for seconds, corpora in sorted(held_out.items())
    ]
    return replace(space, limits=tuple(limits))


def separation(inside: NDArray[np.float32], outside: NDArray[np.float32]) -> float:
    """Return the AUROC: how often a sound from outside scores above one from inside.

    Parameters
    ----------
    inside, outside : np.ndarray [shape=(count,)]
        Scores; ties count half.
    """
    below = np.searchsorted(np.sort(inside), outside, side="left")
    not_above = np.searchsorted(np.sort(inside), outside, side="right")
    return float((below + not_above).mean() / 2 / len(inside))


def _quantile(remainders: Floats, false_alarms: float) -> float:
    return float(np.quantile(remainders, 1 - false_alarms))
