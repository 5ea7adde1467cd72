"""The gateway beside nginx: the same files, in turns, in one run."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

import measure

FILES = """daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log {dir}/access.log; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
  client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


class Nginx:
    """One process, one thread for all connections: as the platform's loop."""

    def __init__(self, directory, template, **values):
        directory.mkdir()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        config = directory / "nginx.conf"
        config.write_text(template.format(dir=directory, port=self.port, **values))
        self.process = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(config)],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.02)
        raise SystemExit("nginx did not start: " + (directory / "error.log").read_text())

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)


def largest_segment(folder):
    return max(folder.glob("*/seg_*.ts"), key=lambda p: p.stat().st_size)


def turns(server, nginx, path, url_path, rounds, seconds):
    """Best of the rounds for each: what disturbs, disturbs both."""
    best = {}
    for _ in range(rounds):
        for name, url, pid in (("vora", server.url + url_path, server.pid),
                               ("nginx", f"http://127.0.0.1:{nginx.port}/{path}", nginx.process.pid)):
            one = measure.wrk(url, [pid], seconds)
            if name not in best or one["cpu_s"] / one["requests"] < best[name]["cpu_s"] / best[name]["requests"]:
                best[name] = one
    return best


def bench(rounds=2, seconds=4):
    if not (measure.needs("wrk", "wrk") and (Path("/usr/sbin/nginx").exists() or measure.needs("nginx", "nginx"))):
        return {"skipped": "needs wrk and nginx"}
    server = measure.Server()
    nginx = None
    try:
        clip = server.dir / "clip.mp4"
        measure.make_clip(clip, 8, 1280, 720)
        video = server.ready_video(clip)
        store = server.data / "store" / "bucket-processed"
        segment = largest_segment(store / video["id"])
        nginx = Nginx(server.dir / "nginx", FILES, root=store)
        playlist = segment.parent / "playlist.m3u8"
        figures = {"segment_kb": round(segment.stat().st_size / 1000)}
        for kind, path in (("playlist", playlist), ("segment", segment)):
            relative = path.relative_to(store)
            best = turns(server, nginx, relative, f"/play/public/{relative}", rounds, seconds)
            for name, one in best.items():
                figures[f"{kind}_requests_per_s_{name}"] = round(one["per_s"])
                figures[f"{kind}_p99_ms_{name}"] = round(one["p99_ms"], 2)
                if kind == "segment":
                    megabytes = one["requests"] * path.stat().st_size / 1e6
                    figures[f"segment_cpu_ms_per_mb_{name}"] = round(1e3 * one["cpu_s"] / megabytes, 3)
                else:
                    figures[f"playlist_cpu_us_per_request_{name}"] = round(1e6 * one["cpu_s"] / one["requests"], 1)
        figures["segment_cpu_ratio"] = round(
            figures["segment_cpu_ms_per_mb_vora"] / max(figures["segment_cpu_ms_per_mb_nginx"], 1e-9), 2)
        figures["playlist_cpu_ratio"] = round(figures["playlist_cpu_us_per_request_vora"] /
                                              max(figures["playlist_cpu_us_per_request_nginx"], 1e-9), 2)
        return figures
    finally:
        if nginx:
            nginx.stop()
        server.stop()
