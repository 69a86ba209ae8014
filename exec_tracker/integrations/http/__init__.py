"""The rules of the Idempotency-Key header, apart from every server; extra `exec_tracker[http]`.

They follow the IETF draft "The Idempotency-Key HTTP Header Field". The middlewares
`integrations.asgi` and `integrations.wsgi`, and `integrations.fastapi`, apply them.
"""

from exec_tracker.integrations.http.deciding import NotFinalError
from exec_tracker.integrations.http.identifying import json_request, whole_request
from exec_tracker.integrations.http.key import HEADER
from exec_tracker.integrations.http.messages import HttpRequest
from exec_tracker.integrations.http.policy import REPLAYED_HEADERS, IdempotencyPolicy, is_final
from exec_tracker.integrations.http.stored import REPLAYED, StoredResponse

__all__ = [
    "HEADER",
    "REPLAYED",
    "REPLAYED_HEADERS",
    "HttpRequest",
    "IdempotencyPolicy",
    "NotFinalError",
    "StoredResponse",
    "is_final",
    "json_request",
    "whole_request",
]
