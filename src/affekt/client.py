"""Ask a server of ``affekt serve`` from Python; the base install is enough for recordings.

>>> from affekt.client import Client
>>> client = Client("http://127.0.0.1:8000", key=None)
>>> client.predict("recording.wav").label       # doctest: +SKIP
'happy'

Streaming needs the package websockets: ``pip install 'affekt[serve]'``.
"""

from __future__ import annotations

import io
import json
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import numpy as np
from numpy.typing import NDArray

from affekt.adapt import Baseline
from affekt.audio import SAMPLE_RATE, AudioSource, load_audio
from affekt.errors import AudioError, DataError, MissingExtraError, ServerError
from affekt.records import R
from affekt.results import Prediction, Segment

if TYPE_CHECKING:
    import http.client
    import urllib.error
    import urllib.request

    from websockets.sync.client import ClientConnection

Event = dict[str, Any]
"""One JSON message of a stream, by its ``type`` (listed in docs/serving.md)."""

_LONGEST_WAIT = 30.0  # seconds that a server may ask for before another attempt
_BUSY = (429, 503)


class Client:
    """A server, as seen by a program.

    Parameters
    ----------
    url : str
        Where it listens.
    key : str, optional
        API key.
    timeout : float
        Seconds without an answer after which a request fails.
    retries : int
        Further attempts while the server is busy, each after as long as it asks for.

    Raises
    ------
    ServerError
        From every method: where the server cannot be reached, or refuses.
    AudioError
        Where a recording cannot be opened here.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        timeout: float = 60.0,
        retries: int = 3,
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ServerError(f"{url!r} is no address of a server: expected http://HOST:PORT")
        self._url = url.rstrip("/")
        self._key = key
        self._timeout = timeout
        self._retries = retries

    def predict(
        self, source: AudioSource, *, model: str | None = None, baseline: Baseline | None = None
    ) -> Prediction:
        """Predict the emotion of a recording, as :meth:`affekt.Model.predict` does.

        The ``embedding`` stays with the server: it is empty here.
        """
        fields = {"response_format": "json", "model": model, **_sent(baseline)}
        return self._read(Prediction, json.loads(self._post(source, fields)))

    def timeline(
        self, source: AudioSource, *, model: str | None = None, baseline: Baseline | None = None
    ) -> list[Segment]:
        """Follow the emotions through a recording, as :meth:`affekt.Model.timeline` does."""
        fields = {
            "response_format": "verbose_json",
            "timestamp_granularities[]": "segment",
            "model": model,
            **_sent(baseline),
        }
        body = json.loads(self._post(source, fields))
        return [self._read(Segment, part) for part in body["segments"]]

    def text(
        self,
        source: AudioSource,
        response_format: str,
        *,
        model: str | None = None,
        baseline: Baseline | None = None,
    ) -> str:
        """Return the time line as ``srt``, ``vtt``, ``csv`` or ``textgrid``."""
        fields = {"response_format": response_format, "model": model, **_sent(baseline)}
        return self._post(source, fields)

    def baseline(
        self,
        sources: Iterable[AudioSource],
        *,
        model: str | None = None,
        baseline: Baseline | None = None,
    ) -> Baseline:
        """Measure a voice, or a room, as :meth:`affekt.Model.baseline` does.

        Parameters
        ----------
        sources : iterable
            One recording or more.
        model : str, optional
        baseline : Baseline, optional
            To which the recordings are added.

        Raises
        ------
        DataError
            If there are no recordings.
        """
        for source in sources:
            text = self._post(
                source, {"model": model, **_sent(baseline)}, path="/v1/audio/baselines"
            )
            baseline = Baseline.from_json(text, self._url)
        if baseline is None:
            raise DataError("a baseline needs at least one recording")
        return baseline

    def models(self) -> list[dict[str, Any]]:
        """Return the metadata of the server's models; the first is the default."""
        return list(json.loads(self._request("/v1/models"))["data"])

    def metrics(self) -> str:
        """Return the server's metrics, in the text format of Prometheus."""
        return self._request("/metrics")

    def is_ready(self) -> bool:
        """Return whether the server can be reached and takes requests."""
        try:
            self._request("/health/ready", retries=0)
        except ServerError:
            return False
        return True

    def stream(
        self,
        chunks: Iterable[bytes | NDArray[Any]],
        *,
        model: str | None = None,
        session: Mapping[str, Any] | None = None,
        baseline: Baseline | None = None,
    ) -> Iterator[Event]:
        """Send sound as it comes; yield the server's events as they come.

        Parameters
        ----------
        chunks : iterable of bytes or np.ndarray [shape=(samples,)]
            s16le bytes, or int16 or float samples within [-1, 1], mono at 16 kHz. Read in a
            thread of its own, at the pace at which the server takes it.
        model : str, optional
            Its name; the server's default otherwise.
        session : mapping, optional
            Options of ``session.update``: ``format``, ``window``, ``hop``, ``learn`` ...
        baseline : Baseline, optional
            Of the one who speaks. What a session with ``learn`` has made of it comes with
            ``session.baseline``: ``Baseline.from_dict(event["baseline"])``.

        Yields
        ------
        dict
            Until ``session.closed``, the last one.
        """
        from websockets.exceptions import ConnectionClosed

        options = dict(session or {})
        if baseline is not None:
            options["baseline"] = baseline.to_dict()
        with self._connect(model) as socket:
            if options:
                socket.send(json.dumps({"type": "session.update", "session": options}))
            sender = threading.Thread(target=_send_sound, args=(socket, chunks), daemon=True)
            sender.start()
            try:
                for text in socket:
                    yield json.loads(text)
            except ConnectionClosed:
                return  # its last event said why

    def _connect(self, model: str | None) -> ClientConnection:
        try:
            from websockets.exceptions import InvalidHandshake, InvalidURI
            from websockets.sync.client import connect
        except ModuleNotFoundError:
            raise MissingExtraError("serve", "websockets") from None
        address = "ws" + self._url.removeprefix("http") + "/v1/stream"
        if model is not None:
            address += f"?model={quote(model)}"
        try:
            return connect(
                address, additional_headers=self._headers(), open_timeout=self._timeout, proxy=None
            )
        except (OSError, InvalidHandshake, InvalidURI) as error:
            status = getattr(getattr(error, "response", None), "status_code", 0)
            body = getattr(getattr(error, "response", None), "body", None) or b""
            raise _refusal(self._url, status, body, str(error)) from None

    def _read(self, kind: type[R], values: Mapping[str, Any]) -> R:
        try:
            return kind.from_dict(values)
        except DataError as error:
            raise ServerError(
                f"{self._url} answers in another form than this affekt reads ({error}): install "
                "the same version on both sides"
            ) from None

    def _post(
        self,
        source: AudioSource,
        fields: Mapping[str, str | None],
        path: str = "/v1/audio/emotions",
    ) -> str:
        body, kind = _form(_content(source), fields)
        return self._request(path, body, {"Content-Type": kind})

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    def _request(
        self,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        retries: int | None = None,
    ) -> str:
        import http.client
        import urllib.error
        import urllib.request

        request = urllib.request.Request(
            self._url + path, data=body, headers={**self._headers(), **(headers or {})}
        )
        opener = _opener()
        left = self._retries if retries is None else retries
        while True:
            try:
                with opener.open(request, timeout=self._timeout) as answer:
                    return str(answer.read().decode("utf-8"))
            except urllib.error.HTTPError as error:
                if error.code not in _BUSY or left == 0:
                    raise _refusal(self._url, error.code, _body(error), error.reason) from None
                time.sleep(_seconds(error.headers.get("Retry-After")))
                left -= 1
            except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
                reason = getattr(error, "reason", None) or error
                raise _refusal(self._url, 0, b"", str(reason)) from None


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens addresses, and reads an answer that comes before all is sent.

    A server refuses what is too large at once. Sending the rest fails then, but the refusal is
    there to be read.
    """
    import http.client
    import urllib.request

    class Heedful(http.client.HTTPConnection):
        def send(self, data: Any) -> None:
            try:
                super().send(data)
            except (BrokenPipeError, ConnectionResetError):
                if self.sock is None:
                    raise

    class HeedfulTls(Heedful, http.client.HTTPSConnection):
        pass

    class Http(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Heedful, request)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(HeedfulTls, request)

    return urllib.request.build_opener(Http, Https)


def _body(error: urllib.error.HTTPError) -> bytes:
    """Return the message of an error, as far as it was received."""
    import http.client

    try:
        return error.read()
    except http.client.IncompleteRead as cut:
        return cut.partial
    except OSError:
        return b""


def _content(source: AudioSource) -> bytes:
    """Return a recording as the bytes of a file; files are sent as they are."""
    if isinstance(source, bytes):
        return source
    if isinstance(source, tuple):
        import soundfile

        file = io.BytesIO()
        samples = load_audio(source, sample_rate=SAMPLE_RATE)
        soundfile.write(file, samples, SAMPLE_RATE, format="WAV", subtype="FLOAT")
        return file.getvalue()
    if hasattr(source, "read"):
        return bytes(source.read())
    try:
        return Path(source).read_bytes()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise AudioError(f"{source}: {reason}; check the path") from None


def _sent(baseline: Baseline | None) -> dict[str, str | None]:
    return {} if baseline is None else {"baseline": json.dumps(baseline.to_dict())}


def _form(content: bytes, fields: Mapping[str, str | None]) -> tuple[bytes, str]:
    """Return a multipart body and its type."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
        if value is not None
    ]
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="recording"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n"
    )
    body = b"".join([*parts, head.encode(), content, f"\r\n--{boundary}--\r\n".encode()])
    return body, f"multipart/form-data; boundary={boundary}"


