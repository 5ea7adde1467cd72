"""Traffic that tries to split a cache: every request differs in all that must not matter."""

import time

from harness.api import session
from harness.cache import mint

OBJECTS = (
    "master.m3u8",
    "thumbnail.jpg",
    "720p/playlist.m3u8",
    "720p/seg_01.ts",
    "360p/playlist.m3u8",
    "360p/seg_01.ts",
)
ORIGINS = ("https://a.example", "https://b.example", "http://c.example:1", "null", None)
ENCODINGS = ("gzip", "br", "identity", "gzip, deflate, br", "*;q=0.1", None)


def path_of(grant, video, what):
    return f"/play/{grant}/{video['id']}/{what}"


def hostile_requests(ring, private, public, count, objects=OBJECTS):
    """(path, headers): `count` grants for `private`, and a fifth as many for `public` in its own name."""
    for n in range(count):
        headers = {"Cookie": f"session={n}; _ga=GA1.{n}", "User-Agent": f"player/{n}"}
        headers["CMCD-Session"] = f'sid="{n}"'
        if ORIGINS[n % len(ORIGINS)]:
            headers["Origin"] = ORIGINS[n % len(ORIGINS)]
        if ENCODINGS[n % len(ENCODINGS)]:
            headers["Accept-Encoding"] = ENCODINGS[n % len(ENCODINGS)]
        query = f"?CMCD=bl%3D{n}%2Csid%3D%22{n}%22&_HLS_msn={n}&r{n}={n}"
        what = objects[n % len(objects)]
        grant = mint(ring, private["id"], int(time.time()) + 1000 + n)
        yield path_of(grant, private, what) + query, headers
        if n % 5 == 0:
            yield path_of("public", public, objects[n // 5 % len(objects)]) + query, headers


def watch(base, requests):
    """[(status, does it vary, does it set a cookie)] of requests made one after the other."""
    http = session()
    answers = (http.get(base + path, headers=h, timeout=60) for path, h in requests)
    return [(a.status_code, "Vary" in a.headers, "Set-Cookie" in a.headers) for a in answers]
