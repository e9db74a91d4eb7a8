"""Arrays: scaled by their type, refused where their scale or shape is in doubt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from affekt.audio import decode, load_audio
from affekt.audio.arrays import MAX_PEAK
from affekt.audio.load import CANCELLED
from affekt.errors import AudioError


@pytest.mark.parametrize(
    ("dtype", "low", "zero", "high"),
    [
        (np.uint8, 0, 128, 255),
        (np.int8, -(2**7), 0, 2**7 - 1),
        (np.int16, -(2**15), 0, 2**15 - 1),
        (np.dtype(">i2"), -(2**15), 0, 2**15 - 1),
        (np.int32, -(2**31), 0, 2**31 - 1),
        (np.int64, -(2**15), 0, 2**15 - 1),
    ],
)
def test_integers_are_scaled_by_their_type(dtype, low, zero, high):
    samples = load_audio((np.array([low, zero, high], dtype=dtype), 16000))
    assert samples.dtype == np.float32
    assert samples[:2].tolist() == [-1.0, 0.0]
    assert 0.99 < samples[2] <= 1.0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.dtype(">f4")])
def test_floats_are_taken_as_they_are(dtype):
    samples = load_audio((np.array([-1.0, 0.0, 0.5], dtype=dtype), 16000))
    assert samples.dtype == np.float32
    assert samples.tolist() == [-1.0, 0.0, 0.5]


@given(arrays.arrays(np.int16, st.integers(1, 200)))
def test_int16_survives(values):
    samples, _ = decode((values, 16000))
    np.testing.assert_array_equal(samples[:, 0] * 2**15, values)


@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(6, 50), st.integers(1, 6)),
        elements=st.floats(-1, 1),
    )
)
def test_the_mean_is_mixed(values):
    mean_power = np.mean(values.mean(axis=1) ** 2)
    # Channels that cancel are refused; squares of what is less than 1e-15 vanish in float32.
    assume(mean_power >= max(1e-30, 2 * CANCELLED * np.mean(values**2)))
    np.testing.assert_allclose(load_audio((values, 16000)), values.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("rate", [16000, 16000.0, np.int64(16000), np.float32(16000)])
def test_rates_of_any_number_type(rate):
    assert decode((np.zeros(10), rate))[1] == 16000


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_order_does_not_matter(order):
    samples = np.array(np.arange(20).reshape(10, 2) / 20, order=order)
    loaded = load_audio((samples, 16000))
    np.testing.assert_allclose(loaded, samples.mean(axis=1), atol=1e-7)
    assert loaded.flags.c_contiguous


def test_a_view_with_strides():
    samples = np.linspace(-1, 1, 100, dtype=np.float32)[::2]
    loaded = load_audio((samples, 16000))
    np.testing.assert_array_equal(loaded, samples)
    assert loaded.flags.c_contiguous


def test_a_list_is_an_array():
    assert load_audio(([0.0, 0.5], 16000)).tolist() == [0.0, 0.5]


def test_peaks_up_to_the_limit_are_kept():
    assert load_audio((np.array([MAX_PEAK, -MAX_PEAK]), 16000)).tolist() == [MAX_PEAK, -MAX_PEAK]


REFUSED = [
    (np.array([0, 40000]), r"int64 values go from 0 to 40000, beyond 16 bits.*convert them to"),
    (np.array([-32769, 0]), r"int64 values go from -32769 to 0, beyond 16 bits"),
    (np.array([0, 40000], dtype=np.uint16), "values of type uint16 are not samples; expected"),
    (np.zeros(10, dtype=bool), "values of type bool are not samples"),
    (np.zeros(10, dtype=complex), "values of type complex128 are not samples"),
    (np.array([None, 1]), "values of type object are not samples"),
    (np.array(["a", "b"]), "values of type <U1 are not samples"),
    ([[0.0], [0.0, 1.0]], "it cannot be made a numpy array"),
    (np.array([0.0, 12000.0]), r"samples reach 12000, far beyond full scale \(1.0\); .* by 32768"),
    (np.array([0.0, -4.1]), "samples reach 4.1, far beyond full scale"),
    (np.array([0.0, 1e300]), "1 of 2 samples are NaN or infinite"),
    (np.zeros(0), "it holds no samples"),
    (np.zeros((0, 2)), "it holds no samples"),
    (np.zeros((10, 0)), "it holds no samples"),
    (np.zeros((2, 16000)), r"shape \(2, 16000\) looks like \[channels, samples\].*pass array.T"),
    (np.zeros((1, 16000)), "pass array.T"),
    (np.zeros((1, 16000, 1)), r"its shape is \(1, 16000, 1\); expected one recording as"),
    (np.float32(0.0), r"its shape is \(\)"),
]


@pytest.mark.parametrize(("array", "match"), REFUSED)
def test_refused(array, match):
    with pytest.raises(AudioError, match=match) as caught:
        load_audio((array, 16000))
    assert str(caught.value).startswith("audio array: ")
    assert "\n" not in str(caught.value)


def test_rate_and_array_swapped():
    with pytest.raises(AudioError, match=r"expected \(array, rate\).*swap them"):
        load_audio((16000, np.zeros(16000)))


def test_the_array_is_left_alone():
    samples = np.array([0, 1, 2], dtype=np.uint8)
    load_audio((samples, 16000))
    assert samples.tolist() == [0, 1, 2]
