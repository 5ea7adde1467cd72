"""What the gateway adds to the store's time to the first byte, open loop, beside nginx as a proxy of the store.

The three answer with the same object of the same MinIO: the gateway at /play, nginx with the store's own signed
URL, the store itself. The rate is 20 % of what the store alone can do, which a closed loop measures first.
"""

import datetime
import json
import subprocess

import measure
from minio import Minio as Client
from playback import Nginx
from real_stack import Stack

ROUNDS = 3
SECONDS = 10
SHARE = 0.2

PROXY = """daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log {dir}/access.log; keepalive_requests 1000000;
  client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  upstream store {{ server {store}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://store; proxy_http_version 1.1; proxy_set_header Connection "";
                  proxy_set_header Host {store}; proxy_buffering on; }}
  }}
}}
"""


def open_loop(url, rate, seconds=SECONDS):
    done = subprocess.run([measure.BINARY.parent / "vora-openloop", "--rate", str(rate), "--seconds", str(seconds), url],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    report = json.loads(done.stdout)
    if set(report["statuses"]) != {"200"} or report["errors"] or report["not_sent"]:
        raise SystemExit(f"open loop on {url}: {done.stdout}")
    return report


def segment_of(client, video):
    found = client.list_objects("bucket-processed", prefix=video["id"] + "/", recursive=True)
    segments = [o for o in found if "/seg_" in o.object_name]
    return max(segments, key=lambda o: o.size)


def bench():
    if not (measure.needs("wrk", "wrk") and measure.needs("nginx", "nginx-light")):
        return {"skipped": "needs wrk and nginx"}
    stack = Stack()
    nginx = None
    try:
        clip = stack.dir / "clip.mp4"
        measure.make_clip(clip, 8, 1280, 720)
        video = stack.ready_video(clip)
        keys = stack.environment
        store = keys["VORA_S3_URL"].removeprefix("http://")
        client = Client(store, keys["VORA_S3_ACCESS_KEY"], keys["VORA_S3_SECRET_KEY"], secure=False)
        segment = segment_of(client, video)
        signed = client.presigned_get_object("bucket-processed", segment.object_name,
                                             expires=datetime.timedelta(hours=6))
        nginx = Nginx(stack.dir / "proxy", PROXY, store=store)
        urls = {"store": signed,
                "gateway": f"{stack.address('gateway')}/play/public/{segment.object_name}",
                "nginx": signed.replace(store, f"127.0.0.1:{nginx.port}")}
        capacity = measure.wrk(signed, [stack.pid("minio")], 5)["per_s"]
        rate = round(SHARE * capacity)
        figures = {"segment_kb": round(segment.size / 1000), "store_requests_per_s": round(capacity),
                   "rate_per_s": rate, "samples": []}
        for url in urls.values():  # connections and caches of all three are warm
            open_loop(url, rate, 2)
        for _ in range(ROUNDS):
            figures["samples"].append({name: open_loop(url, rate) for name, url in urls.items()})
        for name in urls:
            for kind in ("first_byte_ms", "total_ms"):
                for point in ("p50", "p99"):
                    values = sorted(sample[name][kind][point] for sample in figures["samples"])
                    figures[f"{name}_{kind}_{point}"] = round(values[len(values) // 2], 2)
        for name in ("gateway", "nginx"):
            figures[f"{name}_added_first_byte_ms_p99"] = round(
                figures[f"{name}_first_byte_ms_p99"] - figures["store_first_byte_ms_p99"], 2)
        return figures
    finally:
        if nginx:
            nginx.stop()
        stack.stop()