def _send_sound(socket: ClientConnection, chunks: Iterable[bytes | NDArray[Any]]) -> None:
    from websockets.exceptions import ConnectionClosed

    try:
        for chunk in chunks:
            socket.send(chunk if isinstance(chunk, bytes) else _pcm(chunk))
        socket.send(json.dumps({"type": "session.close"}))
    except ConnectionClosed:
        return  # the events say why


def _pcm(samples: NDArray[Any]) -> bytes:
    if samples.dtype.kind == "f":
        samples = np.clip(np.round(samples * 32768), -32768, 32767)
    return samples.astype("<i2").tobytes()


def _seconds(retry_after: str | None) -> float:
    try:
        return min(_LONGEST_WAIT, max(0.0, float(retry_after or 1)))
    except ValueError:
        return 1.0


def _refusal(url: str, status: int, body: bytes, reason: str) -> ServerError:
    """Turn what a server, or the way to it, has answered into an error of one line."""
    try:
        fault = json.loads(body)["error"]
        return ServerError(str(fault["message"]), status=status, code=str(fault["code"]))
    except (ValueError, KeyError, TypeError):
        if status:
            return ServerError(f"{url} answered with status {status}: {reason}", status=status)
        return ServerError(f"cannot reach {url}: {reason}; is `affekt serve` running there?")
