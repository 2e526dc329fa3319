"""Run a program in a process of its own, which finds the same packages as this one."""

import hashlib
import os
import subprocess
import sys


def run(program, without=()):
    """Run the text of a program; without: variables of the environment that it does not get."""
    environment = {key: value for key, value in os.environ.items() if key not in without}
    environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120)


def digests_here_and_there(program):
    """Run a program that feeds a sha1 named ``digest``, in this process and in another; return what each came to."""
    here = {}
    exec(program, here)
    done = run(program + "print(digest.hexdigest())")
    assert done.returncode == 0, done.stderr
    assert here["digest"].hexdigest() != hashlib.sha1().hexdigest(), "the program fed nothing to its digest"
    return here["digest"].hexdigest(), done.stdout.strip()
