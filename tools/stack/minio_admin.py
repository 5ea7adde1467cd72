"""What a MinIO needs before Vora can use it: buckets, users, and what each user may do.

Requests are signed (AWS Signature Version 4) with the standard library. Users and policies go in by MinIO's import
of its own backup format, which is a plain zip file; the calls for single users want encrypted bodies.
"""

import datetime
import hashlib
import hmac
import io
import json
import time
import urllib.error
import urllib.request
import zipfile

from tools.stack.process import OPENER

REGION = "us-east-1"
READ = ["s3:GetObject"]
WRITE = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
LIST = ["s3:ListBucket", "s3:GetBucketLocation"]


class StoreError(RuntimeError):
    """What the store has refused."""


# How long a store that has just started may say that it is not initialized, or not know a user.
READY_S = 60
TAKES_EFFECT_S = 2


def _mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signed(url, method, path, user, password, body=b"", now=None, service="s3"):
    """A urllib Request for `path` (already escaped, without a query) at `url`."""
    now = now or datetime.datetime.now(datetime.timezone.utc)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(body).hexdigest()
    host = url.split("://", 1)[1].rstrip("/")
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    names = ";".join(sorted(headers))
    canonical = "\n".join(
        [method, path, "", *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names, digest]
    )
    scope = f"{day}/{REGION}/{service}/aws4_request"
    text = "\n".join(
        ["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = f"AWS4{password}".encode()
    for part in (day, REGION, service, "aws4_request"):
        key = _mac(key, part)
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    credential = f"AWS4-HMAC-SHA256 Credential={user}/{scope}, SignedHeaders={names}, Signature={signature}"
    return urllib.request.Request(
        url.rstrip("/") + path,
        data=body if method in ("PUT", "POST") else None,
        method=method,
        headers={**headers, "Authorization": credential},
    )


class MinioAdmin:
    def __init__(self, url, user, password):
        self.url = url
        self.user = user
        self.password = password

    def call(self, method, path, body=b""):
        """(status, body)"""
        deadline = time.monotonic() + READY_S
        while True:
            status, answer = self._call(method, path, body)
            # It says so for a moment after it says that it is ready.
            if status != 503 or time.monotonic() > deadline:
                return status, answer
            time.sleep(0.1)

    def _call(self, method, path, body):
        request = signed(self.url, method, path, self.user, self.password, body)
        try:
            with OPENER.open(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def make_bucket(self, name):
        status, body = self.call("PUT", f"/{name}")
        # 409: it is there and ours.
        if status not in (200, 409):
            raise StoreError(f"making the bucket {name}: {status} {body[:300].decode(errors='replace')}")

    def set_users(self, users):
        """`users`: {name: (password, [statements])}. Those that are there are changed, others are left alone."""
        deadline = time.monotonic() + READY_S
        # A server that has just started may read its users from the disk once more and forget these.
        while True:
            self._import_users(users)
            again = time.monotonic() + TAKES_EFFECT_S
            while time.monotonic() < again:
                missing = [name for name, user in users.items() if not self._may_come_in(name, *user)]
                if not missing:
                    return
                time.sleep(0.1)
            if time.monotonic() > deadline:
                raise StoreError(f"the store does not know {', '.join(missing)}")

    def _may_come_in(self, name, password, allowed):
        buckets = [r.rsplit(":", 1)[1] for one in allowed for r in one["Resource"] if not r.endswith("*")]
        user = MinioAdmin(self.url, name, password)
        return all(user.call("HEAD", f"/{bucket}")[0] == 200 for bucket in buckets)

    def _import_users(self, users):
        parts = {"policies": {}, "users": {}, "user_mappings": {}}
        for name, (password, allowed) in users.items():
            parts["policies"][name] = {"Version": "2012-10-17", "Statement": allowed}
            parts["users"][name] = {"secretKey": password, "status": "enabled"}
            parts["user_mappings"][name] = {"version": 1, "policy": name}
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in parts.items():
                archive.writestr(f"iam-assets/{name}.json", json.dumps(content))
        status, body = self.call("PUT", "/minio/admin/v3/import-iam", file.getvalue())
        if status != 200:
            raise StoreError(f"making users: {status} {body[:300].decode(errors='replace')}")


def statements(bucket, actions):
    """May do `actions` with the objects of a bucket, and list it."""
    return [
        {"Effect": "Allow", "Action": actions, "Resource": [f"arn:aws:s3:::{bucket}/*"]},
        {
            "Effect": "Allow",
            "Action": LIST + (["s3:ListBucketMultipartUploads"] if WRITE[0] in actions else []),
            "Resource": [f"arn:aws:s3:::{bucket}"],
        },
    ]
