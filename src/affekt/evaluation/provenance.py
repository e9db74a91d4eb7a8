"""Where a figure comes from: which code, which clips, which software."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from affekt.errors import DataError

if TYPE_CHECKING:
    from affekt.data.manifest import Clip

PACKAGES = (
    *("affekt", "numpy", "soundfile", "soxr", "onnxruntime"),
    *("torch", "scikit-learn", "imbalanced-learn", "onnx", "onnxscript"),
)
"""The packages whose versions may move a figure."""

_UNKNOWN = "unknown"
_MOVES_FIGURES = (
    *(":/src", ":/recipes", ":/benchmarks/recipes"),
    *(":/pyproject.toml", ":/constraints.txt"),
)


def data_fingerprint(clips: Iterable[Clip]) -> str:
    """Return the SHA-256 of the sorted names, stretches, sizes in bytes and labels of clips.

    The audio is not read: the fingerprint of a whole corpus takes milliseconds, tells a
    complete corpus from half of one, and official files from re-encoded ones.

    Raises
    ------
    DataError
        If a file is missing.
    """
    rows = []
    for clip in clips:
        try:
            size = clip.file.stat().st_size
        except OSError as error:
            raise DataError(f"cannot read {clip.file}: {error.strerror}") from error
        rows.append(f"{clip.file.name}\t{clip.start}\t{clip.end}\t{size}\t{clip.emotion}")
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()


def software_versions() -> dict[str, str]:
    """Return the versions of Python, the system, and the installed packages of `PACKAGES`."""
    versions = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue  # an extra that is not installed cannot have moved the figure
    return versions


def commit(folder: Path | None = None) -> str:
    """Return the commit of the code: a hash, with ``-dirty`` when the code differs from it.

    Only the package, the recipes and the pinned versions count; tests, docs and other results
    move no figure.

    Parameters
    ----------
    folder : Path, optional
        A folder with tracked files; by default that of affekt's own source. ``"unknown"`` where
        git does not track it, e.g. when affekt was installed as a package.
    """
    folder = folder or Path(__file__).resolve().parent
    if not _git(folder, "ls-files", "--", "."):
        return _UNKNOWN
    head = _git(folder, "rev-parse", "HEAD")
    if not head:
        return _UNKNOWN
    dirty = _git(folder, "status", "--porcelain", "--", *_MOVES_FIGURES)
    return f"{head}-dirty" if dirty else head


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints, stripped; empty if it fails or there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
