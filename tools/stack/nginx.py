"""The edge: nginx with deploy/nginx/edge.conf."""

import os
import pwd
import re
from pathlib import Path

from tools.stack import install
from tools.stack.process import Child, answers, free_port

ROOT = Path(__file__).resolve().parents[2]

MAIN = """\
daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/{site};
{more}}}
"""


def fill_in(template, values):
    """The text of a template of deploy/nginx with HOST:PORT and paths in it."""
    text = (ROOT / "deploy" / "nginx" / template).read_text()
    return re.sub(r"@([A-Z_]+)@", lambda m: str(values[m.group(1)]), text)


class Nginx:
    """`services` maps the template's names, in lower case, to HOST:PORT: metadata, dashboard, ...

    `more` is what stands beside the site in nginx's http block.
    """

    def __init__(self, directory, services, port=None, template="edge.conf", host="127.0.0.1", more=""):
        self.directory = Path(directory)
        self.services = dict(services)
        self.port = port or free_port()
        self.host = host
        self.template = template
        self.more = more
        self.log = self.directory / "nginx.log"
        self.child = None
        # As root its workers are a user of their own, and so is its master.
        self.account = "www-data" if os.geteuid() == 0 else None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self):
        return "127.0.0.1", self.port

    @property
    def access_log(self):
        return self.directory / "access.log"

    def launch(self):
        program = install.ensure("nginx")
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        values = {
            "LISTEN": f"{self.host}:{self.port}",
            "ACCESS_LOG": self.access_log,
            "ERROR_LOG": self.directory / "error.log",
            **{name.upper(): address for name, address in self.services.items()},
        }
        (self.directory / self.template).write_text(fill_in(self.template, values))
        main = self.directory / "nginx.conf"
        main.write_text(MAIN.format(directory=self.directory, site=self.template, more=self.more))
        if self.account:
            owner = pwd.getpwnam(self.account)
            for path in (self.directory, main, self.directory / self.template):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        self.child = Child(
            "edge",
            [program, "-e", self.directory / "error.log", "-p", self.directory, "-c", main],
            self.log,
            user=self.account,
            cwd=self.directory,
        )
        return self.child

    def start(self):
        self.launch().wait_until(self.ready)
        return self

    def ready(self):
        return answers(self.port, "127.0.0.1" if self.host == "0.0.0.0" else self.host)

    def kill(self):
        self.child.kill()

    def stop(self):
        if self.child:
            self.child.stop()
