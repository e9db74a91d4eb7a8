"""Who may use a server: keys, rates, hosts and origins."""

from __future__ import annotations

import json

import httpx
import pytest
from command_line import affekt
from live_server import Server
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from affekt.errors import ConfigError
from affekt.server.keys import KeyRing, RateLimiter, digest, new_key, read_keys

EMOTIONS = "/v1/audio/emotions"


@pytest.fixture(scope="module")
def keys():
    return {name: new_key(name) for name in ("alice", "bob")}


@pytest.fixture(scope="module")
def guarded(start, keys, tmp_path_factory):
    """A server with a key in a file, one in the environment, a rate, and one other origin."""
    file = tmp_path_factory.mktemp("keys") / "keys.txt"
    file.write_text(f"# who may ask\n{keys['alice'][1]}\n\n")
    options = ("--keys", str(file), "--rate", "2", "--origin", "https://friend.example")
    with start(*options, variables={"AFFEKT_API_KEYS": keys["bob"][1]}) as running:
        yield running


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def test_a_key_is_needed_and_a_wrong_one_refused(guarded: Server, keys, wav):
    files = {"file": ("a.wav", wav)}
    for headers in (
        {},
        bearer("affekt-wrong"),
        {"authorization": "Basic abc"},
        {"authorization": "Bearer"},
    ):
        answer = httpx.post(guarded.url + EMOTIONS, files=files, headers=headers)
        assert answer.status_code == 401
        error = answer.json()["error"]
        assert (error["type"], error["code"]) == ("authentication_error", "invalid_api_key")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    answer = httpx.post(guarded.url + EMOTIONS, files=files, headers=bearer(keys["alice"][0]))
    assert answer.status_code == 200
    line = guarded.event("request", status=200)
    assert line["caller"] == "alice"
    assert keys["alice"][0] not in "".join(guarded.lines)


@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/v2", "/v2/models/default"])
def test_what_needs_a_key(guarded, path):
    assert httpx.get(guarded.url + path).status_code == 401


@pytest.mark.parametrize(
    "path",
    ["/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready", "/openapi.json"],
)
def test_what_needs_none(guarded, path):
    assert httpx.get(guarded.url + path).status_code == 200


def test_the_models_files_need_a_key(guarded, keys):
    path = guarded.url + "/models/default/config.json"
    assert httpx.get(path).status_code == 401
    assert httpx.get(path, headers=bearer(keys["bob"][0])).status_code in (200, 429)


def test_a_stream_takes_the_key_as_header_or_subprotocol(guarded, keys):
    key = keys["bob"][0]
    with pytest.raises(InvalidStatus, match="401"), connect(guarded.ws_url):
        pass
    wrong = ["affekt", "affekt-key.affekt-wrong"]
    with pytest.raises(InvalidStatus, match="401"), connect(guarded.ws_url, subprotocols=wrong):
        pass
    with connect(guarded.ws_url, subprotocols=["affekt", f"affekt-key.{key}"]) as stream:
        assert stream.subprotocol == "affekt"
        assert json.loads(stream.recv())["type"] == "session.created"


def test_each_key_has_its_rate(guarded, keys):
    with httpx.Client(base_url=guarded.url) as client:
        answers = [client.get("/v1/models", headers=bearer(keys["alice"][0])) for _ in range(12)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert int(refused[0].headers["retry-after"]) >= 1
        assert refused[0].json()["error"]["code"] == "rate_limit_exceeded"


def test_pages_of_other_origins_may_not_use_it(guarded, server, wav):
    files = {"file": ("a.wav", wav)}
    evil = {"origin": "https://evil.example"}
    answer = httpx.post(server.url + EMOTIONS, files=files, headers=evil)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "origin_not_allowed"
    with pytest.raises(InvalidStatus, match="403"), connect(server.ws_url, origin=evil["origin"]):
        pass
    own = httpx.post(server.url + EMOTIONS, files=files, headers={"origin": server.url})
    assert own.status_code == 200
    asked = {"origin": "https://friend.example", "access-control-request-method": "POST"}
    friend = httpx.options(guarded.url + EMOTIONS, headers=asked)
    assert friend.headers["access-control-allow-origin"] == "https://friend.example"
    stranger = httpx.options(guarded.url + EMOTIONS, headers={**asked, **evil})
    assert "access-control-allow-origin" not in stranger.headers


def test_a_name_that_is_not_its_own_is_refused(server):
    # A page may point its own name at 127.0.0.1 to reach what listens there.
    answer = httpx.get(server.url + "/v1/models", headers={"host": "evil.example:80"})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "host_not_allowed"
    for name in ("localhost", f"127.0.0.1:{server.port}", "[::1]"):
        assert httpx.get(server.url + "/v1/models", headers={"host": name}).status_code == 200


def test_it_listens_beyond_this_machine_only_with_keys(capsys):
    affekt(capsys, "serve", "--host", "0.0.0.0").is_one_line("--keys", "--allow-anonymous")


def test_a_new_key_and_its_line(capsys):
    answer = affekt(capsys, "serve", "--new-key", "carol")
    assert answer.status == 0
    key = answer.errors.rpartition(": ")[2].strip()
    assert answer.out == f"carol:{digest(key)}\n"
    assert KeyRing([answer.out.strip()]).owner(key) == "carol"
    affekt(capsys, "serve", "--new-key", "a b").is_one_line("the name 'a b'")


def test_key_lines_are_checked_and_never_repeated(tmp_path, monkeypatch):
    monkeypatch.delenv("AFFEKT_API_KEYS", raising=False)
    file = tmp_path / "keys.txt"
    secret, line = new_key("dora")
    file.write_text(f"{line}\n{secret}\n")
    with pytest.raises(ConfigError, match=r"line 2: expected NAME:SHA256") as caught:
        read_keys(file)
    assert secret not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot read the keys"):
        read_keys(tmp_path / "none")
    file.write_text(f"# comment\n\n{line}\n")
    monkeypatch.setenv("AFFEKT_API_KEYS", f"{line} , {line}")
    assert read_keys(file) == (line, line, line)
    assert read_keys(None) == (line, line)


def test_a_rate_lets_bursts_pass_and_refills():
    now = [0.0]
    limiter = RateLimiter(2.0, clock=lambda: now[0])
    assert [limiter.wait("a") for _ in range(4)] == [0, 0, 0, 0]
    assert limiter.wait("a") == pytest.approx(0.5)
    assert limiter.wait("b") == 0
    now[0] = 0.5
    assert limiter.wait("a") == 0
    assert limiter.wait("a") > 0
    assert RateLimiter(None).wait("a") == 0


def test_strangers_addresses_do_not_fill_the_memory():
    limiter = RateLimiter(1.0)
    for number in range(20_000):
        limiter.wait(str(number))
    assert len(limiter._buckets) <= 10_000
