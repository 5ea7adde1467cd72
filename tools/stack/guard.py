"""Ends every process of a stack when the stack itself is gone, whatever ended it.

The kernel ends our direct children with us (PR_SET_PDEATHSIG), not theirs: nginx's workers, for one, would go on.
"""

import os
import signal

from tools.stack.strays import start_time


class Guard:
    """Forked before anything else. It holds the reading end of a pipe; its end of file is our end."""

    def __init__(self, keep_closed=()):
        reading, self.writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                os.close(self.writing)
                for descriptor in keep_closed:
                    os.close(descriptor)
                nothing = os.open(os.devnull, os.O_RDWR)
                for standard in (0, 1, 2):
                    os.dup2(nothing, standard)
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)
                _watch(reading)
            finally:
                os._exit(0)
        os.close(reading)

    def add(self, pid):
        self._tell(f"+{pid} {start_time(pid)}\n")

    def remove(self, pid):
        self._tell(f"-{pid} 0\n")

    def _tell(self, line):
        try:
            os.write(self.writing, line.encode())
        except OSError:
            pass  # it was killed; the kernel still ends our children

    def close(self):
        os.close(self.writing)
        os.waitpid(self.pid, 0)


def _watch(reading):
    alive = {}
    with os.fdopen(reading) as lines:
        for line in lines:
            pid, started = line[1:].split()
            if line[0] == "+":
                alive[int(pid)] = started
            else:
                alive.pop(int(pid), None)
    for pid, started in alive.items():
        # Each leads a process group. A leader that is dead keeps its number while the group lives.
        now = start_time(pid)
        if now is None or str(now) == started:
            try:
                os.killpg(pid, signal.SIGKILL)
            except OSError:
                pass
