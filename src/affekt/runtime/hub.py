"""Fetch model directories from a hub by plain HTTPS into the user's cache.

A hub serves ``{base}/{org}/{name}/resolve/{revision}/{file}``, as the Hugging Face Hub does. A
model appears in the cache whole or not at all: files are written to a folder beside it, which is
renamed when the last one is complete.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from affekt.errors import ModelError

DEFAULT_HUB = "https://huggingface.co"

REQUIRED_FILES = ("config.json", "model.onnx")
OPTIONAL_FILES = ("README.md", "encoder.onnx", "head.onnx")

_TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 1 << 18  # bytes

_WORD = r"[A-Za-z0-9][\w.-]*"  # no leading dot: a relative path is not a hub id
_HUB_ID = re.compile(rf"(?P<org>{_WORD})/(?P<name>{_WORD})(@(?P<revision>{_WORD}))?", re.ASCII)


class HubId(NamedTuple):
    """A model on a hub: ``org/name`` or ``org/name@revision``."""

    org: str
    name: str
    revision: str = "main"

    def __str__(self) -> str:
        suffix = "" if self.revision == "main" else f"@{self.revision}"
        return f"{self.org}/{self.name}{suffix}"


def parse_hub_id(text: str) -> HubId | None:
    """Read ``org/name`` or ``org/name@revision``; return None where the text is neither."""
    match = _HUB_ID.fullmatch(text)
    if match is None:
        return None
    return HubId(match["org"], match["name"], match["revision"] or "main")


def hub_url() -> str:
    """Return the base address: ``$AFFEKT_HUB``, else ``$HF_ENDPOINT``, else Hugging Face's."""
    chosen = os.environ.get("AFFEKT_HUB") or os.environ.get("HF_ENDPOINT") or DEFAULT_HUB
    return chosen.rstrip("/")


def cache_dir() -> Path:
    """Return the folder that keeps fetched models: ``models`` in the user's cache of affekt.

    ``$AFFEKT_CACHE`` names another cache folder.
    """
    if chosen := os.environ.get("AFFEKT_CACHE"):
        return Path(chosen) / "models"
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("affekt")) / "models"


def cached_models() -> list[Path]:
    """Return the model directories in the cache, in the order of their names."""
    root = cache_dir()
    return sorted(path.parent for path in root.glob("[!.]*/*/config.json")) if root.is_dir() else []


def fetch_model(model: HubId, *, refresh: bool = False) -> Path:
    """Return the cached directory of a model, fetching it first where it is not there.

    Parameters
    ----------
    model : HubId
        Which model, at which revision (branch, tag or commit).
    refresh : bool
        Fetch again even when the cache holds it, e.g. after the branch has moved.

    Raises
    ------
    ModelError
        If the hub has no such model, cannot be reached, or breaks off. The cache is unchanged.
    """
    target = cache_dir() / f"{model.org}--{model.name}" / model.revision
    if target.is_dir() and not refresh:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{model.revision}-", dir=target.parent))
    try:
        for name in (*REQUIRED_FILES, *OPTIONAL_FILES):
            _download(model, name, partial / name)
        _put_in_place(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _put_in_place(partial: Path, target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    try:
        partial.replace(target)
    except OSError:
        # Another process may have finished the same model first; its copy is as good.
        if not target.is_dir():
            raise


def _download(model: HubId, name: str, path: Path) -> None:
    # urllib costs 50 ms to import, which a prediction with a local model should not pay.
    import http.client
    import urllib.error

    from affekt.addresses import open_address

    url = f"{hub_url()}/{model.org}/{model.name}/resolve/{model.revision}/{name}"
    try:
        with open_address(url, timeout=_TIMEOUT) as response, path.open("wb") as file:
            shutil.copyfileobj(response, file, _CHUNK)
            announced = response.headers.get("Content-Length")
    except urllib.error.HTTPError as error:
        if error.code == 404 and name in OPTIONAL_FILES:
            return
        raise _refused(model, name, error.code) from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ModelError(
            f"cannot fetch {model} from {hub_url()}: {reason}: check the connection and $AFFEKT_HUB"
        ) from None
    if announced is not None and path.stat().st_size != int(announced):
        raise ModelError(
            f"cannot fetch {model}: {name} broke off after {path.stat().st_size} of "
            f"{announced} bytes: try again"
        )


def _refused(model: HubId, name: str, status: int) -> ModelError:
    if status in (401, 403, 404):
        return ModelError(
            f"no model {str(model)!r}: there is no such folder here, and {hub_url()} "
            f"has no public {name} for it (status {status})"
        )
    return ModelError(f"cannot fetch {model}: {hub_url()} answered with status {status}: try later")
