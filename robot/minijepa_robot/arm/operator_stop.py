"""Let a person stop the arm: a button in the program, a file that any terminal can make, or the Enter key.

    stop = OperatorStop(Path("STOP"))       # `touch STOP` in another terminal stops the arm
    arm = FrankaArm(host, "hardware", stop=stop)
    stop.press()                            # so does this, from any thread
    stop.press_after(input)                 # and so does Enter

It is asked before every command, and every 5 ms while the arm moves, by the process that holds the connection. It does not
replace the arm's own emergency stop, which needs none of this software.
"""

import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path


class OperatorStop:
    """Hold whether a person wants the arm to stop; shared with the process that holds the connection.

    file: stops the arm while it exists. The button is one byte of shared memory without a lock, since a process that is
    killed while it holds a lock would leave every other one waiting.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = None if file is None else Path(file).absolute()
        self._pressed = multiprocessing.get_context("spawn").RawValue("b", 0)

    def press(self) -> None:
        """Stop the arm."""
        self._pressed.value = 1

    def release(self) -> None:
        """Allow the arm to move again, once it has been connected again; the file has to be removed by hand."""
        self._pressed.value = 0

    def asked(self) -> bool:
        """Tell whether a person wants the arm to stop."""
        return bool(self._pressed.value) or (self.file is not None and self.file.exists())

    def press_after(self, wait: Callable[[], object]) -> threading.Thread:
        """Press the button as soon as a call returns or fails, such as ``input``: Enter stops the arm; return the thread."""
        thread = threading.Thread(target=self._press_after, args=(wait,), daemon=True)
        thread.start()
        return thread

    def _press_after(self, wait: Callable[[], object]) -> None:
        try:
            wait()
        except (EOFError, OSError, ValueError):
            pass  # a keyboard that is gone stops the arm too
        self.press()
