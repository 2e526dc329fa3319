"""A person can stop the arm by a button, by a file, and by a key, also from another process."""

import io
import multiprocessing
import threading

from minijepa_robot.arm.operator_stop import OperatorStop


def press(stop):
    stop.press()


def test_button():
    stop = OperatorStop()
    assert not stop.asked()
    stop.press()
    assert stop.asked()
    stop.release()
    assert not stop.asked()


def test_file_stops_until_it_is_removed(tmp_path):
    stop = OperatorStop(tmp_path / "STOP")
    assert not stop.asked()
    (tmp_path / "STOP").touch()
    stop.release()
    assert stop.asked()
    (tmp_path / "STOP").unlink()
    assert not stop.asked()


def test_enter_or_the_end_of_the_keyboard():
    for typed in ("\n", ""):
        stop, keyboard = OperatorStop(), io.StringIO(typed)

        def read(keyboard=keyboard):
            if not keyboard.readline():
                raise EOFError

        stop.press_after(read).join(5)
        assert stop.asked()


def test_nothing_is_pressed_while_the_keyboard_rests():
    stop, key = OperatorStop(), threading.Event()
    thread = stop.press_after(key.wait)
    assert not stop.asked()
    key.set()
    thread.join(5)
    assert stop.asked()


def test_button_is_shared_with_other_processes():
    stop = OperatorStop()
    process = multiprocessing.get_context("fork").Process(target=press, args=(stop,))
    process.start()
    process.join(10)
    assert process.exitcode == 0 and stop.asked()
