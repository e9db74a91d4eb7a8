"""Small corpora in the official layouts, with made-up sound, for tests without the real ones."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 16000  # Hz

RAVDESS_NAMES = (
    "Actor_01/03-01-01-01-01-01-01.wav",
    "Actor_01/03-01-05-02-01-01-01.wav",
    "Actor_02/03-01-08-01-02-02-02.wav",
)
EMODB_NAMES = ("wav/03a01Fa.wav", "wav/14a07Aa.wav", "wav/16b10Wb.wav")
_IEMOCAP = "IEMOCAP_full_release/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_"
OFFICIAL_NAMES = {
    "iemocap": (f"{_IEMOCAP}F000.wav", f"{_IEMOCAP}M001.wav"),
    "msp_podcast": ("Audios/MSP-PODCAST_0001_0008.wav", "Audios/MSP-PODCAST_0002_0033.wav"),
    "msp_improv": (
        "Audio/session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav",
        "Audio/session2/S03H/T/MSP-IMPROV-S03H-M02-T-FM02.wav",
    ),
    "savee": ("AudioData/DC/a01.wav", "AudioData/KL/su15.wav", "AudioData/KL/n30.wav"),
    "emotale": ("Audio/DK_001_A_1.wav", "Audio/EN_019_B_5.wav"),
    "ased": ("n1/n1-06-01-01-01.wav", "h3/h3-07-02-02-25.wav", "a5/a5-01-01-02-45.wav"),
    "emotiontts_ko": ("ema/wav/ema00100.wav", "nek/wav/nek00201.wav", "nek/wav/nek00400.wav"),
    "turev": ("Sound Source/Angry/1157_kz_deve.wav", "Sound Source/Calm/1234_sk_göz.wav"),
    "indian_emospeech": (
        "help/help-safe-angry-1563042812989-04e398ad506ff63b742df7c90ca38e01094ba7eab4cc98ddcf.wav",
        "bacho/bacho-safe-calm-1563042812990-d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac.wav",
        "yes/yes-scream-fearful-??-04e398ad506ff63b742df7c90ca38e01094ba7eab4cc98ddcf9e7ef800.wav",
        "no/no-safe--1563042812991-04e398ad506ff63b742df7c90ca38e01094ba7eab4cc98ddcf9e7ef800.wav",
    ),
    "emogator": (
        "data/mp3/000002-03-1.mp3",
        "data/mp3/000002-28-2.mp3",
        "data/mp3/000002-01-1.mp3",
    ),
    "baved": ("0/0-m-21-0-2-106.wav", "1/53-m-20-1-0-460.wav"),
    "banglaser_ext": ("Fear/03-01-07-01-05-02-41.wav", "Disgust/03-00-06-03-04-03-48.wav"),
    "subesco": (
        "SUBESCO/F_02_MONIKA_S_1_NEUTRAL_5.wav",
        "SUBESCO/M_02_TOWHID_S_10_SURPRISE_1.wav",
    ),
    "banglaser": (
        "BanglaSER/Actor 01/03-01-01-01-01-01-01.wav",
        "BanglaSER/Actor 34/03-01-04-02-03-03-34.wav",
    ),
    "mesd": (
        "Mexican Emotional Speech Database (MESD)/Anger_C_A_abajo.wav",
        "Mexican Emotional Speech Database (MESD)/Happiness_F_B_buenos dias.wav",
        "Mexican Emotional Speech Database (MESD) reduced/Anger_C_A_2_abajo.wav",
    ),
    "emouerj": ("m01h01.wav", "w04a11.wav"),
    "jl_corpus": (
        "Raw JL corpus (unchecked and unannotated)/JL(wav+txt)/female1_angry_10a_1.wav",
        "Raw JL corpus (unchecked and unannotated)/JL(wav+txt)/male2_sad_15b_2.wav",
        "Raw JL corpus (unchecked and unannotated)/JL(wav+txt)/male2_apologetic_1a_1.wav",
    ),
    "thorsten_emotional": (
        "thorsten-emotional_v02/disgusted/0aaf116f8774a140909231e0b610dc98.wav",
        "thorsten-emotional_v02/whisper/4abd7cf4f7e10b5d91570fdb4b9e8138.wav",
        "thorsten-emotional_v02/neutral/0aaf116f8774a140909231e0b610dc98.wav",
    ),
    "emozionalmente": (
        "emozionalmente/audio/1616073462.wav",
        "emozionalmente/audio/1616073463.wav",
        "emozionalmente/audio/1616073464.wav",
    ),
}
"""Recordings of each corpus, by their official names."""

CREMAD_NAMES = ("1001_IEO_ANG_HI", "1001_IEO_NEU_XX", "1091_WSI_SAD_LO")


def sound(name: str, seconds: float = 0.5, rate: int = RATE) -> NDArray[np.float32]:
    """Return noise that swells and fades, other noise for every name: [samples]."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    size = round(seconds * rate)
    swell = np.interp(np.arange(size), np.linspace(0, size, 9), generator.uniform(0.05, 1, 9))
    return (0.2 * swell * generator.standard_normal(size).clip(-4, 4)).astype(np.float32)


