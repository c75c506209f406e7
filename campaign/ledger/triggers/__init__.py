"""The SQL functions and triggers in force: one file for each function, with the triggers that call it.

Migrations create the tables; functions and triggers are installed from these files after the migrations, and replaced when a file changes.
A test checks that a migrated database has exactly these.

A function that writes what the service may not write runs as the owner (SECURITY DEFINER), and nobody else may attach it to a table. One that
reads or writes tables finds only ours: its search path is fixed, so that a temporary table does not take the place of one.
"""

from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, text

FOLDER = Path(__file__).resolve().parent


def function_names() -> list[str]:
    """The names of the functions, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.sql"))


def install_triggers(connection: Connection) -> list[str]:
    """Create or replace the functions and triggers whose file has changed since it was installed; returns the names of the functions.

    The SHA-256 of each file is stored as the comment on its function. The caller commits.
    """
    connection.execute(_search_path)
    installed: dict[str, str] = dict(iter(connection.execute(_comments)))
    changed = [name for name in function_names() if installed.get(name) != _digest(name)]
    for name in changed:
        connection.exec_driver_sql(_sql(name), execution_options={"no_parameters": True})
        connection.exec_driver_sql(f"COMMENT ON FUNCTION {name} IS '{_digest(name)}'")
    return changed


# Functions with `SET search_path FROM CURRENT` keep this one.
_search_path = text("SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true)")
_comments = text(
    "SELECT proname, coalesce(obj_description(oid, 'pg_proc'), '') FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
)


def _sql(name: str) -> str:
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def _digest(name: str) -> str:
    return sha256(_sql(name).encode()).hexdigest()
