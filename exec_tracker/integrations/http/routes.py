"""Find the policy for a path: one for all, or one for each of some paths."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from exec_tracker.errors import ConfigurationError
from exec_tracker.integrations.http.policy import IdempotencyPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARAMETER: Final = re.compile(r"\{(\w+)(:path)?\}")


class PolicyTable:
    """Tells which policy governs a request, if any.

    Paths may hold `{name}` for one segment and `{name:path}` for all that follows. The first that
    matches counts; a path that is not listed is not protected.
    """

    def __init__(self, policies: IdempotencyPolicy | Mapping[str, IdempotencyPolicy]) -> None:
        """Compile the paths; raises ConfigurationError for what is neither policy nor path."""
        if isinstance(policies, IdempotencyPolicy):
            policies = {"{anything:path}": policies}
        self._table = [(_pattern(path), _checked(path, one)) for path, one in policies.items()]

    @property
    def policies(self) -> list[IdempotencyPolicy]:
        """All of them."""
        return [policy for _, policy in self._table]

    def policy_for(self, method: str, path: str) -> IdempotencyPolicy | None:
        """Return the policy, or None where the request passes untouched."""
        for pattern, policy in self._table:
            if policy.covers(method) and pattern.fullmatch(path):
                return policy
        return None


def _checked(path: str, policy: object) -> IdempotencyPolicy:
    if isinstance(policy, IdempotencyPolicy):
        return policy
    raise ConfigurationError(f"The policy for {path!r} is an IdempotencyPolicy, not {policy!r}.")


def _pattern(path: object) -> re.Pattern[str]:
    if not isinstance(path, str) or not path.startswith(("/", "{")):
        raise ConfigurationError(f"A path begins with a slash, and {path!r} does not.")
    parts, end = [], 0
    for found in _PARAMETER.finditer(path):
        parts += [re.escape(path[end : found.start()]), ".*" if found[2] else "[^/]+"]
        end = found.end()
    return re.compile("".join([*parts, re.escape(path[end:])]), re.DOTALL)
