"""How fast it starts, and what it takes while nobody asks for anything, by process."""

import time

import measure

SETTLE_S = 5  # what is left after start-up work has ended
WATCHED_S = 10


def bench():
    first = measure.Server(engine=True)
    first.engine_ready()  # the first start on a machine fetches the engine's library
    first.stop()
    server = measure.Server(engine=True)
    try:
        has_engine = server.engine_ready()
        time.sleep(SETTLE_S)
        before = server.cpu_seconds()
        time.sleep(WATCHED_S)
        figures = {
            "event_engine": "runs" if has_engine else "not there",
            "start_s": round(server.start_seconds, 3),
            "idle_cpu_percent": round((server.cpu_seconds() - before) / WATCHED_S * 100, 2),
            "idle_rss_mib_vora": round(measure.rss_mib(server.pid), 1),
            "idle_threads_vora": measure.status_of(server.pid, "Threads"),
            "idle_open_files_vora": measure.open_files(server.pid),
        }
        for pid, name in measure.children_of(server.pid).items():
            figures[f"idle_rss_mib_child_{name}"] = round(measure.rss_mib(pid), 1)
        return figures
    finally:
        server.stop()
