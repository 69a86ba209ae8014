"""The demo itself: start the processes, kill one in mid-effect, replace it, count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exec_tracker.cli.demo.crew import Crew
from exec_tracker.cli.demo.messages import News
from exec_tracker.cli.demo.tally import Kill
from exec_tracker.cli.faults import CommandLineError
from exec_tracker.cli.statuses import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.cli.demo.crew import Member
    from exec_tracker.cli.demo.messages import Assignment, Message
    from exec_tracker.cli.demo.tally import Tally

__all__ = ["Performance"]


class Performance:
    """One run of the demo."""

    def __init__(
        self,
        assignment: Assignment,
        tally: Tally,
        *,
        remark: Callable[[str], None],
        advance: Callable[[int, int], None],
    ) -> None:
        """Report remarks, and after every delivery how many of how many are answered."""
        self._assignment = assignment
        self._tally = tally
        self._remark = remark
        self._advance = advance
        self._seed = 0

    def run(self, workers: int, *, kill_in: int | None) -> None:
        """Have `workers` processes deliver everything; one dies in its own `kill_in`-th effect.

        Raises CommandLineError where a process ends before its work is done.
        """
        with Crew() as crew:
            stops = [kill_in, *[None] * (workers - 1)]
            members = [crew.hire(self._next_assignment(stop)) for stop in stops]
            self._await_ready(crew, workers)
            for member in members:
                member.begin()
            self._listen(crew, set(members))

    def _next_assignment(self, stops_at: int | None) -> Assignment:
        self._seed += 1
        return self._assignment.model_copy(update={"seed": self._seed, "stops_at": stops_at})

    def _await_ready(self, crew: Crew, workers: int) -> None:
        """Let nobody begin before everybody can, so that they really run at once."""
        for _ in range(workers):
            member, message = crew.next_report()
            _check(member, message)

    def _listen(self, crew: Crew, busy: set[Member]) -> None:
        working = set(busy)
        while working:
            member, message = crew.next_report()
            if member not in working:
                continue
            report = _check(member, message)
            self._tally.note(member, report)
            match report.news:
                case News.DONE:
                    working.discard(member)
                case News.READY:
                    member.begin()
                case News.STOPPED:
                    working.discard(member)
                    working.add(self._kill(crew, member, report.key))
            self._show(working)

    def _kill(self, crew: Crew, member: Member, key: str) -> Member:
        """Kill a process where it stands, and hire another for its work."""
        member.kill()
        moment = self._assignment.moment
        self._tally.kills.append(Kill(member.pid, key, moment))
        another = crew.hire(self._next_assignment(None))
        self._remark(
            f"Killed process {member.pid} {moment.replace('-', ' its ')}; "
            f"process {another.pid} replaces it."
        )
        return another

    def _show(self, working: set[Member]) -> None:
        answered = self._tally.answered
        each = self._tally.deliveries * self._assignment.times
        left = sum(each - answered[member] for member in working)
        done = answered.total()
        self._advance(done, done + left)


def _check(member: Member, message: Message | None) -> Message:
    if message is None:
        raise CommandLineError(
            f"process {member.pid} of the demo ended before its work was done; start it again",
            ExitStatus.INTERNAL,
        )
    if message.news is News.FAULT:
        raise CommandLineError(message.text, ExitStatus(message.status))
    return message
