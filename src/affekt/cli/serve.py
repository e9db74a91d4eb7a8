"""``affekt serve``: answer over HTTP and WebSocket, with a page for people."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from affekt.cli._common import log, watched
from affekt.errors import ConfigError, MissingExtraError
from affekt.runtime.bundle import DEFAULT_NAME


class LogFormat(str, Enum):
    """How the server writes its log."""

    auto = "auto"
    json = "json"
    text = "text"


def command(
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="Model directory, ONNX file or hub id, or NAME=one of these; may be repeated, "
            "the first is the default. Without: the shipped model.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            "--split",
            metavar="A=90,B=10",
            help="Shares of the requests that name no model; a user, or a key, keeps its model.",
        ),
    ] = "",
    shadow: Annotated[
        str,
        typer.Option(
            "--shadow",
            metavar="NAME",
            help="Have this --model answer, too; only whether it agrees is counted, in /metrics.",
        ),
    ] = "",
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", "-p", min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 8000,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            help="File with NAME:SHA256 of an API key on each line; also: $AFFEKT_API_KEYS.",
        ),
    ] = None,
    new_key: Annotated[
        str | None,
        typer.Option(
            "--new-key", metavar="NAME", help="Make an API key, print it and its line, and exit."
        ),
    ] = None,
    allow_anonymous: Annotated[
        bool,
        typer.Option("--allow-anonymous", help="Listen beyond this machine without any key."),
    ] = False,
    origins: Annotated[
        list[str] | None,
        typer.Option("--origin", help="Web origin whose pages may use the server; repeatable."),
    ] = None,
    hosts: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host", help="Host name that requests may give, besides loopback's; repeatable."
        ),
    ] = None,
    on_device: Annotated[
        bool,
        typer.Option(
            "--on-device",
            help="Fetch, once and with npm, what lets the page run models in the browser.",
        ),
    ] = False,
    rate: Annotated[
        float | None,
        typer.Option(min=0.01, help="Requests per second for one key (or address); default: any."),
    ] = None,
    max_upload: Annotated[float, typer.Option(min=0.001, help="Largest upload, in MiB.")] = 25.0,
    max_duration: Annotated[
        float, typer.Option(min=0.1, help="Longest recording, in seconds.")
    ] = 600.0,
    queue: Annotated[
        int, typer.Option(min=0, help="Requests that may wait; more are answered with 429.")
    ] = 128,
    sessions: Annotated[int, typer.Option(min=0, help="WebSocket sessions at once.")] = 128,
    idle_timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds after which a silent session ends.")
    ] = 30.0,
    session_timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds that a session may last.")
    ] = 3600.0,
    upload_timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds that sending a recording may take.")
    ] = 120.0,
    decode_timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds that decoding a recording may take.")
    ] = 20.0,
    decode_memory: Annotated[
        float, typer.Option(min=16, help="Memory for decoding a recording, in MiB.")
    ] = 1024.0,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Models that run at once; default: the cores.")
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Clips of equal length that may share a run of the model.")
    ] = 8,
    drain: Annotated[
        float, typer.Option(min=0, help="Seconds that a shutdown waits for what runs.")
    ] = 30.0,
    log_format: Annotated[
        LogFormat, typer.Option(help="auto: text on a terminal, else json.")
    ] = LogFormat.auto,
) -> None:
    """Answer over HTTP and WebSocket, with a page for people at /.

    It listens on this machine alone. To be reached from elsewhere it needs API keys, and a proxy
    that speaks TLS; docs/serving.md shows how. No sound is written to disk or to the log.

    Examples: affekt serve;
    affekt serve --model mine=runs/mine/model --model default --port 9000;
    affekt serve --new-key alice >> keys.txt;
    affekt serve --host 0.0.0.0 --keys keys.txt
    """
    from affekt.server.keys import new_key as make_key
    from affekt.server.keys import read_keys
    from affekt.server.settings import MIB, Limits, Settings, cores

    if new_key is not None:
        key, line = make_key(new_key)
        log(f"the key of {new_key}, shown this once: {key}")
        typer.echo(line)
        return
    _require_extra()
    from affekt.server.experiments import parse_split

    cpus = threads or cores()
    settings = Settings(
        models=_named(models or []),
        host=host,
        port=port,
        keys=read_keys(keys),
        origins=tuple(origin.rstrip("/") for origin in origins or []),
        hosts=tuple(hosts or []),
        threads=cpus,
        batch=batch,
        split=parse_split(split),
        shadow=shadow,
        decoders=cpus,
        drain_seconds=drain,
        limits=Limits(
            upload_bytes=round(max_upload * MIB),
            upload_seconds=upload_timeout,
            audio_seconds=max_duration,
            decode_seconds=decode_timeout,
            decode_bytes=round(decode_memory * MIB),
            header_seconds=min(upload_timeout, Limits.header_seconds),
            queue=queue,
            sessions=sessions,
            idle_seconds=idle_timeout,
            session_seconds=session_timeout,
            rate=rate,
        ),
    )
    if not settings.loopback and not settings.keys and not allow_anonymous:
        raise ConfigError(
            f"{host} can be reached from other machines, and there is no key: give --keys (make "
            f"one with --new-key), or say --allow-anonymous"
        )
    if on_device:
        from affekt.web.browser import fetch_browser_runtime

        fetch_browser_runtime()
    from affekt.server.app import run
    from affekt.server.service import make_service
    from affekt.server.telemetry import set_up_logs

    set_up_logs(
        as_json=log_format is LogFormat.json
        or (log_format is LogFormat.auto and not watched(sys.stderr))
    )
    run(make_service(settings))


def _named(models: list[str]) -> dict[str, str | None]:
    """Give each model the name before its =, else its folder's; ``default`` is the shipped one."""
    named: dict[str, str | None] = {}
    for given in models or [DEFAULT_NAME]:
        name, _, source = given.rpartition("=")
        if not name:
            path = Path(source)
            name = path.stem if path.suffix == ".onnx" else path.resolve().name
            if not path.exists():  # a hub id: org/name@revision
                name = source.partition("@")[0].rpartition("/")[2]
            if name == "model" and path.exists():  # as runs/mine/model
                name = path.resolve().parent.name
        if name in named:
            raise ConfigError(f"two models are called {name!r}: name them, NAME=MODEL")
        named[name] = source
    return named


def _require_extra() -> None:
    from importlib.util import find_spec

    if sys.platform == "win32":
        raise ConfigError("affekt serve needs Linux or macOS: its decoders use POSIX limits")
    for package in ("fastapi", "uvicorn", "websockets", "prometheus_client", "python_multipart"):
        if find_spec(package) is None:
            raise MissingExtraError("serve", package)
