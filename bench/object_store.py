"""The S3 adapter beside curl: CPU of the client alone for the same bytes to the same MinIO."""

import json
import os
import resource
import subprocess
import tempfile
from pathlib import Path

import measure
from minio import Minio as Client
from tools.stack.minio import Minio

MEBIBYTES = 1024
ROUNDS = 3
PUBLIC = {"Version": "2012-10-17",
          "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:PutObject"],
                         "Resource": ["arn:aws:s3:::plain/*"]}]}


def children_cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def adapter(store):
    done = subprocess.run(
        [measure.BINARY.parent / "vora-s3-put", "--endpoint", store.url, "--bucket", "signed",
         "--mebibytes", str(MEBIBYTES)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
        env={**os.environ, "VORA_S3_ACCESS_KEY": store.user, "VORA_S3_SECRET_KEY": store.password})
    return json.loads(done.stdout)["cpu_s"]


def plain(store, file, parts):
    """The same bytes in parts of the same size, unsigned, over one connection."""
    before = children_cpu_seconds()
    urls = []
    for number in range(parts):
        urls += ["-T", str(file), f"{store.url}/plain/object-{number}"]
    subprocess.run(["curl", "-sS", "--fail", "-o", os.devnull, *urls], stdin=subprocess.DEVNULL, check=True)
    return children_cpu_seconds() - before


def bench():
    if not measure.needs("curl", "curl"):
        return {"skipped": "needs curl"}
    with tempfile.TemporaryDirectory(prefix="vora-bench-") as directory:
        store = Minio(Path(directory) / "minio").start()
        try:
            client = Client(store.url.removeprefix("http://"), store.user, store.password, secure=False)
            for bucket in ("signed", "plain"):
                client.make_bucket(bucket)
            client.set_bucket_policy("plain", json.dumps(PUBLIC))
            part = Path(directory) / "part"
            part.write_bytes(b"v" * (16 << 20))
            samples = {"adapter": [], "curl": []}
            for _ in range(ROUNDS):
                samples["adapter"].append(adapter(store))
                samples["curl"].append(plain(store, part, MEBIBYTES // 16))
            gib = MEBIBYTES / 1024
            least = {name: min(values) / gib for name, values in samples.items()}
            return {"cpu_s_per_gib_vora": round(least["adapter"], 3),
                    "cpu_s_per_gib_curl_unsigned": round(least["curl"], 3),
                    "cpu_ratio": round(least["adapter"] / least["curl"], 2), "samples": samples}
        finally:
            store.stop()
