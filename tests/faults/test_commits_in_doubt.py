"""A COMMIT whose answer is lost by a server that then stays away for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exec_tracker import TransientStorageError
from proof.ledger import Ledger
from proof.wire.proxy import Proxy
from tests.support.away import Away

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proof.wire.messages import Message
    from tests.support.fixtures import NewSubject


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    ledger = Ledger(database_url)
    yield ledger
    ledger.close()


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with Proxy(database_url) as proxy:
        yield proxy


def is_commit(message: Message) -> bool:
    return message.data.endswith(b"COMMIT\0")


def test_a_commit_in_doubt_is_settled_once_the_server_is_back(
    new_subject: NewSubject, ledger: Ledger, proxy: Proxy
) -> None:
    subject = new_subject(proxy.url)
    subject.execute_in_transaction(ledger.options("first"), ledger.inside("first"))
    away = Away(0.5, is_commit)
    proxy.judge = away
    told = subject.execute_in_transaction(ledger.options("k"), ledger.inside("k"))
    assert away.began
    assert ledger.outcomes()["k"] == ("completed", told["run"])
    assert (ledger.effects("k"), subject.pool.checkedout()) == (1, 0)


def test_a_commit_in_doubt_is_said_so_where_the_server_stays_away(
    new_subject: NewSubject, ledger: Ledger, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exec_tracker.flow.transactional.PATIENCE_SECONDS", 0.2)
    subject = new_subject(proxy.url)
    subject.execute_in_transaction(ledger.options("first"), ledger.inside("first"))
    proxy.judge = Away(5.0, is_commit)
    with pytest.raises(TransientStorageError) as caught:
        subject.execute_in_transaction(ledger.options("k"), ledger.inside("k"))
    # The last it heard was that nothing could be sent, but the COMMIT had been.
    assert caught.value.in_doubt
    proxy.judge = lambda _message: None
    subject.execute_in_transaction(ledger.options("k"), ledger.inside("k"))
    assert ledger.effects("k") == 1
