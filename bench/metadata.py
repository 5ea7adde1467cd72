"""Creating and reading videos on SQLite (`vora up`) and on PostgreSQL (vora-metadata of the stack)."""

import measure
from real_stack import Stack

ROUNDS = 2
SECONDS = 4

CREATE = """wrk.method = "POST"
wrk.body = '{{"title": "bench"}}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {token}"
"""
READ = """wrk.headers["Authorization"] = "Bearer {token}"
"""


def side(server, address, pids):
    """{figure: value} of one database."""
    scripts = {}
    for name, text in (("create", CREATE), ("read", READ)):
        scripts[name] = server.dir / f"{name}.lua"
        scripts[name].write_text(text.format(token=server.token))
    video = server.call("POST", "/v1/videos", {"title": "bench"})
    urls = {"create": address + "/v1/videos", "read": f"{address}/v1/videos/{video['id']}"}
    figures = {}
    for name, url in urls.items():
        runs = [measure.wrk(url, pids, SECONDS, script=scripts[name]) for _ in range(ROUNDS)]
        best = max(runs, key=lambda one: one["per_s"])
        figures[f"{name}s_per_s"] = round(best["per_s"])
        figures[f"{name}_p99_ms"] = round(best["p99_ms"], 2)
        figures[f"{name}_service_cpu_us"] = round(1e6 * best["cpu_s"] / best["requests"])
    return figures


def bench():
    if not measure.needs("wrk", "wrk"):
        return {"skipped": "needs wrk"}
    figures = {}
    server = measure.Server()
    try:
        embedded = side(server, server.url, [server.pid])
    finally:
        server.stop()
    stack = Stack()
    try:
        real = side(stack, stack.address("metadata"), [stack.pid("metadata")])
    finally:
        stack.stop()
    for name, found in (("sqlite", embedded), ("postgresql", real)):
        figures.update({f"{key}_{name}": value for key, value in found.items()})
    return figures
