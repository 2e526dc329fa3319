"""Ask the process that holds the connection, and never wait longer than said."""

import multiprocessing
import time
from collections import deque
from typing import NamedTuple

from minijepa_robot.arm import interface
from minijepa_robot.arm.interface import ArmError, Busy, NoAnswer
from minijepa_robot.arm.operator_stop import OperatorStop
from minijepa_robot.arm.worker import Link, serve

LOAD_TIME, CONNECT_TIME = 60.0, 6.0  # s to start the worker on a busy machine; to connect, three attempts of 1 s included
ANSWER_TIME, STOP_TIME = 3.0, 2.5  # s for a call, of which libfranka itself takes 1 s to find that nothing comes; for a stop


class Note(NamedTuple):
    """Hold one line of what was sent and what came of it."""

    seconds: float  # of time.monotonic
    what: str
    outcome: str


class Remote:
    """Hold the worker that holds the arm.

    log: where the outcome of every stop is noted. Raises ``Busy`` if the arm's server does not take us in time, another
    ``NoConnection`` if it says why, ``LostConnection`` if the worker dies.
    """

    def __init__(self, link: Link, stop: OperatorStop, log: deque[Note]) -> None:
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._log = log
        self._process = context.Process(target=serve, args=(link, stop, theirs), daemon=True)
        self._process.start()
        theirs.close()
        try:
            self._answer("load", LOAD_TIME)
            self._answer("connect", CONNECT_TIME)
        except NoAnswer as error:
            wrong = f"{link.host} listens, but did not take a client within {CONNECT_TIME:g} s"
            raise Busy.about(wrong, "end the other client, or restart the server") from error
        except ArmError:
            self.drop()
            raise

    @property
    def pid(self) -> int:
        """Return the number of the worker's process."""
        return self._process.pid

    def ask(self, name: str, *arguments: object, wait: float | int = ANSWER_TIME) -> object:
        """Let the worker do one thing and return the answer; raise its error, or ``NoAnswer`` and end it."""
        try:
            self._line.send((name, arguments))
        except OSError as error:
            raise self._died() from error
        return self._answer(name, wait)

    def stop(self, why: str) -> str:
        """Tell arm and hand to stop; where that does not come back, end the connection, which stops them too."""
        try:
            return self.note(f"stop ({why})", str(self.ask("stop", wait=STOP_TIME)))
        except ArmError as error:
            self.drop()
            return self.note(f"stop ({why})", f"connection ended, since the call failed: {error}")

    def note(self, what: str, outcome: str) -> str:
        """Keep what came of a command, and return it."""
        self._log.append(Note(time.monotonic(), what, outcome))
        return outcome

    def drop(self) -> None:
        """End the worker at once; its sockets close, and the arm's controller holds its place."""
        self._line.close()
        self._process.kill()
        self._process.join(5)

    def _answer(self, name: str, wait: float | int) -> object:
        try:
            if not self._line.poll(wait):
                self.drop()
                self.note(f"{name}: no answer", "worker ended, which closes the connection")
                wrong = f"expected the answer to {name!r} within {wait:g} s, got none"
                raise NoAnswer.about(wrong, "the arm holds its place; see whether its server is well, then connect again")
            answer = self._line.recv()
        except (EOFError, OSError) as error:
            raise self._died() from error
        if answer[0] == "done":
            return answer[1]
        _, kind, text, outcome = answer
        self.note(f"stop ({kind})", outcome)
        raise getattr(interface, kind)(text)

    def _died(self) -> ArmError:
        self._process.join(1)
        wrong = f"expected the process that holds the connection to live, it ended with {self._process.exitcode}"
        return interface.LostConnection.about(wrong, "the arm holds its place; connect again")
