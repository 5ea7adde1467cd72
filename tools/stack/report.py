"""The table of what runs."""

COLUMNS = ["component", "version", "port", "pid", "memory", "state"]


def memory_of(pid):
    """Bytes of a process; of what it shares with others its part (PSS): PostgreSQL's are mostly shared."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(word) for word in f.read().split()]
    except OSError:
        return []


def memory_with_children(pid):
    """Of a process and its direct children: PostgreSQL and Varnish are several."""
    return memory_of(pid) + sum(memory_of(child) for child in children_of(pid))


def in_words(size):
    return f"{size / 2**20:.0f} MB" if size else "-"


def table(entries):
    rows = [COLUMNS]
    for e in entries:
        up = e["state"] in ("up", "starting")
        memory = in_words(memory_with_children(e["pid"])) if up else "-"
        pid = str(e["pid"]) if up else "-"
        rows.append([e["name"], e["version"], str(e["port"]), pid, memory, e["state"]])
    widths = [max(len(row[n]) for row in rows) for n in range(len(COLUMNS))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows)
