"""MinIO on one directory."""

from pathlib import Path

from tools.stack import install
from tools.stack.process import Child, free_port, get_status


class Minio:
    def __init__(self, directory, port=None, user="vora-root", password="vora-root-secret"):
        self.directory = Path(directory)
        self.port = port or free_port()
        self.user = user
        self.password = password
        self.log = self.directory / "minio.log"
        self.child = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def launch(self):
        data = self.directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        self.child = Child(
            "minio",
            [install.ensure("minio"), "server", "--quiet", "--address", f"127.0.0.1:{self.port}", data],
            self.log,
            environment={
                "MINIO_ROOT_USER": self.user,
                "MINIO_ROOT_PASSWORD": self.password,
                "MINIO_BROWSER": "off",
                "MINIO_UPDATE": "off",
                "HOME": str(self.directory),
            },
            cwd=self.directory,
        )
        return self.child

    def start(self):
        self.launch().wait_until(self.ready)
        return self

    def ready(self):
        return get_status(self.url + "/minio/health/ready", 2) == 200

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
