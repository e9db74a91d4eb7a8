from __future__ import annotations

import numpy as np
import pytest

from affekt.runtime.litert import fill_windows


@pytest.mark.parametrize(
    ("samples", "starts"), [(10, [0]), (11, [0, 1]), (20, [0, 10]), (25, [0, 10, 15])]
)
def test_windows_lie_end_to_end_and_the_last_ends_with_the_recording(
    samples: int, starts: list[int]
) -> None:
    waveforms = np.arange(2 * samples, dtype=np.float32).reshape(2, samples)
    windows = fill_windows(waveforms, 10)
    assert windows.shape == (2, len(starts), 10)
    for row in range(2):
        for window, start in zip(windows[row], starts, strict=True):
            np.testing.assert_array_equal(window, waveforms[row, start : start + 10])


def test_a_short_recording_is_filled_with_silence() -> None:
    windows = fill_windows(np.array([[1, 2, 3]], dtype=np.float32), 8)
    np.testing.assert_array_equal(windows, [[[1, 2, 3, 0, 0, 0, 0, 0]]])
