"""What a hit costs in Varnish with the grant check in VCL, beside a Varnish that checks nothing."""

import json
import time
import urllib.request

import measure
from real_stack import Stack
from tools.stack.process import Child, answers, free_port

ROUNDS = 3
SECONDS = 4

PLAIN = """vcl 4.1;
backend default {{ .host = "{host}"; .port = "{port}"; }}
sub vcl_recv {{ return (hash); }}
sub vcl_backend_response {{ unset beresp.http.Set-Cookie; unset beresp.http.Vary; set beresp.ttl = 1h; return (deliver); }}
"""


def plain_varnish(directory, gateway):
    """The same server with the least VCL that caches: {pids, url}."""
    directory.mkdir()
    host, port = gateway.removeprefix("http://").split(":")
    vcl = directory / "plain.vcl"
    vcl.write_text(PLAIN.format(host=host, port=port))
    own = free_port()
    child = Child("plain-varnish",
                  ["/usr/sbin/varnishd", "-F", "-n", directory / "work", "-f", vcl, "-j", "none",
                   "-a", f"127.0.0.1:{own}", "-s", "default=malloc,128m", "-p", "thread_pool_min=20"],
                  directory / "varnish.log", cwd=directory)
    child.wait_until(lambda: answers(own))
    return child, f"http://127.0.0.1:{own}"


def processes(pid):
    return [pid, *measure.children_of(pid)]


def fetch(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def private_video(stack, clip):
    done = stack.upload(clip, "--wait")
    if done.returncode != 0:
        raise SystemExit("the clip failed: " + done.stdout + done.stderr)
    return json.loads(done.stdout)


def bench():
    if not measure.needs("wrk", "wrk"):
        return {"skipped": "needs wrk"}
    stack = Stack()
    plain = None
    try:
        clip = stack.dir / "clip.mp4"
        measure.make_clip(clip, 4, 640, 360)
        video = private_video(stack, clip)
        manifest = stack.call("POST", f"/v1/videos/{video['id']}/playback", {})["manifest_url"]
        playlist = "/play/" + manifest.split("/play/", 1)[1].replace("master.m3u8", "360p/playlist.m3u8")
        plain, plain_url = plain_varnish(stack.dir / "plain", stack.address("gateway"))
        sides = {"vora": (stack.address("varnish"), processes(stack.pid("varnish"))),
                 "plain": (plain_url, processes(plain.pid))}
        figures = {"object_bytes": len(fetch(sides["vora"][0] + playlist)), "samples": []}
        for url, _ in sides.values():
            fetch(url + playlist)
        time.sleep(0.5)  # the object is in the cache, not on its way there
        for _ in range(ROUNDS):
            figures["samples"].append({
                name: measure.wrk(url + playlist, pids, SECONDS) for name, (url, pids) in sides.items()})
        for name in sides:
            best = min((s[name] for s in figures["samples"]), key=lambda one: one["cpu_s"] / one["requests"])
            figures[f"hit_cpu_us_{name}"] = round(1e6 * best["cpu_s"] / best["requests"], 1)
            figures[f"hits_per_s_{name}"] = round(best["per_s"])
            figures[f"hit_p99_ms_{name}"] = round(best["p99_ms"], 2)
        figures["auth_cpu_us_per_hit"] = round(figures["hit_cpu_us_vora"] - figures["hit_cpu_us_plain"], 1)
        return figures
    finally:
        if plain:
            plain.stop()
        stack.stop()
