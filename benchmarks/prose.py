"""The sentences of the page that do not depend on what was measured."""

from __future__ import annotations

from typing import Final

INTRODUCTION: Final = """\
# Performance

What one execution costs, next to the raw driver, to SQLAlchemy, and to other libraries that keep
an outcome per key in PostgreSQL. This page is written by `make bench` from
`benchmarks/results.json`; nothing on it is typed by hand but the [remarks](#remarks).

Read the ratios, not the rates: a rate belongs to one machine on one day. A ratio compares two
contenders within the same tenth of a minute, and its quartiles say how sure it is. Where the
quartiles of two contenders overlap, this page knows no difference between them.
"""

METHOD: Final = """\
## How it was measured

- **The same work.** A function that returns `{"charge": "ch_1"}`, under a new key (*fresh*) or
  under one that has its result (*replay*). All keys have 36 characters; new ones are UUIDs of
  version 7 unless it says otherwise. What a user would write per call is inside what is measured:
  making `ExecuteOptions`, for one.
- **The same server.** PostgreSQL with its durability untouched (`fsync`, `full_page_writes` and
  `synchronous_commit` are on), on the same disk, over TCP on the loopback interface. Peers have a
  database of their own in it, and make their tables as their documentation says.
- **A process per contender**, with its own environment, driven over a pipe, idle but for its
  turn.
- **Paired rounds.** In a round every contender runs in every column once, for 0.2 s after 0.02 s
  that do not count, in an order drawn anew. A ratio is taken within a round; the table gives the
  median of all rounds and, in brackets, the quartiles.
- **The floor** is psycopg2, or asyncpg, on one kept connection per caller in autocommit: `INSERT
  … ON CONFLICT DO NOTHING`, then `UPDATE`, or then `SELECT`, on the same table with the same
  triggers and indexes. It looks after nothing: no lost connection, no lock timeout, no lease that
  is renewed, no fingerprint, no error.
- **Counts** are taken with one contender at a time: statements, round trips and commits by a
  proxy that reads the protocol, flushes and bytes of WAL by the server.

What the adapters do for each contender is in `benchmarks/contenders/`, a few lines each. Where a
library leaves a choice, it got the faster one: agent-once and exactly-once, whose stores hold one
connection under a lock, have a store per thread; absurd has a queue per thread, and of a used key
it only fetches the result. idemkit is asynchronous; its callers are tasks of one event loop.
pgbench is the limit: the two statements prepared, from a program in C; its replay is the `SELECT`
alone.
"""

HEADINGS: Final = {
    "fresh": "## Fresh executions",
    "replay": "## Replays",
    "costs": "## What an execution sends and writes",
    "async": "## From asyncio",
    "waiters": "## Waiting",
    "batch": "## Many keys at a time",
    "network": "## Over a network",
    "growth": "## As the table grows",
    "heartbeat": "## Renewing leases",
    "memory": "## Memory",
}

EXPLANATIONS: Final = {
    "fresh": "A claim and a completion, each flushed to disk by itself: that is most of the time.",
    "replay": "Nothing is written, nothing is locked, nothing is flushed.",
    "costs": (
        "Fresh and replayed, per execution. Statements include `BEGIN`, `COMMIT` and what a "
        "library runs in the background; commits include those of statements that only "
        "read. Right after a start of the server nearly every page is written to the WAL "
        "whole once, so that bytes are higher here than in the long run; "
        "[growth](#as-the-table-grows) has those. `tests/integration/test_costs.py` holds "
        "our counts over every driver."
    ),
    "async": (
        "The tracker that was given a URL keeps nothing prepared, so that it also works "
        "behind a transaction pooler; *no statement cache* is asyncpg under the same "
        "condition. While a callback runs, the loop is blocked: each was timed. Processor "
        "time is what the code took; the wall clock adds what other processes took of the "
        "processors meanwhile."
    ),
    "waiters": (
        'All callers begin at once. exec_tracker\'s ask with `on_running="wait"`; the others '
        "wait as their documentation says, agent-once within one shared object."
    ),
    "batch": "One thread; `execute_many` is given 200 keys at a time, the others one.",
    "network": (
        "A proxy delays every packet by half of the given latency in either direction, "
        "without holding back what follows it. One thread, 12 rounds at most. What the "
        "shapes of the claim give is what "
        "[the decision](../decisions/0002-claim-by-insert-then-read.md) was made from."
    ),
    "growth": (
        "Tables were filled by one statement, the newest row a day old; a database per "
        "size, all sizes in the same rounds. Replays and listings are for one of 100 users, "
        "replays with keys from anywhere in the table. One row in 5,000 is running, one has "
        "failed. WAL is counted from a checkpoint on, so that it has the whole pages which "
        "random keys touch; [keys in time "
        "order](../howto/choosing-keys.md#keys-in-time-order) share theirs. Autovacuum is off, "
        "which would write in between; the tables were vacuumed once filled."
    ),
    "heartbeat": "As the server's log timed the statement, its commit included.",
    "memory": "Eight callers in one process; resident memory after a garbage collection.",
}

NOT_MEASURED: Final = "Not measured in the run that this page was made from."
