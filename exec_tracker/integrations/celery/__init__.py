"""Celery tasks that run once per key; needs the extra `exec_tracker[celery]`.

Celery delivers, distributes and retries; the tracker decides whether a delivery may run. A message
that comes twice, or again after its worker was killed, gets the stored result of the first run.
"""

from __future__ import annotations

from exec_tracker.errors import ConfigurationError

try:
    import celery as _celery  # noqa: F401 # the modules below need it
except ImportError as exc:
    raise ConfigurationError(
        "Idempotent tasks need Celery: pip install 'exec_tracker[celery]'."
    ) from exc

from exec_tracker.integrations.celery.task import IdempotentTask, idempotent_task

__all__ = ["IdempotentTask", "idempotent_task"]