def write_sound(path: Path, samples: NDArray[np.float32] | None = None, rate: int = RATE) -> Path:
    """Write a recording in the container of the path's extension; by default, its own noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound(path.stem, rate=rate) if samples is None else samples, rate)
    return path


def wav_bytes(name: str, channels: int = 1, rate: int = RATE) -> bytes:
    """Return a wav file, 16 bit, with the same noise on every channel."""
    stream = io.BytesIO()
    samples = np.repeat(sound(name, rate=rate)[:, None], channels, axis=1)
    soundfile.write(stream, samples, rate, format="WAV", subtype="PCM_16")
    return stream.getvalue()


def with_pad_chunk(wav: bytes, size: int = 4044) -> bytes:
    """Put a ``PAD `` chunk between the format and the samples, as four clips of EMO-DB have."""
    place = wav.index(b"data")
    chunk = b"PAD " + struct.pack("<I", size) + b"\0" * size
    body = wav[8:place] + chunk + wav[place:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def make_ravdess(folder: Path) -> Path:
    """Make an official layout: 48 kHz, one clip in stereo."""
    for number, name in enumerate(RAVDESS_NAMES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wav_bytes(path.stem, channels=2 if number == 0 else 1, rate=48000))
    return folder


def make_emodb(folder: Path, *, encoding: str = "utf-8") -> Path:
    """Make an official layout: one clip with a ``PAD `` chunk, and the listening test."""
    for name in EMODB_NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wav = wav_bytes(path.stem)
        path.write_bytes(with_pad_chunk(wav) if path.stem == "14a07Aa" else wav)
    table = (
        "Nr.\tSatz\terkannt\tnatuerlich\n"
        "1\u00a0 \u00a0 \t03a01Fa.wav\t90,00\u00a0 \t75,00\u00a0 \n"
        "2\t16b10Wb.wav\t100,00\t100,00\n"
        "3\t03a01Ab.wav\t65,00\t35,00\n"  # recorded, but not kept
    )
    (folder / "listener_recognition.txt").write_bytes(table.encode(encoding))
    return folder


def make_cremad(folder: Path, *, audio: bool = True) -> Path:
    """Make an official layout: AudioWAV, and the tables beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in CREMAD_NAMES if audio else ():
        path = folder / "AudioWAV" / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(wav_bytes(name))
    listed = [f'{i},"{name}"' for i, name in enumerate(CREMAD_NAMES, start=1)]
    people = ['1001,51,"Male","Caucasian","Not Hispanic"', '1091,29,"Female","Asian","Hispanic"']
    kinds = ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad")
    strengths = ",".join(f'"mean{kind}Resp"' for kind in kinds)
    votes = [f'"{block}0000{i}",{row}' for block in (1, 2, 3) for i, row in _votes(block)]
    tables = {
        "SentenceFilenames.csv": ['"Stimulus_Number","Filename"', *listed],
        "VideoDemographics.csv": ['"ActorID","Age","Sex","Race","Ethnicity"', *people],
        "tabulatedVotes.csv": [
            f'"","A","D","F","H","N","S","fileName","numResponses",{strengths}',
            *votes,
        ],
        "summaryTable.csv": ['"","FileName","VoiceVote","VoiceLevel"', '"1","x","N","69.1"'],
        "LICENSE.txt": ["Open Database License"],
    }
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _votes(block: int) -> list[tuple[int, str]]:
    """Return rows of votes and mean strengths; only those of block 1, the voice, are right."""
    heard = ("6,2,0,0,2,0", "0,0,0,0,9,1", "0,0,0,0,0,0") if block == 1 else ("0,0,0,9,0,0",) * 3
    if block == 1:
        strong = ("62.5,30,-1,-1,41,-1", "-1,-1,-1,-1,70.25,55", "-1,-1,-1,-1,-1,-1")
    else:
        strong = ("-1,-1,-1,99,-1,-1",) * 3
    return [
        (i, f'{row},"{CREMAD_NAMES[i - 1]}",10,{means}')
        for i, (row, means) in enumerate(zip(heard, strong, strict=True), start=1)
    ]


