"""What must stand after a call whose connection was struck, seen from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proof.ledger import eventually
from proof.wire.calls import keys_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from proof.clients import Client
    from proof.ledger import Ledger
    from proof.wire.calls import Call


def audit(call: Call, ledger: Ledger, key: str, answer: Any) -> str | None:
    """Say which promise was broken, if any; nothing of the call is on its way any more."""
    answers = answer if call.keys > 1 else [answer]
    for one, told in zip(keys_of(key, call.keys), answers, strict=True):
        if broken := _audit_key(call, ledger, one, told):
            return broken
    return None


def _audit_key(call: Call, ledger: Ledger, key: str, answer: Any) -> str | None:
    row = ledger.row(key)
    status = row["status"] if row else "absent"
    effects = ledger.effects(key)
    history = tuple(ledger.attempts(key))
    if status not in call.ends:
        return f"the execution is {status}"
    if effects != call.effects:
        return f"{effects} effects"
    if row and status != "failed" and row["result"] != answer:
        return f"the caller was told {answer}, and {row['result']} is stored"
    if history not in call.history:
        return f"the history is {history}"
    return None


def leak(client: Client, ledger: Ledger, close: Callable[[], None]) -> str | None:
    """Say what was not given back: to the pool, and to the server once all is closed."""
    if client.checked_out:
        return f"{client.checked_out} connections were not given back to the pool"
    close()
    try:
        eventually(lambda: not ledger.backends(), "all connections are closed")
    except TimeoutError:
        return f"the server still has {ledger.backends()} connections"
    return None
