"""Directories of the servers: reachable by the user that runs them, and closed to all others."""

import hashlib
import os
import pwd
import re
import shutil
import stat
import tempfile
from pathlib import Path

MAX_SOCKET_PATH = 80
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")  # Needs no quoting in the connection URLs that contain it.
SHARED_DIRECTORY = Path("/var/tmp")  # noqa: S108  # survives a restart, and is reachable by every user


def data_directory(home: Path, user: str | None) -> Path:
    """Create the data directory of a server under `home` that `user` may write, and return it."""
    home.mkdir(parents=True, exist_ok=True)
    data = home / "data"
    if user is None or is_reachable_by_all(home):
        make_directory(data, user)
        return data
    # `nobody` cannot pass through a closed directory, so the data is elsewhere and var/ has a link to it. The link is the only way
    # there: a checkout that was moved keeps its data, and no other checkout ever finds it.
    if not data.is_symlink():
        shutil.rmtree(data, ignore_errors=True)
        data.symlink_to(SHARED_DIRECTORY / f"campaign-{os.urandom(8).hex()}")
    elsewhere = data.readlink()
    make_directory(elsewhere, user)
    return elsewhere


def make_directory(directory: Path, user: str | None) -> None:
    """Create `directory`, owned by `user` and closed to all others."""
    directory.mkdir(parents=True, exist_ok=True)
    if user:
        account = pwd.getpwnam(user)
        os.chown(directory, account.pw_uid, account.pw_gid)
    directory.chmod(0o700)


def socket_directory(directory: Path, user: str | None) -> Path:
    """Create `directory`, or one in the temporary directory when its path is too long for a socket, needs quoting, or is closed to the user."""
    if (
        not PLAIN_PATH.fullmatch(str(directory))
        or len(str(directory)) > MAX_SOCKET_PATH
        or (user and not is_reachable_by_all(directory.parent))
    ):
        directory = Path(tempfile.gettempdir()) / f"campaign-{os.geteuid()}-{hashlib.sha256(str(directory).encode()).hexdigest()[:12]}"
    if directory.is_symlink():
        directory.unlink()
    make_directory(directory, user)
    return directory


def is_reachable_by_all(path: Path) -> bool:
    """Whether every user may pass through all directories down to this one."""
    resolved = path.resolve()
    return all(d.stat().st_mode & stat.S_IXOTH for d in [resolved, *resolved.parents] if d.exists())
