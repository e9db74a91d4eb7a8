"""How well the out-of-domain score tells speech from noise and music, and where its limit lies.

    python benchmarks/domain.py --data ../shared/data          # measures the shipped model
    python benchmarks/domain.py --model runs/mine/model        # measures another
    python benchmarks/domain.py --table-only                   # writes the table again

The space of speech is fitted on the model's own training speakers, its limits on its validation
speakers, and both are written under ``domain`` into the ``config.json`` of the model directory
(``--keep`` leaves that alone). The alternatives are compared on validation speakers, every other
recording of noise and one family of instruments; the final figures are of the test speakers, the
other recordings and the other family. The music is synthetic: random scales, chords and drums;
``--music FOLDER`` measures recordings, too.

The limits of the warning ``music`` were chosen by hand after a look at clips of all corpora, the
noise and the recorded music; what validation speakers alone would give is stored beside them. So
the rows of noise and recorded music say how well the limits fit, not how well they will do.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _common import Report, Result
from _music import Scored, highest, named, noisy, recorded
from report.page import write_text

if TYPE_CHECKING:
    from affekt.data.manifest import Clip
    from affekt.runtime.domain import Domain

Heard = tuple[np.ndarray, np.ndarray]
"""What a model makes of recordings: embeddings [count, dim], probabilities [count, classes]."""

REPORT = Report("domain", "benchmarks/measurements.md")
RATE = 16000  # Hz
LENGTHS = (1.0, 2.0, 4.0, 8.0)  # seconds
FITTED_LENGTHS = (1.0, 2.0, 4.0)  # seconds
RANKS = (16, 64, 160)
WINDOWS = 300  # of one length and corpus, at most
CLIP = 2.5  # seconds of noise or music in one clip
MUSIC_CLIPS = 120
HOLD_SPEECH = ("ISTS", "babble", "cafe", "conversation", "icra5", "restaurant")
"""Recordings of noise that are made of voices."""


def speech(
    corpora: dict[str, list[Clip]], speakers: Sequence[str], seconds: float | None
) -> dict[str, list[np.ndarray]]:
    """Return stretches of these speakers' clips by corpus: whole clips, or cut to one length.

    What is cut is each speaker's clips, one after the other.
    """
    from affekt import load_audio

    found: dict[str, list[np.ndarray]] = {}
    for speaker in speakers:
        corpus = speaker.partition("/")[0]
        clips = [clip for clip in corpora[corpus] if f"{clip.corpus}/{clip.speaker}" == speaker]
        several = len([name for name in speakers if name.startswith(f"{corpus}/")])
        needed = int(np.ceil(WINDOWS / several))
        step = max(1, len(clips) // (needed * (int(seconds or 1) + 1)))
        waves = [load_audio(clip.file) for clip in clips[::step]]
        waves = [wave for wave in waves if np.abs(wave).max() > 1e-3]
        if seconds is not None:
            waves = list(cut(np.concatenate(waves), seconds)) if waves else []
        found.setdefault(corpus, []).extend(waves[:needed])
    return found


def cut(samples: np.ndarray, seconds: float) -> Iterator[np.ndarray]:
    """Yield the whole stretches of one length, one after the other, that are not silent."""
    size = int(seconds * RATE)
    for start in range(0, len(samples) - size + 1, size):
        stretch = samples[start : start + size]
        if np.abs(stretch).max() > 1e-3:
            yield stretch


def noises(folder: Path, first: int) -> list[np.ndarray]:
    """Return clips of every other recording of noise, from the first or the second on."""
    from affekt import load_audio

    files = [
        file for file in sorted(folder.iterdir()) if not any(s in file.name for s in HOLD_SPEECH)
    ]
    waves = [load_audio(file) for file in files[first::2]]
    loud = [wave for wave in waves if len(wave) >= RATE and np.abs(wave).max() > 1e-3]
    return [part for wave in loud for part in (list(cut(wave, CLIP)) or [wave])]


def music(count: int, bowed: bool, rng: np.random.Generator) -> list[np.ndarray]:
    """Return synthetic music: notes and chords of a random scale, with drums."""
    return [_piece(bowed, rng) for _ in range(count)]


def _piece(bowed: bool, rng: np.random.Generator) -> np.ndarray:
    size = int(CLIP * RATE)
    piece = np.zeros(size)
    steps = (0, 2, 4, 5, 7, 9, 11) if rng.random() < 0.5 else (0, 2, 3, 5, 7, 8, 10)
    root, beat = rng.uniform(110, 220), 60 / rng.uniform(70, 150)  # Hz, seconds
    decay, roll_off = rng.uniform(0.5, 5), rng.uniform(0.7, 2)
    at = 0.0
    while at < CLIP - 0.01:
        length = beat * rng.choice([0.5, 1, 2])
        start = int(at * RATE)
        end = min(size, start + int(1.2 * length * RATE))
        times = np.arange(end - start) / RATE
        octave = 12 * rng.integers(0, 3)
        for step in rng.choice(steps, size=rng.integers(1, 4), replace=False):
            hz = root * 2 ** ((step + octave) / 12)
            piece[start:end] += _note(hz, times, bowed, decay, roll_off)
        if rng.random() < 0.7:
            times = times[: int(0.15 * RATE)]
            drum = np.exp(-40 * times) * rng.normal(size=len(times))
            piece[start : start + len(times)] += drum
        at += length
    return np.asarray(piece / np.abs(piece).max() * rng.uniform(0.05, 0.9), dtype=np.float32)


def _note(hz: float, times: np.ndarray, bowed: bool, decay: float, roll_off: float) -> np.ndarray:
    """Return one note: plucked ones die away, bowed ones swell and shake."""
    harmonics = np.arange(1, int(min(20, 7000 // hz)) + 1)
    phase = 2 * np.pi * hz * times
    if bowed:
        phase = phase + 0.005 * hz / 5.5 * np.sin(2 * np.pi * 5.5 * times)
        envelope = np.minimum(times, times[-1] - times) / 0.08
    else:
        envelope = np.minimum(times / 0.01, np.exp(-decay * times))
    tone = np.sin(np.outer(harmonics, phase)) / harmonics[:, None] ** roll_off
    return np.asarray(tone.sum(axis=0) * np.clip(envelope, 0, 1))


def measure(
    data: Path | None, model_id: str | None, played: Path | None
) -> tuple[Result, dict[str, object]]:
    """Fit, compare and measure; return the result, and what belongs into ``config.json``."""
    import affekt
    from affekt.data import data_root
    from affekt.data.corpora import load_corpus
    from affekt.evaluation.provenance import commit, software_versions
    from affekt.export.check.domain import FALSE_ALARMS, RANK, fit_domain, separation

    started = time.perf_counter()
    model = affekt.load_model(model_id)
    speakers = model.config.raw["speakers"]
    names = [row["corpus"] for row in model.config.training_data]
    corpora: dict[str, list[Clip]] = {name: load_corpus(name, data) for name in names}

    def heard(waves: Sequence[np.ndarray]) -> Heard:
        answers = model.predict_batch((wave, RATE) for wave in waves)
        scores = np.array([list(answer.scores.values()) for answer in answers])
        return np.array([answer.embedding for answer in answers]), scores

    def voices(side: str, seconds: float | None) -> dict[str, np.ndarray]:
        found = speech(corpora, speakers[side], seconds)
        return {name: heard(waves)[0] for name, waves in found.items()}

    fitted = [voices("train", seconds) for seconds in FITTED_LENGTHS]
    training = [np.concatenate([one[name] for one in fitted]) for name in names]
    held_out = {seconds: list(voices("validation", seconds).values()) for seconds in LENGTHS}
    domain = fit_domain(training, held_out)

    folder = data_root(data) / "noise" / "noise"
    rng = np.random.default_rng(0)
    chosen_on = {
        "noise": heard(noises(folder, 0)),
        "music": heard(music(MUSIC_CLIPS, False, rng)),
    }
    whole = speech(corpora, speakers["validation"], None)
    inside = heard([wave for waves in whole.values() for wave in waves])
    measures: dict[str, Callable[[Heard], np.ndarray]] = {
        "highest probability": lambda pair: -pair[1].max(axis=1),
        "entropy": lambda pair: -(pair[1] * np.log(pair[1] + 1e-12)).sum(axis=1),
        "distance from the mean": _remainders(fit_domain(training, {}, rank=0)),
    }
    for rank in RANKS:
        measures[f"outside of {rank} dimensions"] = _remainders(fit_domain(training, {}, rank=rank))
    compared = {
        name: {kind: separation(score(inside), score(pair)) for kind, pair in chosen_on.items()}
        for name, score in measures.items()
    }

    final = {
        "noise": heard(noises(folder, 1))[0],
        "music": heard(music(MUSIC_CLIPS, True, rng))[0],
    }
    limit = float(np.interp(np.log(CLIP), np.log(LENGTHS), [one for _, one in domain.limits]))
    found = {kind: float((domain.remainders(e) > limit).mean()) for kind, e in final.items()}
    rows = {}
    for name in names:
        clips = speech(corpora, [one for one in speakers["test"] if one.startswith(name)], None)
        waves = clips[name]
        embeddings = heard(waves)[0]
        lengths = [len(wave) / RATE for wave in waves]
        rows[name] = {
            "clips": len(waves),
            "false_alarms": _alarms(domain, embeddings, lengths),
            "auroc": {
                kind: separation(domain.remainders(embeddings), domain.remainders(e))
                for kind, e in final.items()
            },
        }
    by_length = {}
    for seconds in LENGTHS:
        parts = voices("test", seconds)
        by_length[f"{seconds:g}"] = {
            name: _alarms(domain, e, [seconds] * len(e)) for name, e in parts.items()
        }
    strange = {}
    if "ravdess" not in names and (data_root(data) / "ravdess").is_dir():
        waves = [affekt.load_audio(clip.file) for clip in load_corpus("ravdess", data)[::6]]
        strange["ravdess"] = _alarms(domain, heard(waves)[0], [len(w) / RATE for w in waves])
    told = music_warnings(
        {side: speech(corpora, speakers[side], None) for side in ("validation", "test")},
        folder,
        played,
        heard,
        domain,
    )
    result: Result = {
        "model": model.config.name,
        "rank": RANK,
        "false_alarms_wanted": FALSE_ALARMS,
        "compared": compared,
        "speech": rows,
        "false_alarms_by_length": by_length,
        "other_corpora": strange,
        "found": found,
        "music": told,
        "clips": {kind: len(e) for kind, e in final.items()},
        "versions": software_versions(),
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - started, 1),
    }
    return result, domain.to_config()


def music_warnings(
    voices: dict[str, dict[str, list[np.ndarray]]],
    folder: Path,
    played: Path | None,
    heard: Callable[[Sequence[np.ndarray]], Heard],
    domain: Domain,
) -> dict[str, object]:
    """Fix the limits of the warning on one half of the material, and measure on the other."""
    from affekt.audio import check_audio
    from affekt.runtime.warnings import MUSIC_TONES, MUSIC_TONES_UNLIKE

    def scored(waves: Sequence[np.ndarray]) -> Scored:
        tones = [check_audio(wave, RATE).held_tones or 0.0 for wave in waves]
        pairs = zip(heard(waves)[0], waves, strict=True)
        return tones, [domain.score(one, len(wave) / RATE) or 0.0 for one, wave in pairs]

    rng = np.random.default_rng(1)
    first = noisy(voices["validation"], noises(folder, 0), rng)
    fitted = {name: scored(waves) for name, waves in first.items()}
    clean = highest(fitted[name] for name in voices["validation"])
    second = noisy(voices["test"], noises(folder, 1), rng)
    second["noise alone"] = noises(folder, 1)
    second["synthetic music, plucked"] = music(MUSIC_CLIPS, False, rng)
    second["synthetic music, bowed"] = music(MUSIC_CLIPS, True, rng)
    if played is not None:
        for name in sorted(one for one in played.iterdir() if one.is_dir()):
            second[f"recorded music, {name.name}"] = recorded(name, 4.0, rng)
    return {
        "limit_alone": MUSIC_TONES,
        "limit_unlike": MUSIC_TONES_UNLIKE,
        "exceeded_by_1_percent": highest(fitted.values()),
        "exceeded_by_1_percent_clean": clean,
        "named": {
            name: {"clips": len(waves), "share": named(scored(waves))}
            for name, waves in second.items()
        },
    }


def _remainders(space: Domain) -> Callable[[Heard], np.ndarray]:
    return lambda pair: space.remainders(pair[0])


def _alarms(domain: Domain, embeddings: np.ndarray, lengths: Sequence[float]) -> float:
    scores = [domain.score(one, at) for one, at in zip(embeddings, lengths, strict=True)]
    told = [score for score in scores if score is not None]
    return float(np.mean([score > 1 for score in told]))


def table(stored: Result) -> str:
    """Return the results of all models, each measured by itself, as Markdown."""
    return "\n\n".join(_tables(result) for result in stored.values())


def _tables(result: Result) -> str:
    """Return the tables of one model."""
    lines = ["| score | noise | music |", "|---|---:|---:|"]
    for name, row in result["compared"].items():
        lines.append(f"| {name} | {row['noise']:.3f} | {row['music']:.3f} |")
    lines += [
        "",
        "AUROC of the candidates on validation speakers; chosen: outside of "
        f"{result['rank']} dimensions. On data that no number was fitted to:",
        "",
        "| speech of unseen speakers | clips | false alarms | AUROC, noise | AUROC, music |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, row in result["speech"].items():
        lines.append(
            f"| {name} | {row['clips']} | {row['false_alarms']:.1%} "
            f"| {row['auroc']['noise']:.3f} | {row['auroc']['music']:.3f} |"
        )
    for name, alarms in result["other_corpora"].items():
        lines.append(f"| {name}, a corpus never trained on | | {alarms:.1%} | | |")
    alarms_by_length = ", ".join(
        f"{seconds} s {max(row.values()):.0%}"
        for seconds, row in result["false_alarms_by_length"].items()
    )
    found, clips = result["found"], result["clips"]
    lines += [
        "",
        f"Above the limit are {found['noise']:.1%} of {clips['noise']} clips of noise and "
        f"{found['music']:.1%} of {clips['music']} of synthetic music. False alarms by length of "
        f"the speech, worst corpus: {alarms_by_length}. Model `{result['model']}`; commit "
        f"`{result['commit'][:12]}`.",
    ]
    if told := result.get("music"):  # not measured before that warning was
        lines += music_table(told)
    return "\n".join(lines)


def music_table(told: Result) -> list[str]:
    """Return the lines about the warning ``music``."""
    lines = ["", "| heard | clips | called music |", "|---|---:|---:|"]
    for name, row in told["named"].items():
        lines.append(f"| {name} | {row['clips']} | {row['share']:.1%} |")
    clean, mixed = told["exceeded_by_1_percent_clean"], told["exceeded_by_1_percent"]
    return [
        *lines,
        "",
        f"Tones that hold are more than {clean:.2f} of the sound in 1 % of the validation speech "
        f"of the worst corpus, with noise more than {mixed:.2f}; the limits are "
        f"{told['limit_unlike']:g} for what is unlike speech anyway, else {told['limit_alone']:g}.",
    ]


def keep(model_id: str | None, numbers: dict[str, object]) -> None:
    """Write the numbers into the ``config.json`` of a model directory."""
    from affekt.files import json_text
    from affekt.runtime.bundle import CONFIG_FILE, open_bundle

    path = open_bundle(model_id).directory / CONFIG_FILE
    config = json.loads(path.read_text(encoding="utf-8"))
    write_text(path, json_text({**config, "domain": numbers}))


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the corpora; default: $AFFEKT_DATA")
    parser.add_argument("--model", help="model directory; default: the shipped model")
    parser.add_argument("--music", type=Path, help="folders of recorded music, to measure, too")
    parser.add_argument("--keep", action="store_true", help="leave the model's config.json alone")

    def of_model(options: argparse.Namespace) -> Result:
        result, numbers = measure(options.data, options.model, options.music)
        if not options.keep:
            keep(options.model, numbers)
        stored = REPORT.load() if options.out == REPORT.file and REPORT.file.is_file() else {}
        return {**stored, result["model"]: result}

    REPORT.run(parser, of_model, table)


if __name__ == "__main__":
    main()
