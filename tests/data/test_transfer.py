from __future__ import annotations

import errno
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from affekt.data import transfer
from affekt.data.transfer import ATTEMPTS, NotServedError, download
from affekt.errors import DataError

CONTENT = bytes(range(256)) * 400  # 102,400 bytes


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Do not wait between attempts, but remember for how long it would have been."""
    waits: list[float] = []
    monkeypatch.setattr(transfer, "sleep", waits.append)
    return waits


@pytest.fixture
def part(tmp_path: Path, server: Any) -> Path:
    (server.folder / "a.zip").write_bytes(CONTENT)
    return tmp_path / "a.zip.part"


def test_a_file_arrives(server: Any, part: Path) -> None:
    download(f"{server.url}/a.zip", part)
    assert part.read_bytes() == CONTENT
    assert server.asked == [("/a.zip", None)]


def test_a_broken_connection_is_taken_up_where_it_broke(server: Any, part: Path) -> None:
    server.break_after = [30_000, 20_000]
    download(f"{server.url}/a.zip", part)
    assert part.read_bytes() == CONTENT
    assert server.asked == [
        ("/a.zip", None),
        ("/a.zip", "bytes=30000-"),
        ("/a.zip", "bytes=50000-"),
    ]


def test_a_server_without_ranges_sends_all_again(server: Any, part: Path) -> None:
    server.ranges = False
    server.break_after = [30_000]
    download(f"{server.url}/a.zip", part)
    assert part.read_bytes() == CONTENT


def test_a_line_that_keeps_breaking_ends_with_what_came(server: Any, part: Path) -> None:
    server.break_after = [1000, 0, 0, 0, 0, 0]
    with pytest.raises(DataError, match=r"closed at 1,000 of 102,400 bytes \(1,000 bytes are kept"):
        download(f"{server.url}/a.zip", part)
    assert part.read_bytes() == CONTENT[:1000]
    assert len(server.asked) == ATTEMPTS
    download(f"{server.url}/a.zip", part)
    assert part.read_bytes() == CONTENT


def test_a_killed_process_leaves_what_the_next_goes_on_from(server: Any, part: Path) -> None:
    released = threading.Event()

    def hold(sent: int) -> None:
        """Send no more than a part until the process is gone."""
        if sent >= 30_000:
            released.wait(300)

    server.on_block = hold
    script = "import sys; from pathlib import Path; from affekt.data.transfer import download\n"
    script += "download(sys.argv[1], Path(sys.argv[2]))"
    url = f"{server.url}/a.zip"
    process = subprocess.Popen([sys.executable, "-c", script, url, str(part)])
    try:
        deadline = time.monotonic() + 300
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    finally:
        released.set()
    kept = part.stat().st_size
    assert 0 < kept < len(CONTENT)
    server.on_block = lambda sent: None
    download(url, part)
    assert part.read_bytes() == CONTENT
    assert server.asked[-1] == ("/a.zip", f"bytes={kept}-")


def test_a_part_that_is_complete_already(server: Any, part: Path) -> None:
    part.write_bytes(CONTENT)
    download(f"{server.url}/a.zip", part)
    assert part.read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_part_longer_than_the_file_is_dropped(server: Any, part: Path) -> None:
    part.write_bytes(CONTENT + b"more")
    download(f"{server.url}/a.zip", part)
    assert part.read_bytes() == CONTENT


def test_a_busy_server_is_asked_again_when_it_says(
    server: Any, part: Path, waits: list[float]
) -> None:
    server.refusals = [(503, {}), (429, {"Retry-After": "7"}), (429, {"Retry-After": "9999"})]
    download(f"{server.url}/a.zip", part)
    assert part.read_bytes() == CONTENT
    assert waits == [0.5, 7, 60]


@pytest.mark.parametrize(("path", "status"), [("/none.zip", 404), ("/a.zip", 403)])
def test_a_refusal_is_final(server: Any, part: Path, path: str, status: int) -> None:
    if status == 403:
        server.refusals = [(403, {})]
    with pytest.raises(NotServedError, match=rf"{path}: the server says {status}"):
        download(server.url + path, part)
    assert len(server.asked) == 1
    assert not part.exists()


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(DataError, match=rf"cannot reach 127.0.0.1:{port}: Connection refused"):
        download(f"http://127.0.0.1:{port}/a.zip", tmp_path / "part")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/a.zip", "a.zip", ""])
def test_only_the_web_is_asked(tmp_path: Path, url: str) -> None:
    with pytest.raises(DataError, match="is not an http or https address"):
        download(url, tmp_path / "part")


def test_a_full_disk_is_said_before_the_download(
    server: Any, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1))
    with pytest.raises(DataError, match="has no room for the 102,400 bytes to come"):
        download(f"{server.url}/a.zip", part)


def test_a_place_that_cannot_be_written(server: Any, part: Path) -> None:
    part.mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        download(f"{server.url}/a.zip", part)
    assert caught.value.errno == errno.EISDIR


@pytest.mark.parametrize(
    ("header", "old", "new"),
    [
        ("ETag", '"one"', '"two"'),
        ("Last-Modified", "Mon, 02 Mar 2026 10:00:00 GMT", "Tue, 03 Mar 2026 10:00:00 GMT"),
    ],
)
def test_a_file_that_changed_is_begun_anew(
    server: Any, part: Path, header: str, old: str, new: str
) -> None:
    server.headers = {header: old}
    server.break_after = [30_000, 0, 0, 0, 0, 0]
    with pytest.raises(DataError, match="30,000 bytes are kept"):
        download(f"{server.url}/a.zip", part)
    changed = CONTENT[::-1]
    (server.folder / "a.zip").write_bytes(changed)
    server.headers = {header: new}
    download(f"{server.url}/a.zip", part)
    assert part.read_bytes() == changed
    assert sorted(file.name for file in part.parent.glob("a.zip*")) == ["a.zip.part"]


def test_a_file_that_is_the_same_is_gone_on_with(server: Any, part: Path) -> None:
    server.headers = {"ETag": '"one"'}
    server.break_after = [30_000]
    download(f"{server.url}/a.zip", part)
    assert part.read_bytes() == CONTENT
    assert server.asked[-1] == ("/a.zip", "bytes=30000-")


def test_a_weak_tag_tells_nothing_of_bytes(server: Any, part: Path) -> None:
    server.headers = {"ETag": 'W/"one"'}
    server.break_after = [30_000]
    download(f"{server.url}/a.zip", part)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "said", ["bytes 0-102399/102400", "bytes 40000-102399/102400", "bytes 30000-90000/102400", "x"]
)
def test_another_range_than_the_one_asked_for_is_refused(
    server: Any, part: Path, said: str
) -> None:
    part.write_bytes(CONTENT[:30_000])
    server.content_range = said
    with pytest.raises(DataError, match="where bytes 30000- was requested"):
        download(f"{server.url}/a.zip", part)
    assert part.read_bytes() == CONTENT[:30_000]


def test_a_part_that_nobody_asked_for_is_refused(server: Any, part: Path) -> None:
    server.content_range = "bytes 0-102399/102400"
    with pytest.raises(DataError, match="where all of it was requested"):
        download(f"{server.url}/a.zip", part)
    assert not part.exists()


@pytest.mark.parametrize(
    "place", ["http://192.0.2.1/a.zip", "ftp://127.0.0.1/a.zip", "file:///etc/passwd"]
)
def test_a_redirect_to_what_is_not_https_is_refused(server: Any, part: Path, place: str) -> None:
    server.refusals = [(302, {"Location": place})]
    with pytest.raises(NotServedError):
        download(f"{server.url}/a.zip", part)
    assert not part.exists()


def test_a_redirect_on_this_machine_is_followed(server: Any, part: Path) -> None:
    server.refusals = [(302, {"Location": f"{server.url}/a.zip"})]
    download(f"{server.url}/elsewhere.zip", part)
    assert part.read_bytes() == CONTENT
