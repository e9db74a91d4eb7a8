"""Files that programs really write: the same samples from a path, bytes, a file and a pipe."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
from audio_sources import KINDS, opened

from affekt.audio import SAMPLE_RATE, decode, load_audio, load_clip
from affekt.errors import AudioError

RATE = 48000


@pytest.fixture
def voice(recordings):
    """Return a function of the seconds wanted: a voice at 48 kHz."""
    (file,) = (one for one in recordings if one.name == "english-man-angry.wav")
    samples = load_audio(file, sample_rate=RATE)
    return lambda seconds: np.resize(samples, round(seconds * RATE))


@pytest.fixture
def from_all(tmp_path):
    """Return a function: what a file holds, which must not depend on where it comes from."""

    def load(content):
        path = tmp_path / "recording"
        path.write_bytes(content)
        found = []
        for kind in KINDS:
            with opened(kind, content, path) as source:
                found.append(load_audio(source))
        for samples in found[1:]:
            np.testing.assert_array_equal(samples, found[0])
        return found[0]

    return load


@pytest.fixture
def refused_by_all(tmp_path):
    """Return a function: the reason that a file is refused for, whatever it comes from."""

    def load(content):
        path = tmp_path / "recording"
        path.write_bytes(content)
        reasons = set()
        for kind in KINDS:
            with opened(kind, content, path) as source, pytest.raises(AudioError) as caught:
                load_audio(source)
            reasons.add(str(caught.value).split(": ", 1)[1])
        (reason,) = reasons
        return reason

    return load


def encoded(container, codec, samples, rate=RATE, *, layout="mono", start=0, options=None):
    """Return a file that FFmpeg writes; ``start`` in seconds is the time of the first sample."""
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        packed = np.ascontiguousarray(samples, np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = round(start * rate)
        resampler = av.AudioResampler(format=stream.format, rate=rate)
        for part in resampler.resample(frame):
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return file.getvalue()


def seconds(samples):
    return len(samples) / SAMPLE_RATE


def test_the_delay_of_an_encoder_is_cut(voice, from_all):
    """FFmpeg before 8.1 gives it negative times in Matroska."""
    samples = voice(0.5)
    expected = load_audio((samples, RATE))
    loaded = from_all(encoded("matroska", "aac", samples))
    products = np.correlate(loaded, expected, "full")
    lag = abs(np.argmax(products) - (len(expected) - 1))
    assert lag <= 16  # 1 ms: times in Matroska have no more digits


@pytest.mark.parametrize("container", ["ipod", "mp4", "matroska", "caf", "aiff"])
def test_eight_channels(voice, from_all, container):
    """PyAV reads beyond the planes of such frames, and frees lists of channels twice."""
    codec = {"caf": "pcm_s16be", "aiff": "pcm_s16be"}.get(container, "aac")
    samples = np.repeat(voice(0.5)[:, None], 8, axis=1)
    content = encoded(container, codec, samples, layout="7.1")
    assert seconds(from_all(content)) == pytest.approx(0.5, abs=0.025)
    assert decode(content)[0].shape[1] == 8


@pytest.mark.parametrize("channels", [33, 64])
def test_more_channels_than_layouts_have(voice, from_all, channels):
    file = io.BytesIO()
    soundfile.write(file, np.repeat(voice(0.5)[:, None], channels, 1), RATE, format="WAV")
    assert seconds(from_all(file.getvalue())) == 0.5


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "GSM610"),
        ("WAV", "G721_32"),
        ("WAV", "NMS_ADPCM_16"),
        ("WAV", "NMS_ADPCM_24"),
        ("WAV", "NMS_ADPCM_32"),
        ("AU", "G721_32"),
        ("AU", "G723_24"),
        ("AU", "G723_40"),
        ("XI", "DPCM_8"),
        ("XI", "DPCM_16"),
        ("SDS", "PCM_16"),
        ("PVF", "PCM_16"),
        ("HTK", "PCM_16"),
        ("MAT5", "FLOAT"),
    ],
)
def test_encodings_of_telephones_and_samplers(voice, from_all, container, subtype):
    """libsndfile cannot seek in many of these."""
    rate = 44100 if container == "XI" else 8000  # XI says no rate
    samples = np.interp(np.arange(rate // 2) / rate, np.arange(RATE) / RATE, voice(1))
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=subtype)
    loaded = from_all(file.getvalue())
    assert seconds(loaded) == pytest.approx(0.5, abs=0.03)
    expected = load_audio((samples, rate))
    length = min(len(expected), len(loaded))
    assert np.corrcoef(loaded[:length], expected[:length])[0, 1] > 0.9


@pytest.mark.parametrize(
    "flags",
    ["frag_keyframe+empty_moov+default_base_moof", "frag_every_frame+empty_moov", ""],
)
def test_mp4_however_it_is_laid_out(voice, from_all, flags):
    content = encoded("mp4", "aac", voice(2.5), options={"movflags": flags} if flags else {})
    assert seconds(from_all(content)) == pytest.approx(2.5, abs=0.025)


@pytest.mark.parametrize("codec", ["libopus", "vorbis", "flac"])
@pytest.mark.parametrize("links", [2, 3])
def test_chained_ogg(voice, from_all, codec, links):
    kind = {"vorbis": ("OGG", "VORBIS"), "libopus": ("OGG", "OPUS")}.get(codec)
    parts = []
    for number in range(links):
        length, channels = 1 + 0.5 * number, 1 + number % 2  # stereo now and then
        samples = np.repeat(voice(length)[:, None], channels, axis=1)
        if kind is None:
            layout = ("mono", "stereo")[channels - 1]
            parts.append(encoded("ogg", codec, samples, layout=layout))
        else:
            file = io.BytesIO()
            soundfile.write(file, samples, RATE, format=kind[0], subtype=kind[1])
            parts.append(file.getvalue())
    expected = sum(1 + 0.5 * number for number in range(links))
    assert seconds(from_all(b"".join(parts))) == pytest.approx(expected, abs=0.002)


def test_rate_and_channels_that_change(voice, from_all):
    """As where one MP3 is appended to another: each frame counts as what it is."""
    first = np.repeat(voice(2.0)[:, None], 2, axis=1)
    half = np.interp(np.arange(3 * 22050) / 22050, np.arange(3 * RATE) / RATE, voice(3.0))
    content = b"".join(
        [
            encoded("mp3", "libmp3lame", first, layout="stereo"),
            encoded("mp3", "libmp3lame", half, 22050),
            encoded("mp3", "libmp3lame", voice(1.0)),
        ]
    )
    loaded = from_all(content)
    assert seconds(loaded) == pytest.approx(6.0, abs=0.15)  # the padding of each is in between
    # The second part, at its own speed: it is the same voice, an octave would not correlate.
    part = loaded[round(2.0 * SAMPLE_RATE) : round(4.9 * SAMPLE_RATE)]
    expected = load_audio((voice(3.0), RATE))
    best = np.abs(np.fft.irfft(np.fft.rfft(part, 2**17) * np.conj(np.fft.rfft(expected, 2**17))))
    assert best.max() > 0.8 * np.linalg.norm(part) * np.linalg.norm(expected[: len(part)])
    assert load_clip(content).quality.damaged_packets == 0


def with_video(samples, start, *, container="matroska"):
    """Return 8 s of video whose sound begins at a time."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        video = output.add_stream("mpeg4", rate=5)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        audio = output.add_stream("aac", rate=RATE, layout="mono")
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        packets = []
        for number in range(40):
            picture.pts, picture.time_base = number, Fraction(1, 5)
            packets += video.encode(picture)
        packets += video.encode(None)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        frame.pts = round(start * RATE)
        for part in av.AudioResampler(format="fltp").resample(frame):
            packets += audio.encode(part)
        packets += audio.encode(None)
        for packet in sorted(packets, key=lambda one: float((one.dts or 0) * one.time_base)):
            output.mux(packet)
    return file.getvalue()


