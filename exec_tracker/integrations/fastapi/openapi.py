"""Describe the header and its problems in an application's OpenAPI document."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from exec_tracker.integrations.http import HEADER, REPLAYED
from exec_tracker.integrations.http.problems import MEDIA_TYPE, PROBLEMS, UNAUTHENTICATED

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.integrations.http import IdempotencyPolicy

    Document = dict[str, Any]

# Where a marker leaves in the document what its policy says; it is taken out again.
_NOTE: Final = "x-exec-tracker"
_SCHEMA: Final = "IdempotencyProblem"
_PROBLEM: Final[Document] = {
    "title": _SCHEMA,
    "description": "Problem details (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "original_status": {
            "type": "integer",
            "description": "The status of a response that is not kept.",
        },
    },
}
_RETRY_AFTER: Final[Document] = {
    "description": "Seconds after which the same request may be repeated; absent where it may not.",
    "schema": {"type": "integer"},
}
_REPLAYED: Final[Document] = {
    "description": "`true` where the response is a stored one and nothing was run.",
    "schema": {"type": "string", "enum": ["true"]},
}


def note(policy: IdempotencyPolicy) -> Document:
    """Return what a marker's header parameter carries until the document is described."""
    return {_NOTE: {"required": policy.required, "methods": sorted(policy.methods)}}


def describe(openapi: Callable[[], Document]) -> Callable[[], Document]:
    """Return an `openapi` that also describes what markers do. Describing twice does no harm."""

    def described() -> Document:
        document = openapi()
        for path in document.get("paths", {}).values():
            for method, operation in path.items():
                if isinstance(operation, dict) and _describe(method, operation):
                    schemas = document.setdefault("components", {}).setdefault("schemas", {})
                    schemas[_SCHEMA] = _PROBLEM
        return document

    return described


def _describe(method: str, operation: Document) -> bool:
    """Tell whether the operation is marked for this method, and describe it if so."""
    parameters = operation.get("parameters", [])
    for parameter in parameters:
        said = parameter.get("schema", {}).get(_NOTE)
        if said is None:
            continue
        if method.upper() not in said["methods"]:
            parameters.remove(parameter)
            return False
        parameter["required"] = said["required"]
        parameter["schema"] = {"type": "string", "title": HEADER}
        parameter["example"] = '"8e03978e-40d5-43e8-bc93-6894a57f9324"'
        _describe_responses(operation.setdefault("responses", {}))
        return True
    return False


def _describe_responses(responses: Document) -> None:
    for answered, response in responses.items():
        if answered.startswith("2"):
            response.setdefault("headers", {}).setdefault(REPLAYED, _REPLAYED)
    for status in sorted({one.status for one in PROBLEMS if one is not UNAUTHENTICATED}):
        told = [one for one in PROBLEMS if one.status == status]
        response = responses.setdefault(str(status), {})
        titles = "; ".join(f"{one.title} (`{one.name}`)" for one in told)
        first = response.get("description")
        response["description"] = f"{first}; {titles}" if first else titles
        response.setdefault("content", {})[MEDIA_TYPE] = {
            "schema": {"$ref": f"#/components/schemas/{_SCHEMA}"}
        }
        if status in {HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE}:
            response.setdefault("headers", {})["Retry-After"] = _RETRY_AFTER
