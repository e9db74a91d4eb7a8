"""What surrounds every request: an id, who asks, security headers, one log line, metrics."""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from affekt.server.errors import ApiError
from affekt.server.service import Service
from affekt.server.settings import LOOPBACK
from affekt.server.shares import shared_address
from affekt.server.telemetry import log

REQUEST_ID = "x-request-id"
PROTOCOL = "affekt"
"""The subprotocol of streams."""
KEY_PROTOCOL = "affekt-key."
"""How a browser gives its key when it opens a WebSocket, where it cannot set headers."""

LINGER_SECONDS = 2.0
LINGER_BYTES = 64 << 20
"""For how long, and of how much, a refused upload is still read."""

_REQUEST_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
_PROTECTED = ("/v1/", "/v2", "/models/", "/metrics")
_OPEN = ("/v2/health/",)
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self' blob:",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self' blob: data:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_FIXED_HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in {**SECURITY_HEADERS, "cache-control": "no-store"}.items()
)


class Guard:
    """ASGI middleware around the whole application.

    Parameters
    ----------
    app : ASGI application
    service : Service
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request or session through, or answer it with an error."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        try:
            scope["state"]["caller"] = self._admit(scope, exchange.headers)
            await self._app(scope, exchange.receive, exchange.send)
        except ApiError as error:
            self._service.metrics.refused.labels(error.code).inc()
            await exchange.refuse(error)
        except Exception:  # the last resort: logged, and answered without details
            logging.getLogger("affekt.server").exception(
                "a request failed", extra={"fields": {"request_id": exchange.request_id}}
            )
            await exchange.refuse(ApiError(500, "the server failed on this request", "failed"))
        finally:
            self._record(scope, exchange)

    def _admit(self, scope: Scope, headers: Headers) -> str:
        """Check host, origin, key and rate; return who asks."""
        service = self._service
        address = scope["client"][0] if scope.get("client") else "unknown"
        scope["state"]["share"] = shared_address(address)
        _check_host(headers, service)
        _check_origin(scope, headers, service)
        path = scope["path"]
        if not path.startswith(_PROTECTED) or path.startswith(_OPEN):
            return ""
        if scope.get("method") == "OPTIONS":
            return ""
        owner = service.keys.owner(_given_key(scope, headers))
        if owner is None:
            raise ApiError(
                401, "a valid API key is needed: Authorization: Bearer KEY", "invalid_api_key"
            )
        if service.keys:
            scope["state"]["share"] = owner
        wait = service.rate.wait(scope["state"]["share"])
        if wait:
            raise ApiError(
                429, "too many requests: slow down", "rate_limit_exceeded", retry_after=wait
            )
        return owner

    def _record(self, scope: Scope, exchange: _Exchange) -> None:
        route = getattr(scope.get("route"), "path", None) or "other"
        method = scope.get("method", "WEBSOCKET")
        elapsed = time.perf_counter() - exchange.start
        metrics = self._service.metrics
        metrics.requests.labels(route, method, str(exchange.status)).inc()
        if scope["type"] == "http":
            metrics.seconds.labels(route).observe(elapsed)
        log(
            "request",
            request_id=exchange.request_id,
            method=method,
            route=route,
            status=exchange.status,
            milliseconds=round(1000 * elapsed, 1),
            caller=scope["state"].get("caller") or None,
            **scope["state"].get("facts", {}),
        )


class _Exchange:
    """One request and what has been answered to it so far."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.start = time.perf_counter()
        self.headers = Headers(scope=scope)
        given = self.headers.get(REQUEST_ID, "")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        self.status = 0
        self._scope = scope
        self._receive = receive
        self._send = send
        self._unread = "content-length" in self.headers or "transfer-encoding" in self.headers
        scope.setdefault("state", {})["request_id"] = self.request_id

    async def receive(self) -> Message:
        """Pass a message of the request on."""
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        """Pass a message of the answer on, with the headers that all answers have."""
        if self._unread and self.status >= 400 and message["type"] == "http.response.body":
            await self._send({**message, "more_body": True})
            await self._discard_the_rest()
            message = {**message, "body": b""}
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            self.status = message["status"]
            message = {**message, "headers": self._with_headers(message.get("headers", []))}
        elif message["type"] == "websocket.accept":
            self.status = 101
        await self._send(message)

    async def _discard_the_rest(self) -> None:
        """Take what a client sends on after it was refused, for a while.

        Closing a connection before all is read makes the system drop the answer, too.
        """
        discarded = 0
        with anyio.move_on_after(LINGER_SECONDS):
            while self._unread and discarded < LINGER_BYTES:
                discarded += len((await self.receive()).get("body", b""))

    def _with_headers(self, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        names = {name.lower() for name, _ in given}
        own = (REQUEST_ID.encode(), self.request_id.encode())
        return [*given, *(pair for pair in (*_FIXED_HEADERS, own) if pair[0] not in names)]

    async def refuse(self, error: ApiError) -> None:
        """Answer with an error, unless the answer has begun."""
        if self.status:
            return
        if self._scope["type"] == "websocket":
            prefix = "websocket."
            if "websocket.http.response" not in self._scope.get("extensions", {}):
                self.status = error.status
                await self._send({"type": "websocket.close", "code": 1008})
                return
        else:
            prefix = ""
        body = json.dumps(error_body(self._scope["path"], error)).encode()
        headers = {"content-type": "application/json", **_lower(error.headers)}
        start: dict[str, Any] = {
            "type": f"{prefix}http.response.start",
            "status": error.status,
            "headers": [
                (name.encode(), value.encode())
                for name, value in {**headers, "content-length": str(len(body))}.items()
            ],
        }
        await self.send(start)
        await self.send({"type": f"{prefix}http.response.body", "body": body})


def error_body(path: str, error: ApiError) -> dict[str, Any]:
    """Return an error in the shape that the clients of a path know: OpenAI's, or KServe's."""
    return {"error": error.message} if path.startswith("/v2") else error.body


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _given_key(scope: Scope, headers: Headers) -> str | None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key:
        return key.strip()
    for protocol in scope.get("subprotocols", []):
        if protocol.startswith(KEY_PROTOCOL):
            return str(protocol)[len(KEY_PROTOCOL) :]
    return None


def _check_host(headers: Headers, service: Service) -> None:
    """Refuse names that are not this server's: a page elsewhere may have renamed itself to it."""
    allowed = service.settings.hosts
    if service.settings.loopback:
        allowed = (*LOOPBACK, *allowed)
    if allowed and _host_name(headers.get("host", "")) not in allowed:
        raise ApiError(
            403, "this name is not the server's: allow it with --allow-host", "host_not_allowed"
        )


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _check_origin(scope: Scope, headers: Headers, service: Service) -> None:
    """Refuse what a page of another origin sends, unless the operator allows that origin.

    Programs send no Origin; browsers always do where a page could do harm.
    """
    origin = headers.get("origin")
    if origin is None or scope.get("method") in _SAFE_METHODS:
        return
    host = headers.get("host", "")
    own = {f"{scheme}://{host}" for scheme in ("http", "https")}
    if origin not in own and origin not in service.settings.origins:
        raise ApiError(
            403, "this origin may not use the server: allow it with --origin", "origin_not_allowed"
        )
