"""Logs, one JSON object a line, and Prometheus metrics.

Neither holds sound, file names, keys or scores.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import datetime, timezone
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

LOGGER = "affekt.server"
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class ServerMetrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"affekt_{name}", text, labels, registry=self.registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"affekt_{name}", text, registry=self.registry)

        self.requests = counter("requests", "Requests answered.", "route", "method", "status")
        self.seconds = Histogram(
            "affekt_request_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.audio = counter("audio_seconds", "Sound processed.", "model", "way")
        self.refused = counter("refused", "Requests and sessions refused.", "code")
        self.decoder_deaths = counter(
            "decoder_deaths", "Decoder processes that were killed or died."
        )
        self.waiting = gauge("queue_waiting", "Recordings that wait for a model.")
        self.running = gauge("queue_running", "Runs of a model.")
        self.sessions = gauge("sessions", "WebSocket sessions open.")


class _JsonLines(logging.Formatter):
    """Log records as JSON: time, level, event, and the fields of ``extra={"fields": ...}``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        fields: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False, default=str)


class _Words(logging.Formatter):
    """Log records for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and a traceback where there is one."""
        fields = " ".join(
            f"{name}={value}"
            for name, value in getattr(record, "fields", {}).items()
            if value is not None
        )
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        text = f"{clock} {record.getMessage()} {fields}".rstrip()
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def set_up_logs(*, as_json: bool, level: int = logging.INFO) -> None:
    """Send all logs to stderr: the server's, and the warnings of all libraries."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if as_json else _Words())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger(LOGGER).setLevel(level)


def log(event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Write one event with its fields."""
    logging.getLogger(LOGGER).log(level, event, extra={"fields": fields})
