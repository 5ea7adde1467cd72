"""What /proc says about processes: who descends from whom, who is alive, who stands in a directory."""

import os


def _stat(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            text = f.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold anything, so the fields are counted from its end.
    fields = text[text.rindex(")") + 2 :].split()
    return {"state": fields[0], "ppid": int(fields[1]), "start": int(fields[19])}


def _runs(pid, stat):
    """A process whose first thread has ended lives, and holds its locks, while another thread does."""
    if stat["state"] not in ("Z", "X"):
        return True
    try:
        return any(int(thread) != pid for thread in os.listdir(f"/proc/{pid}/task"))
    except (FileNotFoundError, ProcessLookupError):
        return False


def alive(pid):
    """True for a process that still runs: one that only waits to be reaped does not."""
    stat = _stat(pid)
    return stat is not None and _runs(pid, stat)


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def descendants(pid):
    """{pid: name} of everything that came from this process and is alive."""
    children = {}
    for other in all_pids():
        stat = _stat(other)
        if stat and _runs(other, stat):
            children.setdefault(stat["ppid"], []).append(other)
    found, queue = {}, [pid]
    while queue:
        for child in children.get(queue.pop(), []):
            found[child] = name_of(child)
            queue.append(child)
    return found


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as f:
            return f.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def working_directory(pid):
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def inside(directory):
    """Live processes whose working directory lies in `directory`."""
    prefix = os.path.realpath(directory)
    return [
        pid
        for pid in all_pids()
        if alive(pid)
        and (working_directory(pid) == prefix or working_directory(pid).startswith(prefix + "/"))
    ]
