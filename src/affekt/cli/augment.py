"""``affekt augment``: write a recording after an augmentation, with spectrograms."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from affekt.audio import SAMPLE_RATE, load_audio
from affekt.augment import TRANSFORMS, WaveformTransform, get_transform
from affekt.cli._common import Format, FormatOption, emit
from affekt.files import atomic_path

if sys.version_info >= (3, 11):
    import tomllib
else:  # the standard library has it from 3.11 on
    import tomli as tomllib


def command(
    file: Annotated[
        Path | None, typer.Argument(help="A recording in any common format.", show_default=False)
    ] = None,
    transform: Annotated[
        list[str] | None,
        typer.Option(
            "--transform",
            "-t",
            help="Which transform; may be given several times. Default: every one that needs no "
            "folder of sounds.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", "-s", help="Option of the transform, as KEY=VALUE; may be given several times."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path(
        "augmented"
    ),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed.")] = 0,
    pictures: Annotated[
        bool, typer.Option(help="Also draw before and after (needs matplotlib).")
    ] = True,
    list_them: Annotated[
        bool, typer.Option("--list", help="List the transforms and their options, and end.")
    ] = False,
    style: FormatOption = Format.table,
) -> None:
    """Write a recording after an augmentation, with spectrograms.

    Writes the recording as training would read it, and after each transform by itself, as wav
    files, with a picture of both.

    Examples: affekt augment interview.wav --transform pitch_shift --set min_semitones=2;
    affekt augment interview.wav -t background_noise -s folder=musan -s max_snr_db=10;
    affekt augment --list
    """
    if list_them:
        emit([_described(kind) for kind in TRANSFORMS.values()], style)
        return
    if file is None:
        raise typer.BadParameter("name a recording, or say --list", param_hint="FILE")
    chosen = _chosen(transform or [], settings or [])
    if pictures:
        from affekt.augment.picture import require_matplotlib

        require_matplotlib()  # before the work, not after it
    before = load_audio(file)
    rows = [{"transform": "", **_written(before, out / f"{file.stem}-before.wav")}]
    for name, made in chosen.items():
        rows.append({"transform": name, **_result(made, before, out / f"{file.stem}-{name}", seed)})
        if pictures:
            rows[-1]["picture"] = _drawn(before, rows[-1]["file"], name)
    emit(rows, style)


def _chosen(names: list[str], settings: list[str]) -> dict[str, WaveformTransform]:
    """The transforms by name, made with their options."""
    if settings and len(set(names)) != 1:
        raise typer.BadParameter("options belong to one --transform", param_hint="--set")
    options = dict(_setting(text) for text in settings)
    wanted = names or [name for name, kind in TRANSFORMS.items() if not _required(kind)]
    return {name: get_transform(name, options) for name in wanted}


def _setting(text: str) -> tuple[str, Any]:
    """A key and its value, which is read as in a recipe; what is no TOML value is text."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise typer.BadParameter(f"expected KEY=VALUE, got {text!r}", param_hint="--set")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


def _required(kind: type[WaveformTransform]) -> bool:
    return any(
        field.default is field.default_factory is dataclasses.MISSING
        for field in dataclasses.fields(kind)  # type: ignore[arg-type]
    )


def _described(kind: type[WaveformTransform]) -> Mapping[str, Any]:
    options = []
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        default = "" if field.default is dataclasses.MISSING else _short(field.default)
        options.append(f"{field.name}={default}" if default else field.name)
    summary = (kind.__doc__ or "").partition("\n")[0]
    return {"transform": kind.name, "options": options, "what": summary}


def _short(value: Any) -> str:
    return f"[{','.join(value)}]" if isinstance(value, tuple) else f"{value:g}"


def _result(transform: WaveformTransform, before: Any, place: Path, seed: int) -> dict[str, Any]:
    import numpy as np

    after = transform(before, SAMPLE_RATE, np.random.default_rng(seed))
    return _written(after, place.with_name(f"{place.name}.wav"))


def _written(samples: Any, path: Path) -> dict[str, Any]:
    """Write a wav file of floats, which hold what is beyond full scale, too."""
    import soundfile

    with atomic_path(path) as partial:
        soundfile.write(partial, samples, SAMPLE_RATE, subtype="FLOAT", format="WAV")
    return {"file": str(path), "seconds": round(len(samples) / SAMPLE_RATE, 3)}


def _drawn(before: Any, file: str, name: str) -> str:
    from affekt.audio import decode
    from affekt.augment.picture import draw

    after, _ = decode(file)
    path = Path(file).with_suffix(".png")
    draw(before, after[:, 0], SAMPLE_RATE, name, path)
    return str(path)
