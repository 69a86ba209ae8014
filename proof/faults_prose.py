"""What docs/explanation/proof.md says around its tables about faults."""

from __future__ import annotations

WIRE = """\
## On the wire

One call over a real driver, through a proxy that knows PostgreSQL's protocol and strikes at one
message of the conversation, in either direction: while the connection is made, in the claim, in the
completion, in every statement of a transaction, in its COMMIT. The client calls again for as long
as it hears that it may. Then, from outside: the effect happened once, the stored result is what the
caller was told, the history has no more than it should, the pool has every connection back, and the
server has none left. No driver's own error may reach a caller, but where the host commits itself.
"""

OUTAGES = """\
## Outages

Two callers of every driver call without pause, fresh keys and repeated ones, in the external mode,
in transactions of the tracker's and in transactions of the host's, while the server is struck. *All
back* is the longest that any caller waited for its first answer once the server was there again.
At the end every key that is still open is called again or decided, and every key is judged.
"""

TIME_OUTS = """\
*Time-outs and deadlocks*: every time-out of the server is shorter than some of the work, accounts
are changed in any order, and somebody else locks the rows of running executions.
"""

FAILOVER = """\
## What an asynchronous standby loses

A standby that has not heard of the last seconds takes the place of a primary that was killed. Every
execution whose result a caller had been told is called again.
"""

LOST = """\
In the external mode a claim that was lost is a claim that was never made: the function runs again,
and its effect happens twice. In the transactional mode the function's writes are lost with the
claim, so that they are there once in the end; what the caller was told is not what is stored. With
a synchronous standby nothing of this happens; see *failover* in the table above.
"""

SOAK = """\
## The soak

Processes of every driver work at random: every mode, batches, fresh keys and those that others are
at, calls that wait and calls that do not, functions that raise, dawdle, or cannot tell what they
did. They are killed and replaced, or stopped for longer than a lease; their calls are cancelled,
their sessions terminated, their statements cancelled, their rows locked, their connections struck
on the wire, and the server is restarted or killed (its processes, not its machine: `fsync` is off).
Effects are written to files that nothing strikes, or by the transaction itself. Moments are not
repeatable, but what is decided by chance follows from the seed.
"""

AUDIT = """\
When everybody is gone, what the faults have left open is settled as an operator would who can see
the effects: by calling again, by `verify=`, by `resolve` or by `reset`. Then every key is judged:
one effect, unless the mode allows more; every answer that was given equal to the stored result;
that result's effect among those that happened; and no key unresolved.
"""
