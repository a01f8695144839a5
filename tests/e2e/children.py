"""Work in a forked child."""

from __future__ import annotations

import os
import pickle
import signal
import traceback


def in_child(work):
    """What ``work`` returns in a forked child, or the failure it ended with."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that hangs ends, and the test fails
        try:
            answer = ("returned", work())
        except BaseException:
            answer = ("raised", traceback.format_exc())
        os.write(writer, pickle.dumps(answer))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        raw = pipe.read()
    _, status = os.waitpid(child, 0)
    assert raw, f"the child ended with status {status}"
    how, value = pickle.loads(raw)
    assert how == "returned", value
    return value
