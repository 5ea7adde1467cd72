"""Events into the spool: how many a CPU core takes, one by one and in batches. What is counted is what the
service says it accepted and did not drop."""

import json
import uuid

import measure

BATCH = 100


def body(count):
    video, session = str(uuid.uuid4()), str(uuid.uuid4())
    return json.dumps({"events": [
        {"event_type": "heartbeat", "video_id": video, "user_id": "viewer-17", "session_id": session,
         "event_time": 1_790_000_000_000 + n, "seq": n, "position_ms": 10_000 * n, "value": 10_000}
        for n in range(count)]})


def script(path, text):
    # The body holds no "]==]"; a Lua long string keeps it as it is.
    path.write_text(f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "text/plain"\nwrk.body = [==[{text}]==]\n')
    return path


def kept(server):
    return (server.metric("vora_analytics_events_accepted_total")
            - server.metric("vora_analytics_events_dropped_total"))


def bench(seconds=5):
    if not measure.needs("wrk", "wrk"):
        return {"skipped": "needs wrk"}
    server = measure.Server(engine=True)
    try:
        figures = {"batch": BATCH, "event_engine": "runs" if server.engine_ready() else "not there"}
        for name, count in (("single", 1), ("batched", BATCH)):
            lua = script(server.dir / f"{name}.lua", body(count))
            before = kept(server)
            one = measure.wrk(server.url + "/v1/events", [server.pid], seconds, script=lua)
            events = kept(server) - before
            figures[f"events_per_s_per_core_{name}"] = round(events / max(one["cpu_s"], 1e-9))
            figures[f"events_per_s_{name}"] = round(events / one["wall_s"])
            figures[f"p99_ms_{name}"] = round(one["p99_ms"], 2)
            figures[f"lost_{name}"] = max(0, round(one["requests"] * count - events))
        figures["rss_after_mib"] = round(measure.rss_mib(server.pid), 1)
        return figures
    finally:
        server.stop()
