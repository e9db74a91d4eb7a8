"""Convolution with a room: exact, undelayed, and as loud as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from voice import RATE, vowel

from affekt.augment import RoomImpulseResponse
from affekt.augment.room_impulse_response import reverberate
from affekt.errors import DataError


def impulse(size: int, place: int, height: float) -> np.ndarray:
    response = np.zeros(size, dtype=np.float32)
    response[place] = height
    return response


@pytest.mark.parametrize(("size", "place", "height"), [(1, 0, 1), (500, 120, 0.2), (90_000, 7, -3)])
def test_a_unit_impulse_changes_nothing(size: int, place: int, height: float) -> None:
    given = vowel()
    np.testing.assert_allclose(reverberate(given, impulse(size, place, height)), given, atol=2e-6)


def test_it_is_the_convolution() -> None:
    rng = np.random.default_rng(0)
    given = rng.normal(0, 0.1, 2000).astype(np.float32)
    response = (rng.normal(0, 0.1, 300) * np.exp(-np.arange(300) / 50)).astype(np.float32)
    response[0] = 0.8
    wanted = np.convolve(given, response)[: len(given)]
    found = reverberate(given, response)
    assert np.corrcoef(found, wanted)[0, 1] > 1 - 1e-9


def test_an_echo_comes_when_it_should() -> None:
    given = impulse(RATE, 1000, 0.5)
    response = impulse(RATE, 300, 1.0) + impulse(RATE, 300 + 4000, 0.5)
    heard = reverberate(given, response)
    assert np.flatnonzero(np.abs(heard) > 0.01).tolist() == [1000, 5000]
    assert heard[5000] / heard[1000] == pytest.approx(0.5, rel=1e-4)


def test_the_level_stays(room_folder: Path) -> None:
    given = vowel()
    for seed in range(4):
        heard = RoomImpulseResponse(str(room_folder))(given, RATE, np.random.default_rng(seed))
        assert len(heard) == len(given)
        assert (heard != given).any()
        assert np.mean(heard**2) == pytest.approx(np.mean(given**2), rel=1e-4)


def test_real_rooms(data_root: Path) -> None:
    folder = data_root / "noise" / "rir"
    if not folder.is_dir():
        pytest.skip("needs room impulse responses in noise/rir/")
    given = np.zeros(2 * RATE, dtype=np.float32)
    given[RATE // 2 : RATE] = vowel(seconds=0.5)
    for seed in range(8):
        heard = RoomImpulseResponse(str(folder))(given, RATE, np.random.default_rng(seed))
        assert not np.abs(heard[: RATE // 2 - 50]).max() > 1e-4  # nothing before its cause
        assert np.mean(heard[RATE + 400 :] ** 2) > 0  # the room rings on
        assert np.mean(heard**2) == pytest.approx(np.mean(given**2), rel=1e-3)


def test_what_lies_in_the_folder_must_be_a_sound(tmp_path: Path) -> None:
    transform = RoomImpulseResponse(str(tmp_path))
    with pytest.raises(DataError, match="room_impulse_response: no sounds in"):
        transform(vowel(), RATE, np.random.default_rng(0))
    soundfile.write(tmp_path / "silent.wav", np.zeros(100), RATE)
    with pytest.raises(DataError, match=r"room_impulse_response: .*silent.wav is silent"):
        RoomImpulseResponse(str(tmp_path))(vowel(), RATE, np.random.default_rng(0))
