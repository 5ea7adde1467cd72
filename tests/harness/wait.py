"""Waiting with a deadline: the only way a test here lets time pass."""

import time


class Timeout(AssertionError):
    pass


def wait_until(check, timeout_s, what, interval_s=0.05):
    """Calls check() until it returns something true, and returns that.

    `what` says in the failure what did not happen; it may be a function, called then.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() >= deadline:
            text = what() if callable(what) else what
            raise Timeout(f"not within {timeout_s} s: {text}")
        time.sleep(interval_s)
