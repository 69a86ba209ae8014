"""WSGI middleware for the Idempotency-Key header; needs the extra `exec_tracker[http]`.

Flask: `app.wsgi_app = IdempotencyMiddleware(app.wsgi_app, tracker, user_id=…)`. Django:
`application = IdempotencyMiddleware(get_wsgi_application(), tracker, user_id=…)`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from exec_tracker.errors import ConfigurationError, ExecTrackerError
from exec_tracker.integrations.http import HEADER, IdempotencyPolicy
from exec_tracker.integrations.http.deciding import refusal_of, unauthenticated
from exec_tracker.integrations.http.identifying import options_of
from exec_tracker.integrations.http.key import idempotency_key
from exec_tracker.integrations.http.messages import AnsweredError
from exec_tracker.integrations.http.routes import PolicyTable
from exec_tracker.integrations.http.stored import replay
from exec_tracker.integrations.wsgi.exchange import Exchange
from exec_tracker.integrations.wsgi.protocol import (
    header_lines,
    read_body,
    request_of,
    respond,
    route_path,
)
from exec_tracker.tracker import ExecutionTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from uuid import UUID

    from exec_tracker.integrations.wsgi.protocol import Environ, StartResponse, WSGIApp
    from exec_tracker.tracker import Claim

__all__ = ["CONTEXT", "IdempotencyMiddleware"]

CONTEXT = "exec_tracker.execution"
"""Where a handler finds the ExecutionContext of its run, in the environ."""

_log = logging.getLogger("exec_tracker")


class IdempotencyMiddleware:
    """Runs the application once per Idempotency-Key, and replays its response.

    `user_id(environ)` returns the id of the authenticated user, whose own the keys are, or None
    where there is nobody, which is answered 401 with `challenge`. `policy` is one for all paths, or
    one for each of some, as in `{"/orders/{id}/pay": IdempotencyPolicy()}`.

    The response is collected and stored before it is given to the server, so a client that
    disconnects changes nothing. What the application raises is recorded and raised; note that
    Flask and Django turn exceptions into responses with status 500 first.
    """

    def __init__(
        self,
        app: WSGIApp,
        tracker: ExecutionTracker,
        *,
        user_id: Callable[[Environ], UUID | str | None],
        policy: IdempotencyPolicy | Mapping[str, IdempotencyPolicy] | None = None,
        challenge: str = "Bearer",
    ) -> None:
        """Wrap an application; raises ConfigurationError for what cannot work."""
        if not isinstance(tracker, ExecutionTracker):
            raise ConfigurationError(
                f"tracker is an ExecutionTracker, and {type(tracker).__name__} is none."
            )
        self._app = app
        self._tracker = tracker
        self._user_id = user_id
        self._policies = PolicyTable(IdempotencyPolicy() if policy is None else policy)
        self._challenge = challenge

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        policy = self._policies.policy_for(environ["REQUEST_METHOD"], route_path(environ))
        if policy is None:
            return self._app(environ, start_response)
        try:
            key = idempotency_key(header_lines(environ, HEADER), policy)
            claim = None if key is None else self._claim(environ, policy, key)
        except AnsweredError as answered:
            return respond(start_response, answered.response)
        if claim is None:
            return self._app(environ, start_response)
        environ[CONTEXT] = claim.context
        return Exchange(claim, policy, start_response).run(self._app, environ)

    def _claim(self, environ: Environ, policy: IdempotencyPolicy, key: str) -> Claim:
        user_id = self._user_id(environ)
        if user_id is None:
            raise unauthenticated(policy, self._challenge)
        request = request_of(environ, read_body(environ, policy))
        options = options_of(policy, request, key, user_id)
        try:
            claim = self._tracker.claim(options, **policy.settings)
        except ExecTrackerError as exc:
            response = refusal_of(exc, policy)
            if response is None:
                raise
            if response.status >= 500:  # noqa: PLR2004 # the client is not to blame: tell the host
                _log.warning("No key could be claimed: %s", exc)
            raise AnsweredError(response) from exc
        if claim.cached:
            raise AnsweredError(replay(claim.result, policy))
        return claim
