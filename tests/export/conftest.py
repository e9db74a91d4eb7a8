from __future__ import annotations

from pathlib import Path

import pytest
from tiny_network import LABELS, Exported, tiny_network

from affekt.data import Clip
from affekt.export import ModelMetadata, write_model_directory

CORPORA = ("cremad", "ravdess")

METRICS = {
    "protocol": "ravdess, held-out speakers",
    "clips": 240,
    "speakers": 4,
    "uar": 0.6125,
    "wa": 0.5875,
    "macro_f1": 0.5925,
    "ece": 0.0725,
}


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """One export for all tests, because it takes seconds; do not write to its folder."""
    clips = [
        Clip(Path(f"{corpus}-{number}.wav"), LABELS[number % 4], str(number // 2), corpus=corpus)
        for corpus in CORPORA
        for number in range(6)
    ]
    facts = ModelMetadata(
        name="tiny",
        clips={"train": clips[:10], "validation": clips[10:], "test": ()},
        metrics=[METRICS],
        seed=7,
    )
    network = tiny_network()
    folder = tmp_path_factory.mktemp("exports") / "new" / "model"
    return Exported(network, folder, write_model_directory(network, folder, facts))
