"""MinIO on one directory."""

import urllib.error
import urllib.request
from pathlib import Path

from tools.stack import install
from tools.stack.process import Child, free_port


class Minio:
    def __init__(self, directory, port=None, user="vora-root", password="vora-root-secret"):
        self.directory = Path(directory)
        self.port = port or free_port()
        self.user = user
        self.password = password
        self.child = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        data = self.directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        self.child = Child(
            "minio",
            [install.ensure("minio"), "server", "--quiet", "--address", f"127.0.0.1:{self.port}", data],
            self.directory / "minio.log",
            environment={
                "MINIO_ROOT_USER": self.user,
                "MINIO_ROOT_PASSWORD": self.password,
                "MINIO_BROWSER": "off",
                "MINIO_UPDATE": "off",
                "HOME": str(self.directory),
            },
        )
        self.child.wait_until(self.ready)
        return self

    def ready(self):
        try:
            with urllib.request.urlopen(self.url + "/minio/health/ready", timeout=2) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def kill(self):
        self.child.kill()

    def stop(self):
        if self.child:
            self.child.stop()

    def environment(self):
        return {
            "VORA_TEST_S3_URL": self.url,
            "VORA_TEST_S3_ACCESS_KEY": self.user,
            "VORA_TEST_S3_SECRET_KEY": self.password,
        }
