"""Debian's ClickHouse server: 18.16 of 2018, the oldest that Vora speaks to. The stack itself runs today's engine,
vora-event-engine."""

import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from xml.sax.saxutils import escape

from tools.stack import install
from tools.stack.process import Child, free_port

CONFIG = """\
<?xml version="1.0"?>
<yandex>
    <logger><level>warning</level><console>1</console></logger>
    <listen_host>127.0.0.1</listen_host>
    <http_port>{port}</http_port>
{https}
    <path>{directory}/data/</path>
    <tmp_path>{directory}/tmp/</tmp_path>
    <format_schema_path>{directory}/format/</format_schema_path>
    <users_config>users.xml</users_config>
    <default_profile>default</default_profile>
    <default_database>default</default_database>
    <mark_cache_size>33554432</mark_cache_size>
    <timezone>UTC</timezone>
</yandex>
"""

HTTPS = """\
    <https_port>{port}</https_port>
    <openSSL><server>
        <certificateFile>{certificate}</certificateFile>
        <privateKeyFile>{key}</privateKeyFile>
        <verificationMode>none</verificationMode>
        <loadDefaultCAFile>false</loadDefaultCAFile>
        <cacheSessions>false</cacheSessions>
        <disableProtocols>sslv2,sslv3</disableProtocols>
    </server></openSSL>"""

USERS = """\
<?xml version="1.0"?>
<yandex>
    <profiles>
        <default></default>
        <reader><readonly>1</readonly></reader>
    </profiles>
    <quotas><default></default></quotas>
    <users>
{users}
    </users>
</yandex>
"""

USER = """\
        <{name}>
            <password>{password}</password>
            <networks><ip>127.0.0.1</ip></networks>
            <profile>{profile}</profile>
            <quota>default</quota>
        </{name}>"""


class ClickhouseDebian:
    """Two users: `writer` may all, `reader` has readonly = 1. `https` is (certificate file, key file)."""

    def __init__(self, directory, passwords=("writer-password", "reader-password"), https=None):
        self.directory = Path(directory)
        self.passwords = dict(zip(("writer", "reader"), passwords, strict=True))
        self.https = https
        self.port = free_port()
        self.https_port = free_port() if https else None
        self.child = None

    def url(self, user, database, secure=False):
        """As in `events.engine`."""
        password = urllib.parse.quote(self.passwords[user], safe="")
        place = f"127.0.0.1:{self.https_port if secure else self.port}"
        return f"{'https' if secure else 'http'}://{user}:{password}@{place}/{database}"

    def start(self):
        for name in ("data", "tmp", "format"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        https = ""
        if self.https:
            https = HTTPS.format(port=self.https_port, certificate=self.https[0], key=self.https[1])
        config = self.directory / "config.xml"
        config.write_text(CONFIG.format(port=self.port, https=https, directory=self.directory))
        users = "\n".join(
            USER.format(
                name=name, password=escape(password), profile="reader" if name == "reader" else "default"
            )
            for name, password in self.passwords.items()
        )
        (self.directory / "users.xml").write_text(USERS.format(users=users))
        (self.directory / "users.xml").chmod(0o600)
        self.child = Child(
            "clickhouse",
            [install.ensure("clickhouse"), f"--config-file={config}"],
            self.directory / "clickhouse.log",
            cwd=self.directory,
        )
        self.child.wait_until(self.ready)
        return self

    def ready(self):
        try:
            return self.sql("SELECT 1") == "1"
        except (OSError, RuntimeError):
            return False

    def sql(self, text, user="writer"):
        """What a statement answers, TabSeparated and without its last line end."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/",
            data=text.encode(),
            headers={"X-ClickHouse-User": user, "X-ClickHouse-Key": self.passwords[user]},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.read().decode().rstrip("\n")
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(error.read().decode()) from None

    def kill(self):
        self.child.kill()

    def stop(self):
        if self.child:
            self.child.stop()
