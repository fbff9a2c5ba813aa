"""Structured logs: one JSON object per line on standard output; supervisord keeps and rotates the files."""

import logging
import sys
import time
from typing import Any

import structlog

from shared.runtime.build import build_id
from shared.runtime.paths import DataDir


def configure(service: str, data: DataDir | None = None) -> structlog.stdlib.BoundLogger:
    """Return the logger of `service`; lines of libraries (uvicorn, asyncio) take the same form."""
    shared: list[Any] = [structlog.processors.add_log_level, _wall_time, structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=[*shared, _named(service)],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    context = {"service": service, "build": build_id()}
    if data is not None:
        context["data"] = data.root.name
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(**context)
    return logger


def _wall_time(_logger: Any, _name: str, line: Any) -> Any:
    """Add the wall clock: people compare it with other logs; the mesh time stands on the events."""
    now = time.time_ns()
    line["ts"] = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now // 10**9))}.{now // 10**6 % 1000:03d}Z"
    return line


def _named(service: str) -> Any:
    def add(_logger: Any, _name: str, line: Any) -> Any:
        line["service"] = service
        return line

    return add
