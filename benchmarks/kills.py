"""Kill commands at random moments: the same command afterwards must give what it would have given.

    python benchmarks/kills.py train features --kills 30

Each command is run once without a kill, then again and again with SIGKILL at a random moment of its
duration, each time going on with what the killed ones left. When it is done, what it made is
compared with the first, and it begins anew, until there were so many kills. The recordings are
made-up voices, those of the tests; downloads come from a server of this machine.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests"

_BEGIN = f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
_AFFEKT = "from affekt.cli import main; main()\n"
_PROTOCOL = """
import affekt.evaluation
from pathlib import Path
from tone_protocol import tone_protocol
from tone_corpus import EMOTIONS
from affekt.data import open_data
from dataclasses import replace
clips = [replace(clip, corpus="tones") for clip in open_data(Path("../tones"))]
protocol = tone_protocol(clips)
affekt.evaluation.get_protocol = lambda name: protocol
"""
_CORPUS = """
import affekt.cli.data as data
from dataclasses import replace
official = data.CORPORA["ravdess"]
download = replace(official.downloads[0], checksum={checksum!r})
data.CORPORA = {{"ravdess": replace(official, clips=3, downloads=(download,))}}
"""


@dataclass(frozen=True)
class Command:
    """A command, run in an empty folder beside ``tones`` and the recipe.

    Attributes
    ----------
    words : str
        The command line.
    made : callable
        Of the folder: what must be the same, by name.
    before : str
        Python that runs before the command.
    """

    words: str
    made: Callable[[Path], Mapping[str, object]]
    before: str = ""

    def start(self, folder: Path) -> subprocess.Popen[str]:
        """Start it in a folder, as a group of processes."""
        script = f"{_BEGIN}{self.before}\n{_AFFEKT}"
        return subprocess.Popen(
            [sys.executable, "-c", script, *self.words.split()],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "AFFEKT_DATA": str(folder / "data")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


@dataclass
class Outcome:
    """What came of killing one command.

    Attributes
    ----------
    kills : int
    survived : int
        Kills that came after the command had ended; they do not count.
    lives : int
        How often it was brought to its end.
    wrong : list of str
    """

    kills: int = 0
    survived: int = 0
    lives: int = 0
    wrong: list[str] = field(default_factory=list)


def weights(folder: Path) -> dict[str, object]:
    """Return the tensors of a training run, by file, and its history."""
    from affekt.models import checkpoint

    found: dict[str, object] = {}
    for name in ("last.safetensors", "best.safetensors", "model/model.safetensors"):
        tensors, _ = checkpoint.load(folder / "run" / name)
        for key, value in tensors.items():
            found[f"{name} {key}"] = hashlib.sha256(value.numpy().tobytes()).hexdigest()
    with (folder / "run" / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found["epochs"] = [row["epoch"] for row in rows]
    return found


def trials(folder: Path) -> dict[str, object]:
    """Return which trials a search has, and whether it found a recipe."""
    with (folder / "found" / "trials.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    recipe = (folder / "found" / "best.toml").read_text(encoding="utf-8")
    return {"trials": sorted(int(row["trial"]) for row in rows), "recipe": bool(recipe)}


def figures(folder: Path) -> dict[str, object]:
    """Return the result of a benchmark."""
    (file,) = (folder / "figures").rglob("*.json")
    found = json.loads(file.read_text(encoding="utf-8"))
    return {key: value for key, value in found.items() if key != "wall_seconds"}


def files_of(*names: str) -> Callable[[Path], dict[str, object]]:
    """Return a function that reads the checksum of each file below some places."""

    def made(folder: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        for name in names:
            place = folder / name
            for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
                if file.is_file():
                    content = file.read_bytes()
                    found[str(file.relative_to(folder))] = hashlib.sha256(content).hexdigest()
        return found

    return made


def commands(top: Path, url: str, checksum: str) -> dict[str, Command]:
    """Make the recordings and the recipes; return each command by name."""
    tones = importlib.import_module("tone_corpus")
    tones.make_tones(top / "tones", takes=2, seconds=0.4)
    often = "checkpoint_seconds = 0.0"
    tones.write_recipe(top / "train.toml", epochs=30, batch_size=4, training=often)
    tones.write_recipe(top / "short.toml", epochs=6, training=often)
    (top / "space.toml").write_text(
        "training.learning_rate = { low = 1e-4, high = 0.1, log = true }\n", encoding="utf-8"
    )
    return {
        "train": Command("train ../train.toml --source ../tones --out run", weights),
        "search": Command(
            "search ../short.toml --space ../space.toml --source ../tones --trials 5 --out found",
            trials,
        ),
        "benchmark": Command(
            "benchmark emodb-loso --recipe ../short.toml --results figures --seeds 2 --out kept",
            figures,
            _PROTOCOL,
        ),
        "data get": Command(
            f"data get ravdess --mirror {url} --data corpora",
            files_of("corpora/ravdess/Actor_01", "corpora/ravdess/Actor_02"),
            _CORPUS.format(checksum=checksum),
        ),
        "features": Command(
            "features ../tones -r --sets spectral,mfcc --jobs 2 --out table.csv",
            files_of("table.csv"),
        ),
    }


@contextmanager
def corpus_server(top: Path) -> Iterator[tuple[str, str]]:
    """Serve a small RAVDESS slowly; yield the address and the checksum of its archive."""
    from affekt.data import CORPORA

    tiny = importlib.import_module("tiny_corpus")
    place = TESTS / "data" / "conftest.py"
    spec = importlib.util.spec_from_file_location("file_server", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = top / "served"
    folder.mkdir()
    archive = folder / CORPORA["ravdess"].downloads[0].path
    tiny.zip_folder(tiny.make_ravdess(top / "packed"), archive)
    checksum = f"md5:{hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest()}"
    with module.FileServer(folder) as server:
        server.headers = {"ETag": '"the same"'}
        server.on_block = lambda sent: time.sleep(0.02)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.url, checksum
        server.shutdown()


def finish(command: Command, folder: Path) -> float:
    """Run a command to its end; return how many seconds it took."""
    begun = time.monotonic()
    process = command.start(folder)
    errors = process.communicate()[1]
    if process.returncode != 0:
        raise RuntimeError(f"status {process.returncode}: {errors}")
    return time.monotonic() - begun


def kill_again_and_again(
    command: Command, top: Path, count: int, generator: random.Random
) -> Outcome:
    """Kill a command so many times; say what came of it."""
    whole = Path(tempfile.mkdtemp(dir=top))
    longest = finish(command, whole)
    expected = command.made(whole)
    outcome = Outcome()
    while outcome.kills < count and len(outcome.wrong) < 3:
        folder = Path(tempfile.mkdtemp(dir=top))
        outcome.lives += 1
        ended = False
        while not ended and outcome.kills < count:
            process = command.start(folder)
            try:
                errors = process.communicate(timeout=generator.uniform(0, longest))[1]
            except subprocess.TimeoutExpired:
                process.kill()  # the parent alone: its processes must end by themselves
                process.communicate()
                outcome.kills += 1
                continue
            outcome.survived += 1
            ended = True
            if process.returncode != 0:
                outcome.wrong.append(f"after {outcome.kills} kills: {errors}")
        try:
            if not ended:
                finish(command, folder)
            found = command.made(folder)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            outcome.wrong.append(f"after {outcome.kills} kills: {error}")
            continue
        for key in sorted(expected.keys() | found.keys()):
            if expected.get(key) != found.get(key):
                outcome.wrong.append(f"after {outcome.kills} kills: {key} differs")
    return outcome


def main() -> None:
    """Kill the commands that are named, and say what came of it; status 1 if that was wrong."""
    names = ("train", "search", "benchmark", "data get", "features")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[*names, []], help="default: all")
    parser.add_argument("--kills", type=int, default=30, help="of each command (30)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where a JSON with the outcomes goes")
    options = parser.parse_args()
    sys.path.insert(0, str(TESTS))
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, corpus_server(Path(folder)) as (url, checksum):
        for name, command in commands(Path(folder), url, checksum).items():
            if options.names and name not in options.names:
                continue
            generator = random.Random(f"{options.seed} {name}")
            outcome = kill_again_and_again(command, Path(folder), options.kills, generator)
            found[name] = vars(outcome)
            print(json.dumps({name: found[name]}), flush=True)
    if options.out is not None:
        options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.exit(1 if any(one["wrong"] for one in found.values()) else 0)


if __name__ == "__main__":
    main()
