"""Every check with what it promises, in the order in which they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from exec_tracker.testing.conformance import claiming, leasing, sessions, storing, transacting
from exec_tracker.testing.conformance.verdicts import demand

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.testing.conformance.site import Site

__all__ = ["CHECKS", "CLEAN_UP", "Check"]


@dataclass(frozen=True, slots=True)
class Check:
    """A name for the command line, what is promised, and the function that tries it."""

    name: str
    promise: str
    run: Callable[[Site], str]


CHECKS: Final = (
    Check("one-runs", "of many callers at once, one runs", claiming.one_of_many_runs),
    Check("batches", "of many batches, one runs each key", claiming.one_of_many_batches_runs),
    Check("refused", "while it runs, other callers are refused", claiming.others_are_refused),
    Check("waiting", "who waits gets the result of another's run", claiming.waiters_adopt),
    Check("replay", "a replay equals the first result", claiming.replays_are_equal),
    Check("fresh-reads", "what one connection stored, all others read", claiming.reads_are_fresh),
    Check(
        "lease", "a lease ends on the database's clock", leasing.leases_end_on_the_databases_clock
    ),
    Check("clock", "the database's clock goes forward", leasing.clock_goes_forward),
    Check("abandoned", "what was abandoned is not run again", leasing.abandoned_is_not_run),
    Check(
        "take-over",
        "of many who take over, one runs, and the history keeps what was displaced",
        leasing.one_of_many_takes_over,
    ),
    Check("fence", "a late owner's write is refused", leasing.fence_refuses_late_writes),
    Check(
        "heartbeat",
        "a lease is renewed, whatever row the host has locked",
        leasing.heartbeat_skips_locked_rows,
    ),
    Check("failure", "a failure is kept in the history", storing.failures_are_kept),
    Check("final", "a completed row does not change", storing.completed_rows_do_not_change),
    Check("live", "a live claim is not taken by SQL", storing.live_claims_are_not_taken),
    Check("erasure", "an erased key stays used", storing.erased_keys_stay_used),
    Check("deletion", "a deleted key is free, without its history", storing.deleting_frees_the_key),
    Check("users", "a user who does not exist is refused", storing.unknown_users_are_refused),
    Check("durable", "what is committed survives a crash", storing.commits_are_durable),
    Check(
        "lock-bound",
        "a claim waits for another transaction no longer than its bound",
        transacting.claims_wait_no_longer_than_their_bound,
    ),
    Check(
        "together",
        "claim, writes and result commit together",
        transacting.commits_come_together,
    ),
    Check(
        "rollback", "the host's rollback undoes all of them", transacting.hosts_rollback_undoes_all
    ),
    Check("undone", "a failed function's writes are undone", transacting.failures_undo_writes),
    Check(
        "one-writes",
        "of many transactions at once, one writes",
        transacting.one_of_many_transactions_writes,
    ),
    Check(
        "usable",
        "a refusal leaves the host's transaction usable",
        transacting.refusals_leave_the_transaction_usable,
    ),
    Check("settings", "no setting stays in a session", sessions.settings_stay_as_they_were),
    Check("row-security", "no other user sees a row", sessions.other_users_see_nothing),
)


def _clean_up(site: Site) -> str:
    site.clean()
    left = site.left_behind()
    demand(not left, f"{len(left)} rows are left, {left[:1]} for one")
    return ""


CLEAN_UP: Final = Check("clean-up", "nothing of this is left", _clean_up)
