"""Give every failure of libfranka, as franky reports it, one of our names and a way out."""

# class of franky's exception, what its text holds, our name, the way out; the first row that fits counts
FAULTS = (
    ("NetworkException", "refused", "NoServer", "start the server; on a real arm, unlock the joints and activate FCI in Desk"),
    ("NetworkException", "Connection timeout", "Busy", "end the other client, or restart the server"),
    ("NetworkException", "host", "NoServer", "check the address, e.g. with ping"),
    ("RealtimeException", "", "RealtimeMissing", "boot a PREEMPT_RT kernel; only a simulation goes without one"),
    ("IncompatibleVersionException", "", "NoConnection", "install the franky-control that fits the arm's system version"),
    ("NetworkException", "", "LostConnection", "see whether server and cable are well, then connect again"),
    ("RuntimeError", "Net Exception", "LostConnection", "see whether server and cable are well, then connect again"),
    ("RuntimeError", "Motion planner", "MotionFailed", "the target cannot be reached from here; choose another"),
    ("", "", "MotionFailed", "read the arm's message, clear its error in Desk, then connect again"),
)


def named(error: Exception) -> tuple[str, str]:
    """Return the name of our error class, and a text with what came and the way out."""
    kind, text = type(error).__name__, " ".join(str(error).split())
    for expected_kind, part, name, way_out in FAULTS:
        if expected_kind in ("", kind) and part in text:
            return name, f"expected an answer of the arm, got {kind}: {text.rstrip('.')}; {way_out}"
    raise AssertionError("the last row fits everything")
