"""What is logged, and how: text or JSON lines on standard error, never with names, identifiers or addresses.

Messages of this program say nothing of patients. Those of libraries may quote anything: of them only the level,
the logger and the place in the library are written.
"""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
FIELDS = ("method", "route", "status", "duration_ms", "request_bytes", "response_bytes")
"""What a record may carry beside its message."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being answered; the answer's header X-Request-ID."""


def configure(log_format: LogFormat, level: LogLevel) -> None:
    """Log to standard error in this process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("pellucid").setLevel(level.upper())


def said(record: logging.LogRecord) -> str:
    """What a record may say: an exception's text is left out, and so is whatever a library says."""
    if record.name != "pellucid" and not record.name.startswith("pellucid."):
        return f"said at {record.filename}:{record.lineno}"
    message = record.getMessage()
    if record.exc_info and record.exc_info[0] is not None:
        message += f" ({record.exc_info[0].__name__})"
    return message


class TextFormatter(logging.Formatter):
    """A line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%S")
        return f"{time} {record.levelname.lower()} {record.name}: {said(record)}"


class JsonFormatter(logging.Formatter):
    """A JSON object on a line, for programs."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": said(record),
        }
        if found := request_id.get():
            line["request_id"] = found
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        return json.dumps(line, ensure_ascii=False)
