"""What makes two requests the same: a fingerprint's ingredients, none of them the key."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pydantic import ValidationError

from exec_tracker.errors import ConfigurationError
from exec_tracker.fingerprint import canonical_parameters
from exec_tracker.types import ExecuteOptions

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.integrations.http.messages import HttpRequest
    from exec_tracker.integrations.http.policy import IdempotencyPolicy

# Shown to who looks at executions. All else is fingerprinted only: it may hold personal data.
_SHOWN: Final = frozenset({"method", "path"})
# As in RFC 3986; the rest is percent-encoded, since a path may hold what PostgreSQL cannot.
_PATH_CHARACTERS: Final = "/:@!$&'()*+,;=-._~"


def whole_request(request: HttpRequest) -> dict[str, Any]:
    """Identify a request by its method, path, query and the bytes of its body; the default."""
    return {**_target(request), "body": hashlib.sha256(request.body).hexdigest()}


def json_request(request: HttpRequest) -> dict[str, Any]:
    """Identify a request by its method, path, query and what its JSON body says.

    White space and the order of keys do not count, nor does `1.0` for `1`. A body that is not JSON
    is identified by its bytes.
    """
    try:
        said = canonical_parameters({"body": json.loads(request.body)})
    except (ValueError, RecursionError):
        return whole_request(request)
    return {**_target(request), "body": hashlib.sha256(said).hexdigest()}


def options_of(
    policy: IdempotencyPolicy, request: HttpRequest, key: str, user_id: UUID | str
) -> ExecuteOptions:
    """Return the execution that a request asks for.

    Raises ConfigurationError where `identify` or `user_id` returned what cannot be used.
    """
    identity = dict(policy.identify(request))
    try:
        return ExecuteOptions(
            idempotency_key=key,
            workflow_id=policy.workflow_id,
            user_id=user_id,
            actor=policy.actor,
            parameters=identity,
            redacted_fields=frozenset(identity) - _SHOWN,
            key_scope=policy.key_scope,
        )
    except ValidationError as exc:
        raise ConfigurationError(
            f"No execution can be made of this request; look at user_id, workflow_id and what "
            f"identify returned: {exc}"
        ) from exc


def _target(request: HttpRequest) -> dict[str, Any]:
    path = quote(request.path, safe=_PATH_CHARACTERS, errors="surrogatepass")
    query = quote(request.query, safe=f"{_PATH_CHARACTERS}%?", errors="surrogatepass")
    return {"method": request.method.upper(), "path": path, "query": query}
