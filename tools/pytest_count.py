"""A pytest plugin that leaves the counts of a run in the file named by VORA_PYTEST_COUNT."""

import json
import os


def pytest_terminal_summary(terminalreporter):
    path = os.environ.get("VORA_PYTEST_COUNT")
    if not path:
        return
    stats = terminalreporter.stats
    counts = {
        "passed": len(stats.get("passed", [])),
        "failed": len(stats.get("failed", [])) + len(stats.get("error", [])),
        "skipped": len(stats.get("skipped", [])),
    }
    with open(path, "w", encoding="utf-8") as out:
        json.dump(counts, out)
