"""What a decoder process can no longer do, and where no child takes its code from."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from live_server import noise
from patience import PATIENCE

from affekt.children import python_command, search_path

# Each is tried in a confined process; the parent is told what came of it.
TRY = """
import json, os, socket, subprocess, sys, threading
from affekt.server.decoding import cage
if "no-filter" in sys.argv:
    cage._make_filter = lambda: None
open_socket = socket.socket()
folder = os.open(".", os.O_RDONLY)
filtered = cage.confine(1 << 28)

def attempt(work):
    try:
        work()
    except BaseException as error:
        return type(error).__name__ + ": " + str(error)
    return "done"

def memory():
    bytearray(1 << 30)

found = {
    "filtered": filtered,
    "open": attempt(lambda: open("/etc/passwd")),
    "open_at": attempt(lambda: os.open("secret.txt", os.O_RDONLY, dir_fd=folder)),
    "write": attempt(lambda: open("new.txt", "w")),
    "socket": attempt(lambda: socket.socket()),
    "memory": attempt(memory),
}
if filtered: found |= {
    "remove": attempt(lambda: os.remove("secret.txt")),
    "list": attempt(lambda: os.listdir(folder)),
    "connect": attempt(lambda: open_socket.connect(("127.0.0.1", 9))),
    "fork": attempt(os.fork),
    "program": attempt(lambda: subprocess.run(["true"])),
    "exec": attempt(lambda: os.execv(sys.executable, [sys.executable, "-c", ""])),
    "signal": attempt(lambda: os.kill(os.getppid(), 0)),
    "limits": attempt(lambda: __import__("resource").prlimit(os.getppid(), 7)),
    "thread": attempt(lambda: threading.Thread(target=int).start()),
}
print(json.dumps(found))
"""

needs_filter = pytest.mark.skipif(sys.platform != "linux", reason="only Linux filters system calls")


@pytest.fixture(scope="module")
def attempts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cage")
    (folder / "secret.txt").write_text("a key")
    done = subprocess.run(
        [sys.executable, "-c", TRY], cwd=folder, capture_output=True, text=True, check=True
    )
    assert (folder / "secret.txt").is_file()
    return json.loads(done.stdout)


@needs_filter
def test_the_filter_is_on(attempts):
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("libseccomp is not on this system")
    assert attempts["filtered"] is True


@needs_filter
@pytest.mark.parametrize(
    "what",
    [
        *("open", "open_at", "write", "remove", "list", "socket", "connect", "fork", "program"),
        *("exec", "signal", "limits"),
    ],
)
def test_a_decoder_cannot(attempts, what):
    if not attempts["filtered"]:
        pytest.skip("libseccomp is not on this system")
    assert attempts[what].startswith(("PermissionError", "OSError: [Errno 24]")), attempts[what]


@needs_filter
def test_a_decoder_has_little_memory(attempts):
    assert attempts["memory"].startswith("MemoryError")


@needs_filter
def test_limits_alone_forbid_new_files_and_connections(tmp_path):
    """As on a system without libseccomp."""
    command = [sys.executable, "-c", TRY, "no-filter"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    attempts = json.loads(done.stdout)
    for what in ("open", "open_at", "write", "socket"):
        assert attempts[what].startswith("OSError: [Errno 24]"), attempts[what]


def test_a_decoder_knows_no_key(start):
    secret = "affekt-secret-of-the-environment"
    with start(variables={"AFFEKT_TEST_SECRET": secret}) as server:
        for child in server.children():
            environment = Path(f"/proc/{child}/environ").read_bytes()
            assert environment
            assert secret.encode() not in environment


# --- where code comes from ---

NAMES = ("soxr", "av", "numpy", "json", "socket", "multiprocessing", "pickle", "sitecustomize")


@pytest.fixture
def trap(tmp_path):
    """Return a folder with modules that leave a file behind when they are imported."""
    for name in NAMES:
        mark = tmp_path / f"{name}.imported"
        (tmp_path / f"{name}.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    return tmp_path


def imported(folder):
    return sorted(file.name for file in folder.glob("*.imported"))


def affekt_program():
    return Path(sys.executable).with_name("affekt")


def test_the_trap_works(trap):
    subprocess.run([sys.executable, "-c", "import soxr"], cwd=trap, check=False)
    assert "soxr.imported" in imported(trap)


def test_the_servers_children_take_no_code_from_the_working_directory(trap, start, encode_webm):
    from live_server import Server

    server = Server(command=[str(affekt_program())], cwd=trap)
    try:
        answer = httpx.post(
            f"{server.url}/v1/audio/emotions",
            files={"file": encode_webm(noise(2))},
            timeout=PATIENCE,
        )
        assert answer.status_code == 200, answer.text
        assert imported(trap) == []
    finally:
        server.close()


@pytest.mark.parametrize(
    "words",
    [("predict", "--jobs", "2", "--format", "json"), ("features", "--jobs", "2")],
    ids=["predict", "features"],
)
def test_a_batchs_children_take_no_code_from_the_working_directory(trap, recordings, words):
    files = [str(Path(file).resolve()) for file in recordings[:3]]
    done = subprocess.run(
        [str(affekt_program()), words[0], *files, *words[1:]],
        cwd=trap,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert imported(trap) == []


def test_a_python_child_takes_no_code_from_the_working_directory(trap, monkeypatch):
    monkeypatch.chdir(trap)
    monkeypatch.syspath_prepend(str(trap))  # as `python -m` does
    assert str(trap) not in search_path()
    done = subprocess.run(
        python_command("affekt.server.decoding.child"), capture_output=True, text=True, check=False
    )
    assert "missing 3 required positional arguments" in done.stderr
    assert imported(trap) == []
