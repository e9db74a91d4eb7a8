"""Logs, one JSON object a line, and Prometheus metrics.

Neither holds sound, file names, keys or the scores of a recording: metrics count labels and
confidences of all answers together.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import datetime, timezone
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from affekt.results import Prediction

LOGGER = "affekt.server"
_TENTHS = tuple(tenth / 10 for tenth in range(1, 11))
_UNLIKE = (0.25, 0.5, 0.75, 1, 1.5, 2, 4)
_SNR_DB = (0, 5, 10, 15, 20, 30, 40)
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
        self.answers = counter("answers", "Answers for recordings.", "model", "label")
        self.shadow = counter(
            "shadow", "Answers of the shadow beside those sent.", "model", "shadow", "outcome"
        )
        self.feedback = counter("feedback", "Answers with a true label.", "model", "outcome")
        self.pairs = counter(
            "feedback_pairs",
            "Pairs of answers of two models with true labels: which were right.",
            "first",
            "second",
            "right",
        )
        self._distributions = {
            name: Histogram(f"affekt_{name}", text, ["model"], buckets=to, registry=self.registry)
            for name, text, to in (
                ("confidence", "Probability of the label sent.", _TENTHS),
                ("ood_score", "How unlike the training data; 1 is the limit.", _UNLIKE),
                ("snr_db", "Signal to noise ratio of recordings, dB.", _SNR_DB),
            )
        }

    def answered(self, model: str, answer: Prediction) -> None:
        """Count an answer: label, confidence, and what is known of the input."""
        self.answers.labels(model, answer.label).inc()
        quality = answer.quality
        values = {
            "confidence": answer.confidence,
            "ood_score": answer.ood_score,
            "snr_db": None if quality is None else quality.snr_db,
        }
        for name, value in values.items():
            if value is not None:
                self._distributions[name].labels(model).observe(value)

    def pair(self, first: str, second: str, first_right: bool, second_right: bool) -> None:
        """Count which of two models were right."""
        right = {
            (True, True): "both",
            (True, False): "first",
            (False, True): "second",
            (False, False): "neither",
        }[first_right, second_right]
        self.pairs.labels(first, second, right).inc()


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
