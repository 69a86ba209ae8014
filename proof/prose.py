"""What docs/explanation/proof.md says around its tables."""

from __future__ import annotations

INTRODUCTION = """\
# Proof

What the guarantees say was tried, and not only argued: the flow of an execution is a generator of
commands, so a search can let several callers take turns on real connections to a real PostgreSQL,
in every order, without threads and without sleeping; and faults strike real processes that call the
library over real drivers. This page is written by `make proof`; every figure on it comes from the
runs named here, whose last results are kept in `proof/recorded.json`.
"""

INTERLEAVINGS = """\
## Every order of turns

Two contenders make the same request on one key, most of the time with a further actor. A *turn* is
one statement of the protocol, the commit of a statement that has locked the row (so that others
come upon it in flight, and wait for it), one run of the function, or one move of the clock by more
than a lease. Sleeping takes no time; time passes by a turn of the clock alone, in the database and
for the callers. Who waits for a lock is seen in `pg_blocking_pids`.

After every turn these are checked from another connection:

- each run of a function has a licence: the key was free, an attempt had failed, or somebody's word
  gave one (`reset`, `resolve(error=…)`, deletion or purge, `on_abandoned="retry"`); for external
  executions runs are counted as they begin, for transactions as they are committed;
- a completed row never changes, but by erasure;
- a claim whose lease is live is left by its own token alone; attempts never decrease, and each new
  claim counts one;
- an abandoned execution is left only by its own token, `resolve`, a webhook's `mark_completed`,
  `verify=`, `reset`, deletion, or a caller who said `on_abandoned="retry"`; a caller who was
  interrupted before the function began takes that word back;
- a result told to any caller is the stored one; a result that could not be stored is on the error;
- nobody is told of an abandonment, a lost lease or a deletion that was none; nobody is refused by
  a claim of its own, and no caller hears of an error that is not part of the interface;
- the heartbeat renews no foreign lease and waits for nobody; a transaction commits no claim alone;
- no attempt ends twice in the history, unless verifications could not tell; every schedule ends.

**What these are not.** `reset`, `resolve` as failed, deletion, purge and `on_abandoned="retry"` are
the caller's word that the work may be done again. Where the old owner is merely late, its effect
and the new one both happen: then the check is that one more run happens and not two, and that the
late owner hears `LeaseLostError`, with its result, and changes nothing.

Where a second caller would wait for a row for which one waits already, it sends its statement when
the first has the lock: which of two waiters PostgreSQL lets go first is its own race. A state that
other turns have led to before is not gone into again, and the schedules through it are counted. A
state is the row and its history, every answer that every actor got, and what the checks remember;
a test compares the count with the one that is got by running them all. Each cell reads *orders
covered / executed*, and **+** marks a search that this run's time has cut short.

*A fault of the first's*: at any one of its turns its process dies, its connection breaks before the
statement arrives or before the answer does (the old backend then commits or rolls back at any later
turn), the server refuses the statement for good, or somebody presses Ctrl-C.

*A taker over, interrupted*: Ctrl-C at any turn of a caller with `on_abandoned="retry"`, beside a
contender. Unless its function has begun, what it displaced is abandoned as it was found.
*A verifier, interrupted*: the same with `verify=`. *batch* is a caller of `execute_many`.
"""

THREES = """\
## Three contenders

Three make the same request, alone or with a further actor. Of two turns that touch nothing in
common, such as a read and a run of somebody else's function, one order is tried: what was tried
before an independent turn is not tried after it (sleep sets). What a turn touches is observed when
it is taken; in doubt two turns depend on each other. Tests hold that this search ends in the same
ways as the full one, and the table of mutations below that it sees what the full one sees. Without
a further actor each cell reads *orders covered / orders that differ / executed*, otherwise the last
two.
"""

MUTATED = """\
## Does it bite?

Each of these changes to the protocol is made in turn, and the search goes on until a promise
breaks. First without the database's own guard, so that the protocol stands alone; then with it, and
then by the search that leaves out orders which make no difference. *Refused by it*: with the guard
the mutation does no harm.
"""

CRASHES = """\
## Crash points

One call, alone, on a key that nobody has used, struck at each of its turns; then the next caller
with the same request, time for a lease to run out, and another. *Runs it* means that the call ran
the function itself. The run also struck calls that found a pending, an expired and a failed row.
"""

KILLS = """\
## Killed processes

The same with a process of its own and SIGKILL, over the tracker as it is shipped.
"""

MODEL = """\
## Random programs

Programs of API calls, made at random: every door (a function, a transaction of the tracker's or of
the host's, a handle that is held and ended later or too late, many keys at once), every wish
(`on_failed`, `on_abandoned`, `retry`, `verify`, `on_running`), every verb, and time that passes; by
two users, on keys that they share and keys of their own, over two synchronous trackers and an
asynchronous one in turn. After each call the answer, every stored row with its history, and the
listings are compared with a dictionary that behaves as documented.
"""

AFTER = """\
## What is not here

Four contenders at once, but in the soak; what commits between the two statements inside the claim's
function, unless the first waits for it; machines that lose power, with what their disks had not yet
written; two servers that both believe that they are the primary.
"""
