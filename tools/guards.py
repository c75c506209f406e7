"""Writes the digest of each guard of a new database to the file that `campaign check-books` compares: `make guards`. Not part of the test suite."""

import pytest
from flask import Flask

from campaign.edges.db import db
from campaign.reporting.integrity.guard_checks import FILE, guards_in_force


@pytest.mark.owner
def test_write_the_guards(app: Flask) -> None:
    with db.engine.connect() as connection:
        FILE.write_text("".join(f"{digest} {name}\n" for name, digest in sorted(guards_in_force(connection).items())), encoding="utf-8")
