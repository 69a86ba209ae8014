"""The calls whose connections are struck: how each begins, what it does, what must come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker import ExecuteOptions
    from proof.clients import Client
    from proof.ledger import Ledger


_MANY = 3


class DeclinedError(Exception):
    """What a function raises that says: nothing happened."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, and what must stand in the end; statuses by the name they have in the row.

    `perform` returns the answer, or the answers where the call is about several `keys`.
    """

    name: str
    perform: Callable[[Client, Ledger, ExecuteOptions], Any]
    keys: int = 1
    begin: str = "absent"
    ends: tuple[str, ...] = ("completed",)
    effects: int = 1
    history: tuple[tuple[str, ...], ...] = ((),)
    renews: bool = False
    is_hosts: bool = False


def _external(client: Client, ledger: Ledger, options: ExecuteOptions) -> Any:
    return client.execute(options, ledger.outside(options.idempotency_key)).data


def _many(client: Client, ledger: Ledger, options: ExecuteOptions) -> Any:
    """Run many at once; who repeats the call after one key's error repeats it for all of them."""
    keys = keys_of(options.idempotency_key, _MANY)
    outcomes = client.many(
        [ledger.options(key) for key in keys],
        lambda context: ledger.outside(context.idempotency_key)(context),
    )
    return [outcome.data for outcome in outcomes]


def keys_of(key: str, count: int) -> list[str]:
    """Return all keys of a call, the first of which names it."""
    return [key, *(f"{key}, {number}" for number in range(1, count))]


def _taking_over(client: Client, ledger: Ledger, options: ExecuteOptions) -> Any:
    function = ledger.outside(options.idempotency_key)
    return client.execute(options, function, on_abandoned="retry").data


def _failing(client: Client, _ledger: Ledger, options: ExecuteOptions) -> Any:
    return client.execute(options, _decline).data


def _decline(_context: Any) -> Any:
    raise DeclinedError


def _by_handle(client: Client, ledger: Ledger, options: ExecuteOptions) -> Any:
    return client.handle(options, ledger.outside(options.idempotency_key))


def _transactional(client: Client, ledger: Ledger, options: ExecuteOptions) -> Any:
    return client.transact(options, ledger.inside(options.idempotency_key))


def _failing_transaction(client: Client, ledger: Ledger, options: ExecuteOptions) -> Any:
    write = ledger.inside(options.idempotency_key)

    def write_and_decline(session: Any) -> Any:
        write(session)
        raise DeclinedError

    return client.transact(options, write_and_decline)


def _in_hosts_session(client: Client, ledger: Ledger, options: ExecuteOptions) -> Any:
    return client.join(options, ledger.inside(options.idempotency_key))


_FAILED_ONCE = ((), ("failed",))

CALLS: tuple[Call, ...] = (
    Call("external", _external),
    # A renewal that fails is raised into the block, which then has failed, and is tried again.
    Call("external, many at once", _many, keys=_MANY),
    Call("external, by a handle that renews", _by_handle, history=_FAILED_ONCE, renews=True),
    Call("external, replaying", _external, begin="completed", effects=0),
    Call("external, taking over", _taking_over, begin="abandoned", history=(("abandoned",),)),
    Call("external, failing", _failing, ends=("failed",), effects=0, history=(("failed",),)),
    Call("transactional", _transactional),
    Call(
        "transactional, failing",
        _failing_transaction,
        ends=("failed", "absent"),
        effects=0,
        history=_FAILED_ONCE,
    ),
    Call("transactional, replaying", _transactional, begin="completed", effects=0),
    Call("host's session", _in_hosts_session, is_hosts=True),
)
