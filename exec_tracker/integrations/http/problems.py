"""The responses that explain why a handler did not run: problem details of RFC 9457."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from exec_tracker.integrations.http.messages import HttpResponse

if TYPE_CHECKING:
    from datetime import timedelta

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason: its `name` ends the `type` link, `detail` is said where nothing better is."""

    name: str
    status: int
    title: str
    detail: str

    def response(
        self,
        documentation: str,
        detail: str | None = None,
        *,
        retry_after: timedelta | None = None,
        challenge: str | None = None,
        **members: Any,
    ) -> HttpResponse:
        """Write it as a response; `members` extend the problem."""
        body = {
            "type": f"{documentation}#{self.name}",
            "title": self.title,
            "status": self.status,
            "detail": detail or self.detail,
            **members,
        }
        headers = [
            ("content-type", MEDIA_TYPE),
            ("content-language", "en"),
            ("link", f'<{documentation}>; rel="describedby"; type="text/html"'),
        ]
        if retry_after is not None:
            # The header counts whole seconds, and zero would invite a busy loop.
            seconds = max(math.ceil(retry_after.total_seconds()), 1)
            headers.append(("retry-after", str(seconds)))
        if challenge is not None:
            headers.append(("www-authenticate", challenge))
        return HttpResponse(self.status, tuple(headers), json.dumps(body).encode())


KEY_MISSING: Final = Problem(
    "key-missing",
    400,
    "Idempotency-Key is missing",
    "This operation needs the header Idempotency-Key, so that repeating the request is safe: "
    "a random UUID in double quotes, new for each operation and the same for each repetition.",
)
KEY_MALFORMED: Final = Problem(
    "key-malformed",
    400,
    "Idempotency-Key is malformed",
    "The header Idempotency-Key is one string in double quotes, of 1 to 255 characters.",
)
CONTENT_INCOMPLETE: Final = Problem(
    "content-incomplete",
    400,
    "The request ended early",
    "The connection ended before the whole request had arrived. Nothing was run.",
)
UNAUTHENTICATED: Final = Problem(
    "unauthenticated",
    401,
    "Nobody is signed in",
    "Idempotency keys belong to their users. Nothing was run.",
)
IN_PROGRESS: Final = Problem(
    "in-progress",
    409,
    "A request is outstanding for this Idempotency-Key",
    "The first request with this key is still being processed. Repeat it unchanged later.",
)
ATTEMPT_FAILED: Final = Problem(
    "attempt-failed",
    409,
    "The request with this Idempotency-Key failed",
    "The last request with this key failed, and this one was not run.",
)
OUTCOME_UNKNOWN: Final = Problem(
    "outcome-unknown",
    409,
    "The outcome of this Idempotency-Key is unknown",
    "The first request with this key was interrupted, and nobody knows whether it took effect. It "
    "will not run again by itself. Look at what it was to change before you use a new key.",
)
RESPONSE_NOT_AVAILABLE: Final = Problem(
    "response-not-available",
    409,
    "The response to this Idempotency-Key is not available",
    "The request with this key was carried out, and will not run again. Its response is not kept.",
)
CONTENT_TOO_LARGE: Final = Problem(
    "content-too-large",
    413,
    "The request is too large",
    "With an Idempotency-Key the request's content is limited in size. Nothing was run.",
)
KEY_REUSED: Final = Problem(
    "key-reused",
    422,
    "Idempotency-Key is already used",
    "This key was first used with a different request. Use a new key for a new request. Nothing "
    "was run.",
)
STORE_UNAVAILABLE: Final = Problem(
    "store-unavailable",
    503,
    "Idempotency-Keys cannot be checked at the moment",
    "Nothing was run. Repeat the request unchanged later.",
)

PROBLEMS: Final = (
    KEY_MISSING,
    KEY_MALFORMED,
    CONTENT_INCOMPLETE,
    UNAUTHENTICATED,
    IN_PROGRESS,
    ATTEMPT_FAILED,
    OUTCOME_UNKNOWN,
    RESPONSE_NOT_AVAILABLE,
    CONTENT_TOO_LARGE,
    KEY_REUSED,
    STORE_UNAVAILABLE,
)
"""Every problem, in the order of their statuses."""
