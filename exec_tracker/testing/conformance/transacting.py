"""What commits together, and what is undone together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaitingError
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from exec_tracker.errors import ExecutionInProgressError
from exec_tracker.models import WorkflowExecution
from exec_tracker.testing.conformance.held import holding
from exec_tracker.testing.conformance.site import WORKFLOW
from exec_tracker.testing.conformance.verdicts import PromiseBrokenError, demand
from exec_tracker.types import ExecutionResult

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from exec_tracker.testing.conformance.site import Site
    from exec_tracker.types import ExecuteOptions

__all__ = [
    "claims_wait_no_longer_than_their_bound",
    "commits_come_together",
    "failures_undo_writes",
    "hosts_rollback_undoes_all",
    "one_of_many_transactions_writes",
    "refusals_leave_the_transaction_usable",
]


class _Write:
    """A function that writes a row of its own in the session, as a host's would."""

    def __init__(self, site: Site, *, raises: Exception | None = None) -> None:
        self.site = site
        self.key = site.key()
        self.raises = raises

    def __call__(self, session: Session) -> str:
        row = {"id": self.key, "workflow_id": WORKFLOW, "user_id": self.site.user_id}
        mapped = {"schema_translate_map": {None: self.site.schema}}
        write = insert(WorkflowExecution).values(**row, status="pending")
        session.execute(write, execution_options=mapped)
        if self.raises is not None:
            raise self.raises
        return "written"


def commits_come_together(site: Site) -> str:
    """Look from another connection before the host's commit and after it."""
    options, write = site.options(), _Write(site)
    with site.session() as session:
        site.tracker.execute_in_transaction(options, write, session=session)
        early = [key for key in (options.execution_id, write.key) if site.exists(key)]
        demand(not early, "what is not committed can be seen")
        session.commit()
    demand(site.exists(write.key), "the write is not there after the commit")
    seen = site.tracker.get_execution(options.execution_id)
    demand(seen is not None and seen.result == "written", "the result is not there")
    return ""


def hosts_rollback_undoes_all(site: Site) -> str:
    """Roll the host's transaction back."""
    options, write = site.options(), _Write(site)
    with site.session() as session:
        site.tracker.execute_in_transaction(options, write, session=session)
        session.rollback()
    left = [key for key in (options.execution_id, write.key) if site.exists(key)]
    demand(not left, "something is there after the rollback")
    return ""


def failures_undo_writes(site: Site) -> str:
    """Raise after a write: the write goes, and the failure stays."""
    options, write = site.options(), _Write(site, raises=ValueError("conformance"))
    try:
        site.tracker.execute_in_transaction(options, write)
    except ValueError:
        pass
    else:
        raise PromiseBrokenError("the function's exception was lost")
    demand(not site.exists(write.key), "what a failed function wrote is there")
    seen = site.tracker.get_execution(options.execution_id)
    demand(seen is not None and seen.status == "failed", "the failure was not recorded")
    return ""


def one_of_many_transactions_writes(site: Site) -> str:
    """Write from many connections under one key."""
    options, wrote = site.options(), list[int]()
    write = _Write(site)

    def function(session: Session) -> str:
        wrote.append(1)
        return write(session)

    answers = site.at_once(lambda: site.tracker.execute_in_transaction(options, function))
    wrong = [one for one in answers if one != "written"]
    demand(not wrong, f"a caller got {wrong[:1]!r}")
    demand(site.exists(write.key), "the write is not there")
    return ""


def claims_wait_no_longer_than_their_bound(site: Site) -> str:
    """Hold the key in an open transaction, and claim it from another connection."""
    options = site.options()
    with ThreadPoolExecutor(1) as thread, site.session() as host:
        site.tracker.execute_in_transaction(options, lambda _: "held", session=host)
        claiming = thread.submit(site.tracker.execute, options, lambda: "ran")
        try:
            error = claiming.exception(site.patience)
        except StillWaitingError:
            raise PromiseBrokenError(f"a claim waited for {site.patience:g} s") from None
        finally:
            host.rollback()
    demand(isinstance(error, ExecutionInProgressError), f"the claim heard {error!r}")
    return ""


def refusals_leave_the_transaction_usable(site: Site) -> str:
    """Have a call refused within the host's transaction, which goes on, and holds no lock of it."""
    options, write = site.options(), _Write(site)
    with holding(site, options) as owner, site.session() as session:
        _refused(site, options, session)
        write(session)
        ended = owner.end(site.patience)
        demand(isinstance(ended, ExecutionResult), f"the owner was held up: {ended!r}")
        session.commit()
    demand(site.exists(write.key), "the host's transaction was lost")
    return ""


def _refused(site: Site, options: ExecuteOptions, session: Session) -> None:
    def function(_: Any) -> str:
        return "second"

    try:
        site.tracker.execute_in_transaction(options, function, session=session)
    except ExecutionInProgressError:
        return
    raise PromiseBrokenError("a call was not refused while the key was held")
