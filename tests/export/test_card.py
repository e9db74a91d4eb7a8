from __future__ import annotations

import json
from typing import Any

import pytest
from tiny_network import Exported

from affekt.runtime.card import model_card


@pytest.fixture
def config(exported: Exported) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((exported.folder / "config.json").read_text())
    return found


def test_the_card_of_the_directory_is_that_of_its_config(
    exported: Exported, config: dict[str, Any]
) -> None:
    size = (exported.folder / "model.onnx").stat().st_size
    card = (exported.folder / "README.md").read_text(encoding="utf-8")
    assert card == model_card(config, size)
    assert f"| `model.onnx` | {size:,} bytes |" in card


def test_it_says_what_was_learned_and_under_which_licence(config: dict[str, Any]) -> None:
    card = model_card(config, 1)
    assert "Recognises angry, happy, neutral or sad in a voice." in card
    assert "at 16000 Hz" in card
    assert "| cremad | ODbL-1.0 | 6 | 3 |" in card
    assert "| licence of the weights | CC-BY-NC-SA-4.0 (non-commercial" in card
    assert config["intended_use"] in card
    assert "| temperature | 1.300 |" in card


def test_it_shows_the_figures_as_they_were_given(config: dict[str, Any]) -> None:
    row = "| ravdess, held-out speakers | 240 | 4 | 61.3 % | 58.8 % | 59.3 % | 7.2 % |"
    lines = model_card(config, 1).splitlines()
    figures = next(line for line in lines if line.startswith("| ravdess, held-out"))
    cells = [cell.strip() for cell in figures.strip("|").split("|")]
    expected = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:3] == expected[:3]
    for found, wanted in zip(cells[3:], (61.25, 58.75, 59.25, 7.25), strict=True):
        assert float(found.removesuffix(" %")) == pytest.approx(wanted, abs=0.051)


def test_without_figures_it_says_so(config: dict[str, Any]) -> None:
    card = model_card({**config, "metrics": []}, 1)
    assert "Not measured." in card
    assert "UAR" not in card


def test_own_recordings_have_no_licence_to_name(config: dict[str, Any]) -> None:
    own = {"corpus": "own recordings", "licence": "", "clips": 1234, "speakers": 5}
    card = model_card({**config, "training_data": [own], "licence": ""}, 1)
    assert "| own recordings | not stated | 1,234 | 5 |" in card
    assert "| licence of the weights | not stated: trained on own data |" in card


def test_it_begins_with_the_front_matter_of_a_hub(config: dict[str, Any]) -> None:
    lines = model_card(config, 1).splitlines()
    assert lines[0] == "---"
    front = lines[1 : lines.index("---", 1)]
    assert "library_name: affekt" in front
    assert "pipeline_tag: audio-classification" in front


def test_groups_have_a_section_where_they_were_measured(config: dict[str, Any]) -> None:
    assert "By group" not in model_card(config, 1)
    row = {**config["metrics"][0], "fairness": ["gender female: UAR 60 %"]}
    card = model_card({**config, "metrics": [row]}, 1)
    assert f"## By group and speaker\n\n{row['protocol']}:\n\n- gender female: UAR 60 %" in card
