"""A plain wav file is heard as the decoder hears it; whatever is not quite one goes there."""

import io

import numpy as np
import pytest
import soundfile
from live_server import noise, wav_bytes

from affekt.audio import load_clip
from affekt.server.plain_wav import MAX_SECONDS, is_plain_wav, read_plain_wav


def test_it_is_what_the_decoder_gives(recordings):
    clipped = np.tile(np.array([1.0, -1.0, 0.0, 0.5], dtype=np.float32), 8000)
    files = [path.read_bytes() for path in recordings if path.suffix == ".wav"]
    assert files
    for content in (*files, wav_bytes(noise(3)), wav_bytes(clipped), wav_bytes(noise(3)[:1])):
        assert is_plain_wav(content, 16000)
        plain, decoded = read_plain_wav(content, 16000), load_clip(content)
        np.testing.assert_array_equal(plain.waveform, decoded.waveform)
        assert plain.waveform.dtype == decoded.waveform.dtype
        assert plain.quality == decoded.quality


def written(samples, rate=16000, **options):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **{"format": "WAV", "subtype": "PCM_16", **options})
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        wav_bytes(noise(1))[:44],
        wav_bytes(noise(1))[:-2],
        wav_bytes(noise(1)) + b"\0\0",
        wav_bytes(noise(1)) + b"LIST",
        written(noise(1), rate=44100),
        written(noise(1), subtype="PCM_24"),
        written(noise(1), subtype="FLOAT"),
        written(noise(1), format="WAVEX"),
        written(noise(1), format="FLAC"),
        written(np.stack([noise(1)] * 2, axis=1)),
        written(np.zeros(16000 * MAX_SECONDS + 1, dtype=np.float32)),
    ],
)
def test_anything_else_is_left_to_the_decoder(content):
    assert not is_plain_wav(content, 16000)


def test_no_byte_of_the_header_may_differ():
    content = wav_bytes(noise(1))
    for place in range(44):
        changed = bytearray(content)
        changed[place] ^= 1
        assert not is_plain_wav(bytes(changed), 16000)
