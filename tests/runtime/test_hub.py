"""Against a hub on the loopback interface, with the addresses of the real one."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tiny_model import write_tiny_model

import affekt
from affekt.errors import ModelError
from affekt.runtime import hub
from affekt.runtime.hub import HubId, cache_dir, cached_models, fetch_model, parse_hub_id


@dataclass
class Hub:
    """What a loopback hub serves, how it misbehaves, and what it was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cut: str = ""  # the end of the address whose answer breaks off
    status: int = 404


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            content = state.files.get(self.path)
            if content is None:
                self.send_error(state.status)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if state.cut and self.path.endswith(state.cut):
                content = content[: len(content) // 2]
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AFFEKT_HUB", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("AFFEKT_CACHE", str(tmp_path / "cache"))
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def publish(served: Hub, directory: Path, name: str = "ana/voice", revision: str = "main") -> None:
    for file in directory.iterdir():
        served.files[f"/{name}/resolve/{revision}/{file.name}"] = file.read_bytes()


def left_in_cache() -> list[str]:
    root = cache_dir()
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ana/voice", HubId("ana", "voice", "main")),
        ("ana/voice-2.0@v1", HubId("ana", "voice-2.0", "v1")),
        ("voice", None),
        ("./runs/voice", None),
        ("../voice", None),
        ("/ana/voice", None),
        ("a/b/c", None),
        ("ana/..", None),
        ("ana/voice@", None),
        ("ana/voice\n", None),
    ],
)
def test_hub_ids(text: str, expected: HubId | None) -> None:
    assert parse_hub_id(text) == expected


def test_the_address_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AFFEKT_HUB", raising=False)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert hub.hub_url() == "https://huggingface.co"
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert hub.hub_url() == "https://mirror.example"
    monkeypatch.setenv("AFFEKT_HUB", "https://own.example")
    assert hub.hub_url() == "https://own.example"


def test_a_model_is_fetched_once(served: Hub, tiny_model: Path) -> None:
    publish(served, tiny_model)
    model = affekt.load_model("ana/voice")
    assert model.config.name == "tiny"
    assert served.asked == [
        "/ana/voice/resolve/main/config.json",
        "/ana/voice/resolve/main/model.onnx",
        "/ana/voice/resolve/main/README.md",  # absent there, and not needed
        "/ana/voice/resolve/main/encoder.onnx",
        "/ana/voice/resolve/main/head.onnx",
    ]
    affekt.Model.from_pretrained("ana/voice")
    assert len(served.asked) == 5
    assert left_in_cache() == ["ana--voice/main/config.json", "ana--voice/main/model.onnx"]
    assert cached_models() == [cache_dir() / "ana--voice" / "main"]


def test_a_revision_has_its_own_place(served: Hub, tiny_model: Path) -> None:
    publish(served, tiny_model, revision="v2")
    affekt.load_model("ana/voice@v2")
    assert cached_models() == [cache_dir() / "ana--voice" / "v2"]


def test_refresh_takes_the_newer_model(served: Hub, tmp_path: Path) -> None:
    for name in ("old", "new"):
        publish(served, write_tiny_model(tmp_path / name, name=name))
        directory = fetch_model(HubId("ana", "voice"), refresh=True)
        assert affekt.load_model(directory).config.name == name
    assert affekt.load_model("ana/voice").config.name == "new"


def test_a_folder_wins_over_the_hub(
    served: Hub, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_model, tmp_path / "ana" / "voice")
    monkeypatch.chdir(tmp_path)
    affekt.load_model("ana/voice")
    assert served.asked == []


def test_an_unknown_model(served: Hub) -> None:
    with pytest.raises(ModelError, match=r"no model 'ana/none': there is no such folder here"):
        affekt.load_model("ana/none")
    assert left_in_cache() == []


def test_a_hub_in_trouble(served: Hub) -> None:
    served.status = 503
    with pytest.raises(ModelError, match="answered with status 503: try later"):
        affekt.load_model("ana/voice")


def test_a_download_that_breaks_off(served: Hub, tiny_model: Path) -> None:
    publish(served, tiny_model)
    served.cut = "model.onnx"
    with pytest.raises(ModelError, match=r"model.onnx broke off after \d+ of \d+ bytes"):
        affekt.load_model("ana/voice")
    assert left_in_cache() == []
    served.cut = ""
    assert affekt.load_model("ana/voice").config.name == "tiny"


def test_a_failed_refresh_keeps_the_old_model(served: Hub, tiny_model: Path) -> None:
    publish(served, tiny_model)
    affekt.load_model("ana/voice")
    served.cut = "model.onnx"
    with pytest.raises(ModelError, match="broke off"):
        fetch_model(HubId("ana", "voice"), refresh=True)
    served.files.clear()
    assert affekt.load_model("ana/voice").config.name == "tiny"


def test_no_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AFFEKT_HUB", "http://127.0.0.1:9")
    monkeypatch.setenv("AFFEKT_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"cannot fetch ana/voice from http://127.0.0.1:9: "):
        affekt.load_model("ana/voice")


def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AFFEKT_HUB", "huggingface")
    monkeypatch.setenv("AFFEKT_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="cannot fetch ana/voice from huggingface: unknown url"):
        affekt.load_model("ana/voice")
