"""A small client of the REST API and a tus client, written from the contract and from nothing else."""

import base64
import os
import time
import urllib.parse

import requests

from harness.wait import wait_until

READY_TIMEOUT_S = 180
FINAL = ("READY", "FAILED")


def session():
    s = requests.Session()
    s.trust_env = False  # no proxy of the environment stands between the test and the server
    return s


class Api:
    def __init__(self, url, token):
        self.url = url.rstrip("/")
        self.token = token
        self.http = session()

    def as_token(self, token):
        return Api(self.url, token)

    def call(self, method, path, expect=None, headers=None, **more):
        fields = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        fields.update(headers or {})
        target = path if "://" in path else self.url + path
        answer = self.http.request(
            method, target, headers=fields, timeout=30, allow_redirects=False, **more
        )
        if expect is not None:
            assert answer.status_code == expect, (
                f"{method} {path}: {answer.status_code} instead of {expect}: {answer.text[:600]}"
            )
        return answer

    # -- videos ----------------------------------------------------------------------------------

    def create(self, title="a video", **more):
        return self.call("POST", "/v1/videos", 201, json={"title": title, **more}).json()

    def get(self, video_id):
        return self.call("GET", f"/v1/videos/{video_id}", 200).json()

    def delete(self, video_id):
        return self.call("DELETE", f"/v1/videos/{video_id}", 202)

    def complete(self, video_id, upload_id, expect=202):
        return self.call(
            "POST", f"/v1/videos/{video_id}/complete", expect, json={"upload_id": upload_id}
        )

    def playback(self, video_id, **more):
        return self.call("POST", f"/v1/videos/{video_id}/playback", 201, json=more).json()

    def all_videos(self, **query):
        videos, token = [], None
        while True:
            parameters = dict(query, **({"page_token": token} if token else {}))
            page = self.call("GET", "/v1/videos", 200, params=parameters).json()
            videos += page["videos"]
            token = page.get("next_page_token")
            if not token:
                return videos

    def wait_state(self, video_id, states=FINAL, timeout_s=READY_TIMEOUT_S):
        if isinstance(states, str):
            states = (states,)
        last = {}

        def reached():
            last.update(self.get(video_id))
            if last["state"] in FINAL and last["state"] not in states:
                raise AssertionError(f"{last['state']} instead of {states}: {last.get('error')}")
            return last["state"] in states

        wait_until(
            reached,
            timeout_s,
            lambda: f"{video_id} is one of {states}: {last.get('state')} {last.get('progress')}",
            interval_s=0.1,
        )
        return last

    # -- the whole way ---------------------------------------------------------------------------

    def upload(self, path, title=None, complete=True, chunk_bytes=None, **more):
        """Creates a video and uploads a file for it; returns (video, upload)."""
        video = self.create(title or os.path.basename(str(path)), **more)
        upload = TusUpload(video["upload"]["url"], path, http=self.http)
        upload.create()
        upload.send(chunk_bytes)
        if complete:
            self.complete(video["id"], upload.upload_id)
        return video, upload

    def upload_and_wait(self, path, states="READY", **more):
        video, _ = self.upload(path, **more)
        return self.wait_state(video["id"], states)


class TusUpload:
    """One upload by tus 1.0.0. `path` is a file, or bytes."""

    def __init__(self, creation_url, path, headers=None, http=None):
        self.creation_url = creation_url
        self.http = http or session()
        self.headers = {"Tus-Resumable": "1.0.0", **(headers or {})}
        self.data = path if isinstance(path, bytes) else None
        self.path = None if isinstance(path, bytes) else str(path)
        self.length = len(path) if isinstance(path, bytes) else os.path.getsize(path)
        self.location = None
        self.acknowledged = 0  # the highest offset the server has answered

    @property
    def upload_id(self):
        return urllib.parse.urlsplit(self.location).path.rsplit("/", 1)[1]

    def move_to(self, base_url):
        """The server has come back at another address: a grant binds neither host nor port."""
        base = urllib.parse.urlsplit(base_url)
        for name in ("creation_url", "location"):
            value = getattr(self, name)
            if value:
                parts = urllib.parse.urlsplit(value)
                moved = parts._replace(scheme=base.scheme, netloc=base.netloc)
                setattr(self, name, urllib.parse.urlunsplit(moved))

    def request(self, method, url, headers=None, **more):
        fields = {**self.headers, **(headers or {})}
        return self.http.request(
            method, url, headers=fields, timeout=60, allow_redirects=False, **more
        )

    def create(self, metadata=None, expect=201):
        fields = {"Upload-Length": str(self.length)}
        if metadata:
            fields["Upload-Metadata"] = ",".join(
                f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in metadata.items()
            )
        answer = self.request("POST", self.creation_url, fields)
        assert answer.status_code == expect, f"{answer.status_code}: {answer.text[:400]}"
        if expect == 201:
            self.location = urllib.parse.urljoin(self.creation_url, answer.headers["Location"])
        return answer

    def offset(self):
        answer = self.request("HEAD", self.location)
        assert answer.status_code in (200, 204), f"HEAD: {answer.status_code}"
        offset = int(answer.headers["Upload-Offset"])
        assert offset >= self.acknowledged, (
            f"the offset went back: {self.acknowledged} was acknowledged, now {offset}"
        )
        self.acknowledged = offset
        return offset

    def read(self, offset, count):
        if self.data is not None:
            return self.data[offset : offset + count]
        with open(self.path, "rb") as f:
            f.seek(offset)
            return f.read(count)

    def patch(self, offset, body, **headers):
        fields = {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            **headers,
        }
        answer = self.request("PATCH", self.location, fields, data=body)
        if answer.status_code == 204:
            self.acknowledged = int(answer.headers["Upload-Offset"])
        return answer

    def send(self, chunk_bytes=None, until=None):
        """Sends from where the server stands to the end, or to `until`."""
        end = self.length if until is None else until
        offset = self.acknowledged
        while offset < end:
            count = min(chunk_bytes or end - offset, end - offset)
            answer = self.patch(offset, self.read(offset, count))
            assert answer.status_code == 204, f"{answer.status_code}: {answer.text[:400]}"
            assert self.acknowledged == offset + count
            offset = self.acknowledged
        return self

    def send_through(self, trouble_s, chunk_bytes, recover):
        """Sends to the end, whatever breaks: after each failure recover() makes the server reachable
        again (it may move the upload), HEAD says where to go on."""
        deadline = time.monotonic() + trouble_s
        while self.acknowledged < self.length:
            assert time.monotonic() < deadline, f"stuck at {self.acknowledged} of {self.length}"
            try:
                self.offset()
                self.send(chunk_bytes)
            except requests.RequestException:
                recover()
        return self
