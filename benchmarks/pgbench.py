"""The limit: PostgreSQL's own load generator, written in C, running the two statements."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.engine import make_url

from benchmarks.contenders.base import USER_ID
from benchmarks.crew import FRESH, RING
from benchmarks.lanes import LaneError
from benchmarks.server import binaries, run

if TYPE_CHECKING:
    from typing import Self

NAME: Final = "pgbench"
TITLE: Final = "pgbench, prepared statements"
_CALIBRATION: Final = 100

_FRESH: Final = f"""
\\set n :n + 1
INSERT INTO workflow_executions
       (id, workflow_id, user_id, status, started_at, attempt, claim_token, lease_expires_at)
VALUES (lpad(:run::text, 20, '0') || '-' || lpad(:client_id::text, 3, '0') || '-'
        || lpad(:n::text, 11, '0'), 'charge', '{USER_ID}', 'running', clock_timestamp(), 1,
        gen_random_uuid(), clock_timestamp() + interval '60 s')
    ON CONFLICT (id) DO NOTHING
RETURNING id AS key, claim_token AS token \\gset
UPDATE workflow_executions
   SET status = 'completed', result = '{{"charge": "ch_1"}}', completed_at = clock_timestamp(),
       lease_expires_at = NULL
 WHERE id = :key::text AND claim_token = :token::uuid AND status = 'running';
"""  # noqa: S608 # of constants
_REPLAY: Final = f"""
\\set n 1 + (:n % {RING})
SELECT workflow_id, user_id, status, result FROM workflow_executions
 WHERE id = 'pgbench-' || lpad(:n::text, 28, '0');
"""  # noqa: S608 # of constants
_RING: Final = f"""
INSERT INTO workflow_executions (id, workflow_id, user_id, status, result, completed_at)
SELECT 'pgbench-' || lpad(n::text, 28, '0'), 'charge', '{USER_ID}', 'completed',
       '{{"charge": "ch_1"}}', now()
  FROM generate_series(1, {RING}) AS n ON CONFLICT DO NOTHING"""  # noqa: S608 # of constants


class PgBench:
    """Answers as a lane does; every window is a run of the program, its connecting not counted."""

    def __init__(self, url: str) -> None:
        self._program = binaries() / NAME
        if not self._program.exists():
            raise LaneError("the server's binaries come without pgbench")
        self._url = make_url(url)
        self._runs = 0
        self._rates: dict[tuple[str, int], float] = {}
        self._folder = tempfile.TemporaryDirectory()
        for kind, script in (("fresh", _FRESH), ("replay", _REPLAY)):
            Path(self._folder.name, kind).write_text(script, encoding="utf-8")
        run(url, _RING)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def ask(self, command: str, *, kind: str, callers: int, seconds: float) -> dict[str, Any]:
        """Run for about so long; the number of transactions follows from earlier runs."""
        assert command == "window"
        known = self._rates.get((kind, callers))
        if known is None:
            known = self._run(kind, callers, _CALIBRATION)
        rate = self._run(kind, callers, max(int(known * seconds / callers), 10))
        self._rates[kind, callers] = rate
        return {"rate": rate}

    def _run(self, kind: str, callers: int, transactions: int) -> float:
        self._runs += 1
        unique = self._runs if kind == FRESH else 0
        command = [str(self._program), "--no-vacuum", "--protocol=prepared"]
        command += [f"--client={callers}", f"--jobs={min(callers, 2)}"]
        command += [f"--transactions={transactions}", f"--file={self._folder.name}/{kind}"]
        command += ["--define=n=0", f"--define=run={unique}"]
        command += ["--host", str(self._url.host), "--port", str(self._url.port)]
        command += ["--username", str(self._url.username), str(self._url.database)]
        environment = os.environ | {"PGPASSWORD": str(self._url.password)}
        done = subprocess.run(  # noqa: S603 # the server's own program
            command, check=False, capture_output=True, text=True, env=environment
        )
        found = re.search(r"tps = ([\d.]+) \(without initial", done.stdout)
        if done.returncode or not found:
            raise LaneError(done.stderr.strip().splitlines()[-1] if done.stderr else "no result")
        return float(found[1])
