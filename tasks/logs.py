"""A worker's log: taskiq's own lines for each job are left out, since they cost a quarter of the throughput."""

import logging

from services.settings import Settings


def set_up_logs(settings: Settings) -> None:
    """Levels and format, on the handlers that taskiq has made."""
    logging.getLogger("taskiq").setLevel(max(logging.WARNING, logging.getLogger("taskiq").level))
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it writes whole addresses, and these hold secrets
    for name in ("services", "tasks"):
        logging.getLogger(name).setLevel(settings.log_level)
    if settings.log_format == "json":
        from pythonjsonlogger.json import JsonFormatter

        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonFormatter("{asctime}{levelname}{name}{message}", style="{"))