@pytest.mark.parametrize("container", ["matroska", "mp4", "mov", "mpegts"])
def test_a_video_whose_sound_begins_late(voice, from_all, container):
    loaded = from_all(with_video(voice(2.0), 5.0, container=container))
    assert seconds(loaded) == pytest.approx(7.0, abs=0.07)
    began = np.flatnonzero(np.abs(loaded) > 0.02)[0] / SAMPLE_RATE
    heard = np.flatnonzero(np.abs(voice(2.0)) > 0.02)[0] / RATE
    assert began == pytest.approx(5.0 + heard, abs=0.05)


def test_a_recording_that_paused(voice, from_all):
    """Browsers write nothing while they pause: silence stands for it."""
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as output:
        stream = output.add_stream("libopus", rate=RATE, layout="mono")
        for start in (0, 12):
            packed = voice(2.0)[None]
            for at in range(0, packed.shape[1], 960):
                frame = av.AudioFrame.from_ndarray(packed[:, at : at + 960], "flt", "mono")
                frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
                frame.pts = start * RATE + at
                output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    loaded = from_all(file.getvalue())
    assert seconds(loaded) == pytest.approx(14.0, abs=0.02)
    assert np.abs(loaded[3 * SAMPLE_RATE : 11 * SAMPLE_RATE]).max() == 0


