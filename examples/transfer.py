"""Move money between two accounts of this database, exactly once: the transactional mode.

    python examples/transfer.py [DATABASE_URL]

Claim, both balances and the result commit together, in a transaction that the host began.
Without a URL it starts a private PostgreSQL, for which it needs the extra `embedded`.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Engine, create_engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from exec_tracker import ExecuteOptions, ExecutionTracker, migrations
from exec_tracker.embedded import EmbeddedPostgres
from exec_tracker.settings import normalise_url

if TYPE_CHECKING:
    from collections.abc import Iterator

ADA = UUID("5f0c1d62-9a56-4b53-8f43-1a3b2f6f9a10")


class Base(DeclarativeBase):
    """The host's own tables."""


class Account(Base):
    """Money that somebody has."""

    __tablename__ = "example_accounts"
    __table_args__ = (CheckConstraint("cents >= 0"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    cents: Mapped[int] = mapped_column(BigInteger)


def transfer(tracker: ExecutionTracker, session: Session, key: str, cents: int) -> dict[str, int]:
    """Move money in the caller's transaction, unless that was done under this key before."""

    def move(lent: Session) -> dict[str, int]:
        names = ("ada", "bob")  # in one order, so that transfers do not deadlock
        query = select(Account).where(Account.name.in_(names)).order_by(Account.name)
        ada, bob = lent.scalars(query.with_for_update())
        ada.cents -= cents
        bob.cents += cents
        return {"moved": cents}

    options = ExecuteOptions(
        idempotency_key=key,
        workflow_id="transfer",
        user_id=ADA,
        parameters={"cents": cents},
    )
    return tracker.execute_in_transaction(options, move, session=session)


def balances(engine: Engine) -> dict[str, int]:
    """Return what everybody has."""
    with Session(engine) as session:
        return {one.name: one.cents for one in session.scalars(select(Account))}


def show(engine: Engine, tracker: ExecutionTracker) -> None:
    """Transfer twice under one key, then more than there is under another."""
    for _ in range(2):
        with Session(engine) as session, session.begin():
            answer = transfer(tracker, session, "transfer-1", 300)
        print(answer, balances(engine))
    try:
        with Session(engine) as session, session.begin():
            transfer(tracker, session, "transfer-2", 9999)
    except IntegrityError:
        print("refused", balances(engine), tracker.get_execution("transfer-2"))


@contextmanager
def database(url: str | None) -> Iterator[str]:
    """Yield a migrated database."""
    if url is None:
        with EmbeddedPostgres() as server, database(server.url) as own:
            yield own
        return
    migrations.upgrade(url)
    yield url


def main() -> None:
    """Make two accounts and show what happens to them."""
    with database(sys.argv[1] if len(sys.argv) > 1 else None) as url:
        engine = create_engine(normalise_url(url))
        Base.metadata.drop_all(engine)
        Base.metadata.create_all(engine)
        with Session(engine) as session, session.begin():
            session.add_all([Account(name="ada", cents=1000), Account(name="bob", cents=0)])
        with ExecutionTracker(engine) as tracker:
            tracker.ensure_user(ADA)
            show(engine, tracker)
        engine.dispose()


if __name__ == "__main__":
    main()
