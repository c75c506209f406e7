"""Finds out that the data of a checkout was copied with it, and separates the copy from the original.

A copied var/ names the processes and sockets of the original: without this, a run in the copy would end the original's servers, and its
commands would write to the original's books. A moved var/ is the same directory as before and keeps both.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from campaign.devstack.directories import SHARED_DIRECTORY
from campaign.devstack.servers import StartFailed

MARKER = "checkout.json"
# Files in var/ that name processes or sockets.
OF_PROCESSES = ("run/children.json", "run/settings.json", "valkey/valkey.pid")


def separate_copy(var: Path) -> None:
    """Make the data under `var` independent of the checkout that it was copied from, if it was; the original stays as it is.

    Raises StartFailed when the database was copied while it was running: such a copy may be damaged.
    """
    marker, here = var / MARKER, _identity(var)
    known = _read(marker)
    if known and known != here and known["inode"] != here["inode"]:
        data = var / "postgres" / "data"
        if (data / "postmaster.pid").exists():
            raise StartFailed(
                f"The data in {var} were copied from {known['path']} while the database was running, and may be damaged: "
                f"stop the original and copy again, or remove {var} to begin with empty books."
            )
        if data.is_symlink():
            _copy_linked_data(data)
        for name in OF_PROCESSES:
            (var / name).unlink(missing_ok=True)
    if known != here:
        marker.write_text(json.dumps(here))


def refuse_copied_environment() -> None:
    """Raise StartFailed when this program's script lies in a copied environment: its first line still names the original's Python."""
    environment = Path(sys.argv[0]).absolute().parent.parent
    if (environment / "pyvenv.cfg").is_file() and environment.resolve() != Path(sys.prefix).resolve():
        raise StartFailed(f"The environment {environment} was copied or moved and belongs to {sys.prefix}; run make to make it again.")


def _identity(var: Path) -> dict[str, object]:
    status = var.stat()
    return {"path": str(var.resolve()), "inode": f"{status.st_dev}:{status.st_ino}"}


def _read(marker: Path) -> dict[str, object] | None:
    try:
        stored = json.loads(marker.read_text())
    except (OSError, ValueError):
        return None
    return stored if isinstance(stored, dict) and {"path", "inode"} <= stored.keys() else None


def _copy_linked_data(link: Path) -> None:
    """Data that lies elsewhere (servers.py) is behind a link, which the copy shares with the original."""
    source, target = link.resolve(), SHARED_DIRECTORY / f"campaign-{os.urandom(8).hex()}"
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
        owner = source.stat()
        for path in [target, *target.rglob("*")]:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    link.unlink()
    link.symlink_to(target)
