"""A log of JSON lines: on the container's output, and in files of the folder ``LOG_DIR`` that never grow too large."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import sys
import time
from pathlib import Path

MAX_BYTES = 10 * 1024 * 1024
FILES = 5


class JsonLines(logging.Formatter):
    """One JSON object for each record; what stands in ``extra["fields"]`` is part of it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        head = {"time": stamp, "level": record.levelname.lower(), "service": record.name}
        return json.dumps({**head, "message": record.getMessage(), **getattr(record, "fields", {})})


def logger(service: str) -> logging.Logger:
    """The log of a service, at the level that ``LOG_LEVEL`` or ``RUST_LOG`` names.

    Raises:
        OSError: ``LOG_DIR`` cannot be written.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    folder = os.environ.get("LOG_DIR", "")
    if folder:
        file = Path(folder) / f"{service}.log"
        limit = int(os.environ.get("LOG_MAX_BYTES", MAX_BYTES))
        handlers.append(logging.handlers.RotatingFileHandler(file, maxBytes=limit, backupCount=FILES))
    made = logging.Logger(service)
    level = os.environ.get("LOG_LEVEL") or os.environ.get("RUST_LOG") or "info"
    made.setLevel(level.upper())
    for handler in handlers:
        handler.setFormatter(JsonLines())
        made.addHandler(handler)
    return made