OFFICIAL_TABLES = {
    "iemocap": {
        "IEMOCAP_full_release/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt": (
            "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]",
            "",
            "[6.2901 - 8.2357]\tSes01F_impro01_F000\texc\t[4.0000, 5.0000, 2.5000]",
            "C-E2:\tExcited;\t()",
            "C-E3:\tExcited; Surprise;\t()",
            "C-F1:\tAnger;\t()",
            "A-E3:\tval 4; act 5; dom  3;\t()",
            "",
            "[10.0100 - 11.3925]\tSes01F_impro01_M001\tfru\t[1.0000, 3.0000, 3.0000]",
            "C-E2:\tFrustration;\t(tired, of it)",
            "",
            "[12.0000 - 12.5000]\tSes01F_impro01_M002\txxx\t[2.0000, 2.0000, 2.0000]",  # not there
        )
    },
    "msp_podcast": {
        "Labels/labels_consensus.csv": (
            "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set",
            "MSP-PODCAST_0001_0008.wav,C,7.0,1.0,4.0,127,Male,Test1",
            "MSP-PODCAST_0002_0033.wav,X,2.5,4.6,4.0,Unknown,Unknown,Train",
            "MSP-PODCAST_0003_0001.wav,N,2.5,4.6,4.0,Unknown,Unknown,Test2",  # not there
        )
    },
    "msp_improv": {
        "Evalution.txt": (
            "UTD-IMPROV-S01A-F01-P-FM01.avi; A; A:1.000000; V:2.000000; D:4.000000 ; N:4.5;",
            "1_2; Angry; Angry,Frustrated; A:1.0; V:2.0; D:4.0; N:4.0;",
            "",
            "UTD-IMPROV-S03H-M02-T-FM02.avi; X; A:3.000000; V:5.000000; D:NaN ; N:NaN;",
        )
    },
}


def make_official(name: str, folder: Path) -> Path:
    """Make some recordings, and the tables, of a corpus in its official layout."""
    for recording in OFFICIAL_NAMES[name]:
        write_sound(folder / recording)
    for table, lines in OFFICIAL_TABLES.get(name, {}).items():
        (folder / table).parent.mkdir(parents=True, exist_ok=True)
        (folder / table).write_text("\n".join(lines) + "\n", encoding="utf-8")
    if name == "emozionalmente":
        metadata = folder / "emozionalmente" / "metadata"
        metadata.mkdir()
        tables = {
            "samples.csv": [
                "file_name,actor,sentence,emotion_expressed",
                "1616073462.wav,anna,La casa,joy",
                '1616073463.wav,anna,"Sì, vengo",neutrality',
                "1616073464.wav,bruno,La casa,fear",
                "1616073465.wav,bruno,La casa,anger",  # listed, but not there
            ],
            "users.csv": ["username,gender,age", "anna,f,30", "bruno,m,41"],
            "evaluations.csv": [
                "file_name,evaluator,emotion_recognized",
                *(
                    f"1616073462.wav,{who},{heard}"
                    for who, heard in zip("abcd", ("joy", "joy", "joy", "surprise"), strict=True)
                ),
            ],
        }
        for table, lines in tables.items():
            (metadata / table).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def make_compact(name: str, folder: Path, rows: list[dict[str, str]]) -> Path:
    """Make a corpus in the compact layout: ``labels.csv``, and a recording for each row."""
    columns = "file,corpus,speaker,gender,language,emotion,original_label,intensity,text,licence"
    columns += ",arousal,valence,dominance"
    lines = [columns]
    for row in rows:
        write_sound(folder / row["file"])
        lines.append(
            ",".join({"corpus": name, **row}.get(column, "") for column in columns.split(","))
        )
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def tar_folder(folder: Path, archive: Path) -> Path:
    """Pack a folder's files as a compressed tar file."""
    with tarfile.open(archive, "w:gz") as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.add(path, path.relative_to(folder).as_posix())
    return archive


def zip_folder(folder: Path, archive: Path, *, stored: bool = True) -> Path:
    """Pack a folder's files; stored rather than compressed, so that the size is known."""
    method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(archive, "w", method) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(folder).as_posix())
    return archive
