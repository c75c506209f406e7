"""Recovery codes of staff: each counts once, in place of a one-time code. The database has their hashes alone.

A code has 120 random bits: that many withstand a fast hash (OWASP ASVS 5.0, 6.5.2).
"""

import secrets
from hashlib import sha256

from sqlalchemy import any_, func, literal, update

from campaign.edges.db import db
from campaign.staff.members import Staff

COUNT = 10
# Below this number the member is asked to make new ones.
FEW = 3
# Crockford's: without I, L, O and U, which are read as others. Five bits a character.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH, GROUP = 24, 4
_READ_AS = str.maketrans({"I": "1", "L": "1", "O": "0"})


def replace(member: Staff) -> list[str]:
    """Give the member COUNT new codes; earlier ones end. Returns them in groups of characters, as they are shown once."""
    codes = ["".join(secrets.choice(ALPHABET) for _ in range(LENGTH)) for _ in range(COUNT)]
    member.mf_recovery_codes = [_hash(code) for code in codes]
    db.session.flush()
    return ["-".join(code[start : start + GROUP] for start in range(0, LENGTH, GROUP)) for code in codes]


def accept(member: Staff, typed: str) -> bool:
    """Use up the code. Returns False when the member has no such code, or another request used it at the same time."""
    found = _hash(_normalize(typed))
    has_it = literal(found) == any_(Staff.mf_recovery_codes)
    left = func.array_remove(Staff.mf_recovery_codes, found)
    used = update(Staff).where(Staff.id == member.id, has_it).values(mf_recovery_codes=left).returning(Staff.id)
    is_used = db.session.execute(used, execution_options={"synchronize_session": False}).first() is not None
    db.session.refresh(member, ["mf_recovery_codes"])
    return is_used


def are_valid(member: Staff, typed: list[str]) -> bool:
    """Whether these are codes of the member that have not been used."""
    return {_hash(_normalize(code)) for code in typed} <= set(member.mf_recovery_codes)


def count_left(member: Staff) -> int:
    """How many codes of the member have not been used."""
    return len(member.mf_recovery_codes)


def _normalize(typed: str) -> str:
    return "".join(c for c in typed.upper().translate(_READ_AS) if c in ALPHABET)


def _hash(code: str) -> str:
    return sha256(code.encode()).hexdigest()
