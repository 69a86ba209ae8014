"""What one route does about the Idempotency-Key header, checked when it is written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from exec_tracker.errors import ConfigurationError
from exec_tracker.integrations.http.identifying import whole_request
from exec_tracker.keywords import CallSettings, check_keywords
from exec_tracker.types import ExecutionActor, KeyScope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from exec_tracker.integrations.http.messages import HttpRequest
    from exec_tracker.keywords import ExecuteSettings

MIB: Final = 1024 * 1024
# The fragment names the problem; without a page of your own the link leads to the specification.
SPECIFICATION: Final = (
    "https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header"
)
# Conflict and "come back later": the client is asked to repeat the request, so it may run.
REPEATABLE: Final = frozenset({408, 409, 425, 429})
# What describes the body and the result. Never cookies, nor what servers add to each response.
REPLAYED_HEADERS: Final = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-location",
    "content-type",
    "etag",
    "last-modified",
    "link",
    "location",
    "vary",
)
_FIRST_STATUS, _FIRST_SERVER_ERROR = 200, 500


def is_final(status: int) -> bool:
    """Tell whether a response with this status is the result, by default.

    Successes, redirects and client errors are, but for 408, 409, 425 and 429, which ask the client
    to repeat the request. Server errors are failures, after which it may run again.
    """
    return _FIRST_STATUS <= status < _FIRST_SERVER_ERROR and status not in REPEATABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyPolicy:
    """What one route, or a whole application, does about the Idempotency-Key header.

    Requests with other `methods` pass untouched. Without a key a request is answered 400 where one
    is `required`, else it runs unprotected. `identify` returns what makes two requests the same.
    `is_final` says of a status whether its response is stored and replayed; after one of
    `unknown_statuses` nobody knows whether it happened; any other is a failure, after which the
    request may run again. Bodies of requests over `max_request_bytes` are answered 413. A response
    over `max_response_bytes`, or with one of `streamed_media_types`, is passed on as it comes, and
    its key answers 409 from then on. `replayed_headers` are the response headers that are stored.
    `accept_bare_keys` also takes keys without quotes, as Stripe's clients send them. Problems link
    to the page `documentation`. `settings` are keywords of `tracker.claim`: `on_running="wait"`.

    Raises:
        ConfigurationError: a value that cannot work, or a setting that claims do not take.
    """

    required: bool = True
    methods: Collection[str] = ("POST", "PATCH")
    workflow_id: str = "http"
    actor: ExecutionActor | None = None
    identify: Callable[[HttpRequest], Mapping[str, Any]] = whole_request
    is_final: Callable[[int], bool] = is_final
    unknown_statuses: Collection[int] = ()
    key_scope: KeyScope = KeyScope.USER
    accept_bare_keys: bool = False
    max_request_bytes: int = MIB
    max_response_bytes: int = MIB
    replayed_headers: Collection[str] = REPLAYED_HEADERS
    streamed_media_types: Collection[str] = ("text/event-stream",)
    documentation: str = SPECIFICATION
    settings: ExecuteSettings = field(default_factory=dict)  # type: ignore[assignment] # no keyword is required

    def __post_init__(self) -> None:
        """Check, and spell methods and names as they are compared."""
        for name in ("methods", "unknown_statuses", "replayed_headers", "streamed_media_types"):
            if isinstance(getattr(self, name), str):
                raise ConfigurationError(f'{name} is a collection, such as {{"…"}}, not a string.')
        self._set("methods", frozenset(one.upper() for one in self.methods))
        self._set("unknown_statuses", frozenset(self.unknown_statuses))
        for name in ("replayed_headers", "streamed_media_types"):
            self._set(name, frozenset(one.lower() for one in getattr(self, name)))
        for name in ("max_request_bytes", "max_response_bytes"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 0:
                raise ConfigurationError(f"{name} is a number of bytes, zero or more.")
        self._check_settings()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_settings(self) -> None:
        for name in ("verify", "result_type"):
            if name in self.settings:
                raise ConfigurationError(
                    f"settings cannot hold {name}: the result of a request is its response."
                )
        check_keywords(self.settings, CallSettings)
        CallSettings(**self.settings)

    def covers(self, method: str) -> bool:
        """Tell whether requests with this method are protected."""
        return method.upper() in self.methods