def test_a_broken_clock_makes_no_hours_of_silence(voice):
    content = encoded("matroska", "pcm_s16le", voice(2.0), start=1000)
    assert seconds(load_audio(content)) == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("broken", [1, 3])
def test_damaged_packets_are_left_out(voice, from_all, broken):
    content = bytearray(encoded("ipod", "aac", voice(2.5)))
    with av.open(io.BytesIO(content)) as container:
        packets = [(one.pos, one.size) for one in container.demux(audio=0) if one.size]
    for place, size in packets[20 : 20 + 20 * broken : 20]:
        content[place : place + size] = b"\xff" * size
    assert seconds(from_all(bytes(content))) == pytest.approx(2.5, abs=0.002)
    assert load_clip(bytes(content)).quality.damaged_packets >= broken


def test_many_damaged_packets_are_refused(voice, refused_by_all):
    content = bytearray(encoded("ipod", "aac", voice(2.5)))
    with av.open(io.BytesIO(content)) as container:
        packets = [(one.pos, one.size) for one in container.demux(audio=0) if one.size]
    for place, size in packets[2::3]:
        content[place : place + size] = b"\xff" * size
    assert "packets cannot be decoded" in refused_by_all(bytes(content))


def test_a_cut_wav(voice, refused_by_all):
    file = io.BytesIO()
    soundfile.write(file, voice(2.0), RATE, format="WAV", subtype="PCM_16")
    content = file.getvalue()
    assert refused_by_all(content[: len(content) // 2]).startswith("it is cut short: its header")


def test_24_bits_in_containers_of_32(voice, from_all):
    values = np.round(voice(1.0) * 2**23).astype("<i4") << 8
    guid = bytes.fromhex("0100000000001000800000aa00389b71")
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 1, RATE, 4 * RATE, 4, 32, 22, 24, 4) + guid
    chunks = b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"data" + struct.pack("<I", values.nbytes) + values.tobytes()
    content = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks
    assert np.abs(from_all(content) - load_audio((voice(1.0), RATE))).max() < 1e-6
    wrong = content.replace(struct.pack("<HHI", 32, 22, 24)[:4], struct.pack("<HH", 24, 22))
    assert np.abs(from_all(wrong) - from_all(content)).max() == 0


@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
@pytest.mark.parametrize(
    ("subtype", "steps"), [("PCM_16", 15), ("PCM_24", 23), ("PCM_32", 23), ("FLOAT", 23)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_pcm_is_read_as_libsndfile_reads_it(voice, from_all, endian, subtype, steps, channels):
    file = io.BytesIO()
    samples = np.repeat(voice(0.3)[:, None], channels, axis=1)
    soundfile.write(file, samples, 16000, format="WAV", subtype=subtype, endian=endian)
    expected = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32", always_2d=True)[0]
    assert np.abs(from_all(file.getvalue()) - expected.mean(axis=1)).max() < 2.0**-steps


def test_rf64(voice, from_all):
    file = io.BytesIO()
    soundfile.write(file, voice(1.0), RATE, format="RF64", subtype="PCM_16")
    assert seconds(from_all(file.getvalue())) == 1.0


def test_an_open_file_is_left_at_its_end(encode, voice):
    for kind in ("wav-16", "flac", "m4a", "ogg"):
        content = encode(kind, voice(0.5), RATE)
        file = io.BytesIO(b"before" + content)
        file.seek(6)
        assert seconds(load_audio(file)) == pytest.approx(0.5, abs=0.002)
        assert file.tell() == len(content) + 6 or kind in ("wav-16", "flac")


def test_a_pipe_that_cannot_be_kept(voice, monkeypatch):
    """A format that needs seeking says so where there is no room for a temporary file."""
    import tempfile

    from audio_sources import piped

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", full)
    with piped(encoded("ipod", "aac", voice(0.5))) as pipe, pytest.raises(AudioError) as caught:
        load_audio(pipe)
    assert "needs a file that can be read in any order" in str(caught.value)
    assert "give a path" in str(caught.value)


def test_a_read_error_names_the_file():
    with pytest.raises(AudioError, match="^/proc/self/mem: it cannot be read: Input/output error"):
        load_audio("/proc/self/mem")
