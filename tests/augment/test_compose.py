"""Chains, and chains from the tables of a recipe."""

from __future__ import annotations

import numpy as np
import pytest
from voice import RATE, vowel

from affekt.augment import (
    Clipping,
    Compose,
    Dropouts,
    Gain,
    Sometimes,
    TimeStretch,
    chain,
    get_transform,
)
from affekt.errors import ConfigError


def test_one_after_the_other() -> None:
    chained = Compose((Gain(6, 6), Clipping(0.1, 0.1), Dropouts()))
    generator = np.random.default_rng(0)
    wanted = vowel()
    for transform in chained.transforms:
        wanted = transform(wanted, RATE, generator)
    assert (chained(vowel(), RATE, np.random.default_rng(0)) == wanted).all()


def test_an_empty_chain_changes_nothing() -> None:
    given = vowel()
    same = Compose()(given, RATE, np.random.default_rng(0))
    assert (same == given).all()
    assert not np.shares_memory(same, given)


def test_a_chain_keeps_the_length_if_all_do() -> None:
    assert Compose((Gain(), Clipping())).keeps_length
    assert not Compose((Gain(), Sometimes(0.5, TimeStretch()))).keeps_length


def test_sometimes_is_as_often_as_it_says() -> None:
    generator, given = np.random.default_rng(0), vowel(seconds=0.05)
    half = Sometimes(0.3, Gain(6, 6))
    changed = sum((half(given, RATE, generator) != given).any() for _ in range(1000))
    assert 250 < changed < 350


@pytest.mark.parametrize(("probability", "changes"), [(0.0, False), (1.0, True)])
def test_never_and_always(probability: float, changes: bool) -> None:
    given = vowel()
    for seed in range(20):
        result = Sometimes(probability, Gain(6, 6))(given, RATE, np.random.default_rng(seed))
        assert (result != given).any() == changes


def test_the_rows_of_a_batch_are_chosen_one_by_one() -> None:
    batch = np.stack([vowel(seconds=0.05)] * 40)
    changed = (Sometimes(0.5, Gain(6, 6))(batch, RATE, np.random.default_rng(0)) != batch).any(1)
    assert 8 < changed.sum() < 32


def test_a_batch_that_changes_its_length_stays_a_batch() -> None:
    batch = np.stack([vowel(seconds=0.5)] * 3)
    for seed in range(6):
        chained = Compose((Sometimes(0.5, TimeStretch()), Gain()))
        result = chained(batch, RATE, np.random.default_rng(seed))
        assert result.shape[0] == 3


def test_a_chain_from_tables() -> None:
    chained = chain(
        [{"name": "gain", "probability": 0.5, "min_gain_db": -3}, {"name": "time_stretch"}],
        "augment.waveform",
    )
    assert chained == Compose((Sometimes(0.5, Gain(-3.0)), Sometimes(1.0, TimeStretch())))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "echo"}, r"augment.waveform\[0\]: unknown transform 'echo': expected one of"),
        ({"probability": 1.0}, r"missing key augment.waveform\[0\].name"),
        ({"name": "gain", "loud": 1}, r"unknown key augment.waveform\[0\].loud: expected"),
        ({"name": "gain", "min_gain_db": "x"}, r"augment.waveform\[0\].min_gain_db must be float"),
        ({"name": "gain", "probability": 2}, r"gain: probability 2 is not in \[0, 1\]"),
        ({"name": "gain", "probability": True}, r"\[0\].probability must be a number, got True"),
        ({"name": "background_noise"}, r"augment.waveform\[0\].*folder"),
    ],
)
def test_a_table_that_is_not_understood(table: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        chain([table], "augment.waveform")


def test_an_unknown_name() -> None:
    with pytest.raises(
        ConfigError, match="^unknown transform 'echo': expected one of time_stretch"
    ):
        get_transform("echo", {})
