"""Proof of work: a counter that a browser finds by trying, and that one hash confirms. It makes each checkout cost computing time."""

from hashlib import sha256

# Of a counter, in decimal: what 2**PROOF_BITS tries need, and much more than a lucky browser.
MAX_DIGITS = 16
# 262,144 tries on average. Measured in Chromium, which makes a million a second on one core of a server: 0.3 s; slowed down six times, as a phone of
# some years ago, 1 s, and three times that once in twenty.
PROOF_BITS = 18


def is_proof(challenge: str, counter: str, *, bits: int) -> bool:
    """Whether the SHA-256 of `challenge:counter` begins with so many zero bits. The counter is a number in decimal, without leading zeros."""
    is_number = counter.isascii() and counter.isdigit() and len(counter) <= MAX_DIGITS and (counter == "0" or counter[0] != "0")
    if not is_number:
        return False
    digest = sha256(f"{challenge}:{counter}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest, "big") >> (256 - bits) == 0
