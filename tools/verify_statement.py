"""Verifies a funder's statement, or a donor's proof, without the service that made it. It needs Python alone.

    python verify_statement.py statement.json certificates.pem [earlier-statement.json or heads.json]

`certificates.pem` is what the charity publishes under /receipts/certificates.pem. Ask the charity in another way for the `key` that is printed. With
an earlier statement of the same fund, this one must go on from it; with the heads that were published, it must have them. The program says what it
found, and ends with status 1 when anything is wrong. It does not verify that matches obey ratio, limits and window: it does not see the gifts.
"""

import base64
import hashlib
import json
import re
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple, Optional

# The curve P-256 (FIPS 186-5), on which the charity's key is.
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
A = P - 3
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296, 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)
# How a public key on this curve begins in a certificate (RFC 5480).
KEY_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
SIGNED = ',\n "signed": '
# What an entry of each kind may move: from, to.
MOVES = {
    ("pledge", "outside", "available"),
    ("hold", "available", "held"),
    ("release", "held", "available"),
    ("match", "held", "matched"),
    ("match", "available", "matched"),
    ("unmatch", "matched", "available"),
    ("receive", "funder", "received"),
    ("receive_reversal", "received", "funder"),
    ("call", "earned", "called"),
    ("call_reversal", "called", "earned"),
}
# What is between the charity and the lead funder of a fund with contributors.
OF_LEAD = {"receive", "receive_reversal", "call", "call_reversal"}
CHANGES = {"activated", "paused", "resumed", "ended", "pledged"}
DONATION = re.compile(r"d_[0-9a-f]{20}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
AS_OF = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?[+-]\d\d:\d\d")
HASH = re.compile(r"[0-9a-f]{64}")
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# A change's text after its moment: fund, campaign, currency, ratio, minimum, caps of one donation and one donor, start and end of the window.
TERMS = re.compile(r"[1-9]\d*/[1-9]\d*\|\d+\|\d*\|\d*\|(%s)?\|(%s)?" % (MOMENT.pattern, MOMENT.pattern))


Point = Optional[tuple[int, int]]


class Entry(NamedTuple):
    """What an entry moves, for which donation, and when."""

    kind: str
    source: str
    target: str
    cents: int
    donation: str
    moment: str


class Wrong(Exception):
    """What is wrong, in one sentence."""


def require(condition: object, sentence: str) -> None:
    """Raise Wrong unless the condition holds."""
    if not condition:
        raise Wrong(sentence)


def require_sums(document: dict[str, Any], names: str) -> None:
    """Raise Wrong unless these are whole numbers, and none is negative."""
    for name in names.split():
        require(type(document[name]) is int and document[name] >= 0, f"{name} is no whole number")


def sha256(data: bytes) -> bytes:
    """The SHA-256 of these bytes."""
    return hashlib.sha256(data).digest()


def add(one: Point, two: Point) -> Point:
    """The sum of two points of the curve; None is the point at infinity."""
    if one is None or two is None:
        return one or two
    if one[0] == two[0] and (one[1] + two[1]) % P == 0:
        return None
    slope = (3 * one[0] ** 2 + A) * pow(2 * one[1], -1, P) if one == two else (two[1] - one[1]) * pow(two[0] - one[0], -1, P)
    x = (slope**2 - one[0] - two[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P


def multiply(number: int, point: Point) -> Point:
    """The point added to itself so many times."""
    result = None
    while number:
        if number & 1:
            result = add(result, point)
        point, number = add(point, point), number >> 1
    return result


def is_signed(data: bytes, signature: str, key: Point) -> bool:
    """Whether the signature (r and s in hex) of these bytes is that of the public key: ECDSA with SHA-256 (FIPS 186-5, section 6.4.2)."""
    if not re.fullmatch(r"[0-9a-f]{128}", signature):
        return False
    r, s = int(signature[:64], 16), int(signature[64:], 16)
    if not (0 < r < N and 0 < s < N):
        return False
    digest, inverse = int.from_bytes(sha256(data), "big"), pow(s, -1, N)
    point = add(multiply(digest * inverse % N, G), multiply(r * inverse % N, key))
    return point is not None and point[0] % N == r


def public_keys(pem: str) -> dict[str, Point]:
    """The public key of each certificate, by the SHA-256 of the certificate."""
    keys: dict[str, Point] = {}
    for block in re.findall("-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", pem, re.DOTALL):
        der = base64.b64decode(block)
        at = der.find(KEY_PREFIX)
        require(at >= 0, "a certificate has no key on the curve P-256")
        numbers = der[at + len(KEY_PREFIX) :][:64]
        keys[hashlib.sha256(der).hexdigest()] = (int.from_bytes(numbers[:32], "big"), int.from_bytes(numbers[32:], "big"))
    return keys


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are different."""
    found = dict(pairs)
    require(len(found) == len(pairs), "a name is given twice")
    return found


def read_signed(path: str, keys: dict[str, Point]) -> dict[str, Any]:
    """The document of the file, whose every byte is covered by a signature of one of the keys."""
    content = Path(path).read_bytes().decode("utf-8")
    at = content.rfind(SIGNED)
    require(at >= 0, "it is not signed")
    document: dict[str, Any] = json.loads(content, object_pairs_hook=unique)
    signed = document.pop("signed")
    end = f'{SIGNED}{{"key": "{signed.get("key")}", "signature": "{signed.get("signature")}"}}\n}}\n'
    require(content[at:] == end, "its end is not as it was written")
    require(keys, "the file with the certificates has none")
    require(signed["key"] in keys, "it is signed with a key that is not among the charity's certificates")
    digest = hashlib.sha256(content[:at].encode("utf-8")).hexdigest()
    require(
        is_signed(digest.encode(), signed["signature"], keys[signed["key"]]), "the signature is not of these bytes: something was changed"
    )
    return document


def read_entry(text: str, chain: str, position: int) -> Entry:
    """The parts of an entry's text, which must belong to the chain at this position and move what its kind may move."""
    parts = text.split("|")
    require(len(parts) == 10, f"entry {position} does not have ten parts")
    require(parts[0] == chain, f"entry {position} is of another chain, {parts[0]}")
    require(parts[1] == str(position), f"entry {position} says that it is entry {parts[1]}")
    _, _, kind, source, target, cents, donation, _, _, moment = parts
    require((kind, source, target) in MOVES, f"entry {position} moves what {kind} may not move")
    require(re.fullmatch(r"[1-9]\d*", cents), f"entry {position} does not have a sum in whole cents")
    require(MOMENT.fullmatch(moment), f"entry {position} has no moment")
    if kind in {"pledge", "receive", "receive_reversal", "call", "call_reversal"}:
        require(donation == "", f"entry {position} is of no donation")
    else:
        require(DONATION.fullmatch(donation), f"entry {position} does not name its donation")
    return Entry(kind, source, target, int(cents), donation, moment)


class Chain(NamedTuple):
    """The balances, the match of each donation, the last hash and the last moment of a chain from its beginning."""

    balance: dict[str, int]
    matched: dict[str, int]
    head: str
    last: str


def verify_entries(entries: list[dict[str, Any]], chain: str, *, is_contributor: bool) -> Chain:
    """What the entries of a chain add up to, from its beginning on. A contributor has the digests alone of calls and payments, and no text of one."""
    balance: dict[str, int] = {}
    held: dict[str, int] = {}
    matched: dict[str, int] = {}
    references: set[str] = set()
    running, last = b"", ""
    for number, entry in enumerate(entries, 1):
        if is_contributor and set(entry) == {"position", "digest", "hash"}:
            require(entry["position"] == number and HASH.fullmatch(entry["digest"]), f"entry {number} is missing")
            running = sha256(running + bytes.fromhex(entry["digest"]))
            require(running.hex() == entry["hash"], f"entry {number} was changed")
            continue
        require(set(entry) == {"position", "text", "hash"} and entry["position"] == number, f"entry {number} is missing")
        kind, source, target, cents, donation, moment = read_entry(entry["text"], chain, number)
        require(not is_contributor or kind not in OF_LEAD, f"entry {number} is the lead funder's alone")
        running = sha256(running + sha256(entry["text"].encode()))
        require(running.hex() == entry["hash"], f"entry {number} was changed")
        require(moment >= last, f"entry {number} is older than the one before it")
        last = moment
        balance[source] = balance.get(source, 0) - cents
        balance[target] = balance.get(target, 0) + cents
        for account, sums in (("held", held), ("matched", matched)):
            sums[donation] = sums.get(donation, 0) + cents * ((target == account) - (source == account))
            require(sums[donation] >= 0, f"entry {number} takes more than is {account} for its donation")
        reference = entry["text"].split("|")[7]
        require(reference not in references, f"entry {number} has the reference of another entry")
        references.add(reference)
        for account in ("available", "held", "matched", "called", "received"):
            require(balance.get(account, 0) >= 0, f"entry {number} takes more than there is in {account}")
    return Chain(balance, matched, running.hex(), last)


def verify_changes(changes: list[dict[str, Any]], statement: dict[str, Any]) -> int:
    """The changes of the fund: a chain of their own, that names the fund, its campaign and currency, and its terms since it was activated."""
    terms: Optional[list[str]] = None
    running, last = b"", ""
    for number, change in enumerate(changes, 1):
        require(set(change) == {"position", "text", "hash"} and change["position"] == number, f"change {number} is missing")
        parts = change["text"].split("|")
        require(len(parts) == 15 and parts[1] == str(number), f"change {number} is not at its place")
        require(parts[0] == statement["chain"].replace("fund:", "changes:"), f"change {number} is of another fund")
        require(parts[2] in CHANGES, f"change {number} is of no known kind")
        require(
            MOMENT.fullmatch(parts[5]) and parts[5] <= in_utc(statement["as_of"]),
            f"change {number} has no moment before that of the statement",
        )
        require(TERMS.fullmatch("|".join(parts[9:])), f"change {number} has no terms")
        require(re.fullmatch(r"[1-9]\d*" if parts[2] == "pledged" else "", parts[3]), f"change {number} does not have the sum of its kind")
        require(parts[6:9] == [statement["fund"], statement["campaign"], statement["currency"]], f"change {number} names another fund")
        running = sha256(running + sha256(change["text"].encode()))
        require(running.hex() == change["hash"], f"change {number} was changed")
        require(parts[5] >= last, f"change {number} is older than the one before it")
        last = parts[5]
        require(terms is None or parts[6:] == terms, f"change {number} has other terms than the fund was activated with")
        terms = parts[6:] if parts[2] == "activated" or terms else None
    begun = [change["text"].split("|")[5] for change in changes if change["text"].split("|")[2] == "activated"]
    ended = [change["text"].split("|")[5] for change in changes if change["text"].split("|")[2] == "ended"]
    texts = [entry["text"].split("|") for entry in statement["entries"] if "text" in entry]
    holds = [text[9] for text in texts if text[2] in {"hold", "match"}]
    require(not holds or (begun and begun[0] <= holds[0]), "it has matches from before the fund was activated")
    require(len(begun) <= 1 and len(ended) <= 1, "the fund was activated or ended twice")
    return sum(int(change["text"].split("|")[3]) for change in changes if change["text"].split("|")[2] == "pledged")


def verify_statement(statement: dict[str, Any]) -> str:
    """A statement of a fund: its sums and counts follow from its entries, and its pledge from its changes."""
    is_of_period, is_contributor = statement["format"] != "campaign-statement/2", statement["format"] == "campaign-contributor/1"
    names = (
        "format fund campaign currency as_of pledged_cents held_cents matched_cents available_cents donations chain head changes entries"
    )
    of_period = " names period opening" + (" funders own others" if is_contributor else " called_cents received_cents")
    of_shares = " shares" if statement["format"] == "campaign-statement/4" else ""
    require(
        set(statement) == set((names + (of_period if is_of_period else "") + of_shares).split()), "it has other fields than a statement"
    )
    require(re.fullmatch(r"fund:\d+", statement["chain"]), "its chain is not of a fund")
    require(SLUG.fullmatch(statement["fund"]) and SLUG.fullmatch(statement["campaign"]), "its fund or campaign has no name")
    require(re.fullmatch("[A-Z]{3}", statement["currency"]), "its currency is none")
    require(AS_OF.fullmatch(statement["as_of"]), "its moment is none")
    entries = verify_entries(statement["entries"], statement["chain"], is_contributor=is_contributor)
    require(statement["head"] == {"position": len(statement["entries"]), "hash": entries.head}, "the end was cut off")
    verify_sums(statement, entries, "at its end")
    require(verify_changes(statement["changes"], statement) == statement["pledged_cents"], "the changes do not add up to the pledge")
    require(entries.last <= in_utc(statement["as_of"]), "an entry is younger than the statement")
    said = f"right: {len(statement['entries'])} entries of {statement['fund']}, matched {statement['matched_cents']} cents, head {entries.head}"
    shared = verify_own_share(statement) if is_contributor else verify_shares(statement) if of_shares else ""
    return said + (f", {verify_opening(statement)}" if is_of_period else "") + shared


def verify_shares(statement: dict[str, Any]) -> str:
    """The parts that the funders promised add up to the pledge as it was activated, and each has the share that follows from theirs."""
    shares, sums = statement["shares"], "pledged_cents held_cents matched_cents available_cents called_cents received_cents"
    require(len(shares) > 1, "it has shares of one funder alone")
    for share in shares:
        require(set(share) == {"funder_en", "funder_fr", "part_cents", *sums.split()}, "a share has other fields")
        require(
            all(type(share[name]) is str and share[name].isprintable() and share[name] for name in ("funder_en", "funder_fr")),
            "a name is none",
        )
        require_sums(share, "part_cents " + sums)
    parts = [share["part_cents"] for share in shares]
    require(min(parts) > 0 and sum(parts) == activated_pledge(statement), "the parts do not add up to the pledge as it was activated")
    require(
        all(shares[0][f"funder_{one}"] == statement["names"][f"funder_{one}"] for one in ("en", "fr")),
        "the first share is not the lead funder's",
    )
    for name in ("pledged_cents", "matched_cents", "called_cents", "received_cents"):
        require([share[name] for share in shares] == share_out(statement[name], parts), f"the shares of {name} are others")
    taken = [share["matched_cents"] + share["held_cents"] for share in shares]
    require(taken == share_out(statement["matched_cents"] + statement["held_cents"], parts), "the shares of held_cents are others")
    require(all(verify_rest(share) for share in shares), "a share does not add up")
    return f", shares of {len(shares)} funders"


def verify_own_share(statement: dict[str, Any]) -> str:
    """A contributor's share and those of all others add up, and the own one is as near to its part as the rule of shares takes it."""
    own, others, funders = statement["own"], statement["others"], statement["funders"]
    sums = ("pledged_cents", "held_cents", "matched_cents", "available_cents")
    require(type(funders) is int and funders > 1, "the number of funders is none")
    for share in (own, others):
        require(set(share) == {"part_cents", *sums}, "a share has other fields")
        require_sums(share, " ".join(["part_cents", *sums]))
        require(verify_rest(share), "a share does not add up")
    part, parts = own["part_cents"], own["part_cents"] + others["part_cents"]
    require(part > 0 and others["part_cents"] > 0, "a part is nothing")
    require(parts == activated_pledge(statement), "the parts do not add up to the pledge as it was activated")
    for name in sums:
        require(own[name] + others[name] == statement[name], f"the shares of {name} do not add up")
    for cents, total in (
        (own["pledged_cents"], statement["pledged_cents"]),
        (own["matched_cents"], statement["matched_cents"]),
        (own["matched_cents"] + own["held_cents"], statement["matched_cents"] + statement["held_cents"]),
    ):
        least = -(-part * max(2 * total - funders, 0) // parts) // 2
        most = (part * (2 * total + funders) + parts) // (2 * parts)
        require(least <= cents <= most, "the own share is not that of its part")
    return f", own share of {funders} funders"


def verify_rest(share: dict[str, Any]) -> bool:
    """Whether what is held, matched and left of a share is what is pledged."""
    return bool(share["held_cents"] + share["matched_cents"] + share["available_cents"] == share["pledged_cents"])


def activated_pledge(statement: dict[str, Any]) -> int:
    """The pledge as the fund was activated, in cents."""
    changes = [change["text"].split("|") for change in statement["changes"]]
    kinds = [change[2] for change in changes]
    require("activated" in kinds, "it has shares from before the fund was activated")
    return sum(int(change[3]) for change in changes[: kinds.index("activated")] if change[2] == "pledged")


def share_out(total: int, parts: list[int]) -> list[int]:
    """Webster's shares of a sum: found by halving the number of cents to a part until all but a few are given out, then cent by cent, ties first."""
    whole = sum(parts)
    low, high = 0, 2 * total + len(parts)
    while low < high:
        steps = (low + high + 1) // 2
        low, high = (steps, high) if sum(cents_below(steps, part, whole) for part in parts) <= total else (low, steps - 1)
    shares = [cents_below(low, part, whole) for part in parts]
    while sum(shares) < total:
        # The next cent goes to the largest part / (2 * share + 1), compared without division; the first of equal ones.
        best = 0
        for place in range(1, len(parts)):
            if parts[place] * (2 * shares[best] + 1) > parts[best] * (2 * shares[place] + 1):
                best = place
        shares[best] += 1
    return shares


def cents_below(steps: int, part: int, whole: int) -> int:
    """How many odd numbers are less than part * steps / whole: the cents that a part surely has."""
    return -(-part * steps // whole) // 2


def verify_sums(sums: dict[str, Any], entries: "Chain", when: str) -> None:
    """The sums are those of these entries."""
    names = [name for name in ("called_cents", "received_cents") if name in sums]
    require_sums(sums, " ".join(["pledged_cents held_cents matched_cents available_cents donations", *names]))
    for account in ("held", "matched", "available", *(name.replace("_cents", "") for name in names)):
        require(entries.balance.get(account, 0) == sums[f"{account}_cents"], f"the entries do not add up to what is {account} {when}")
    require(-entries.balance.get("outside", 0) == sums["pledged_cents"], f"the entries do not add up to the pledge {when}")
    require(sum(cents > 0 for cents in entries.matched.values()) == sums["donations"], f"the number of matched donations {when} is another")


def verify_opening(statement: dict[str, Any]) -> str:
    """The period of the statement: it is the one of its name, and its opening sums follow from the entries before it."""
    period, opening, names = statement["period"], statement["opening"], statement["names"]
    require(set(period) == {"name", "time_zone", "opens_at", "is_finished"}, "it has another period than a statement")
    require(type(period["is_finished"]) is bool, "it does not say whether its period is over")
    require(re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", period["time_zone"]), "its time zone is none")
    languages = {f"{what}_{language}" for what in ("funder", "fund", "campaign") for language in ("en", "fr")}
    require(set(names) == {"charity", *languages}, "it has other names than a statement")
    require(all(type(name) is str and name and name.isprintable() for name in names.values()), "a name is none")
    sums = "pledged_cents held_cents matched_cents available_cents donations"
    if statement["format"] != "campaign-contributor/1":
        sums += " called_cents received_cents"
    require(set(opening) == {"position", "hash", *sums.split()}, "it has another opening than a statement")
    opens_at = period["opens_at"]
    require(opens_at is None or AS_OF.fullmatch(opens_at), "the beginning of its period is none")
    require(opens_at is None or in_utc(opens_at) < in_utc(statement["as_of"]), "its period ends before it begins")
    verify_period(period, statement["as_of"])
    is_contributor = statement["format"] == "campaign-contributor/1"
    before = entries_before(statement, opens_at, opening["position"] if is_contributor else None)
    entries = verify_entries(before, statement["chain"], is_contributor=is_contributor)
    require((opening["position"], opening["hash"]) == (len(before), entries.head), "the opening is not where the period begins")
    verify_sums(opening, entries, "at its opening")
    return f"period {period['name']} from entry {len(before) + 1} on"


def entries_before(statement: dict[str, Any], opens_at: Optional[str], count: Optional[int]) -> list[dict[str, Any]]:
    """The entries before the period. Where some have no text, and so no moment, they are the first `count`, and no text says otherwise."""
    entries: list[dict[str, Any]] = statement["entries"]
    begins = in_utc(opens_at) if opens_at else ""
    if count is None:
        return [entry for entry in entries if opens_at and entry["text"].split("|")[9] < begins]
    require(type(count) is int and 0 <= count <= len(entries) and (opens_at or count == 0), "the opening is not where the period begins")
    for at, entry in enumerate(entries):
        is_before = opens_at and "text" in entry and entry["text"].split("|")[9] < begins
        require("text" not in entry or bool(is_before) == (at < count), "the opening is not where the period begins")
    return entries[:count]


def verify_period(period: dict[str, Any], as_of: str) -> None:
    """The period begins on the first day that its name says, and ends with its last day, or earlier if it is not over."""
    name, opens_at, is_finished = period["name"], period["opens_at"], period["is_finished"]
    if to_moment := re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d)(\d\d)(\d\d)Z", name):
        day, hour, minute, second = to_moment.groups()
        said = f"{day}T{hour}:{minute}:{second}."
        require(opens_at is None and in_utc(as_of).startswith(said), "it does not end at the moment of its name")
        require(not is_finished or in_utc(as_of) == f"{said}000000Z", "it does not end at the moment of its name")
        return
    first, last = days_of(name)
    if first is None:
        require(opens_at is None, "it does not begin with the first entry")
    else:
        require(opens_at is not None and is_midnight_of(opens_at, first), "it does not begin on the first day of its period")
    ends_with_it = is_midnight_of(as_of, last + timedelta(days=1))
    require(
        ends_with_it if is_finished else in_utc(as_of)[:10] <= (last + timedelta(days=2)).isoformat(), "it does not end with its period"
    )


def days_of(name: str) -> tuple[Optional[date], date]:
    """The first and last day of a week, month or quarter by its name; a day names everything up to its end, which has no first day."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", name):
        return None, date.fromisoformat(name)
    if week := re.fullmatch(r"(\d{4})-w(\d\d)", name):
        monday = date.fromisocalendar(int(week[1]), int(week[2]), 1)
        return monday, monday + timedelta(days=6)
    found = re.fullmatch(r"(\d{4})-(?:(\d\d)|q([1-4]))", name)
    require(found is not None, "its period has no name")
    assert found is not None
    month = int(found[2] or 3 * int(found[3]) - 2)
    end = month + (0 if found[2] else 2)
    return date(int(found[1]), month, 1), date(int(found[1]) + end // 12, end % 12 + 1, 1) - timedelta(days=1)


def is_midnight_of(moment: str, day: date) -> bool:
    """Whether the moment is the first of the day, in its zone: where clocks change at midnight, the day begins an hour later."""
    return moment[:19] in {f"{day}T00:00:00", f"{day}T01:00:00"} and "." not in moment


def in_utc(text: str) -> str:
    """A moment with its offset as the texts of entries write it."""
    return datetime.fromisoformat(text).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def verify_proof(proof: dict[str, Any]) -> str:
    """A donor's proof: the donation's own entries are in the chains, and add up to its match."""
    require(set(proof) == {"format", "donation", "held_cents", "matched_cents", "funds"}, "it has other fields than a proof")
    require(proof["funds"] or not (proof["held_cents"] or proof["matched_cents"]), "the funds that matched the donation are missing")
    require_sums(proof, "held_cents matched_cents")
    require(DONATION.fullmatch(proof["donation"]), "it is of no donation")
    chains = [fund["chain"] for fund in proof["funds"]]
    require(len(set(chains)) == len(chains), "a chain is there twice")
    held = matched = 0
    for fund in proof["funds"]:
        require(set(fund) == {"fund", "chain", "hash_before", "entries", "head"}, "it has other fields than a proof")
        require(SLUG.fullmatch(fund["fund"]) and re.fullmatch(r"fund:\d+", fund["chain"]), "a fund has no name")
        require("text" in fund["entries"][0], "the first entry of a fund is not the donation's own")
        first = fund["entries"][0]["position"]
        require(fund["hash_before"] == "" if first == 1 else HASH.fullmatch(fund["hash_before"]), "the hash before the first entry is none")
        running, last = bytes.fromhex(fund["hash_before"]), ""
        for position, entry in enumerate(fund["entries"], first):
            require(entry["position"] == position, f"entry {position} is missing")
            if "text" not in entry:
                running = sha256(running + bytes.fromhex(entry["digest"]))
                continue
            _, source, target, cents, donation, moment = read_entry(entry["text"], fund["chain"], position)
            require(donation == proof["donation"], f"entry {position} is of another donation")
            require(moment >= last, f"entry {position} is older than the one before it")
            last = moment
            held += cents * ((target == "held") - (source == "held"))
            matched += cents * ((target == "matched") - (source == "matched"))
            running = sha256(running + sha256(entry["text"].encode()))
        end = {"position": first + len(fund["entries"]) - 1, "hash": running.hex()}
        require(fund["head"] == end, "your entries are not in this chain")
    require((held, matched) == (proof["held_cents"], proof["matched_cents"]), "the entries do not add up to what is held and matched")
    return f"right: {proof['donation']} is matched with {matched} cents, {held} are held for it; funds: {len(proof['funds'])}"


STATEMENTS = {"campaign-statement/2", "campaign-statement/3", "campaign-statement/4", "campaign-contributor/1"}
VERIFIERS = {**dict.fromkeys(STATEMENTS, verify_statement), "campaign-proof/2": verify_proof}


def main(arguments: list[str]) -> None:
    """Verify the file that the arguments name. Raises Wrong."""
    if len(arguments) not in {2, 3}:
        raise Wrong("usage: python verify_statement.py FILE CERTIFICATES [EARLIER or HEADS]")
    keys = public_keys(Path(arguments[1]).read_bytes().decode("ascii"))
    document = read_signed(arguments[0], keys)
    require(document.get("format") in VERIFIERS, "its format is unknown")
    print(VERIFIERS[document["format"]](document))
    if len(arguments) == 3:
        require(document["format"] in STATEMENTS, "only a statement can be compared")
        other = json.loads(Path(arguments[2]).read_bytes().decode("utf-8"), object_pairs_hook=unique)
        if other.get("format") == "campaign-heads/2":
            print(verify_heads(other, document, keys))
        else:
            print(verify_earlier(read_signed(arguments[2], keys), document))


def verify_earlier(earlier: dict[str, Any], later: dict[str, Any]) -> str:
    """An earlier statement of the same fund: the later one has all of it, and nothing more from before its moment."""
    require(earlier.get("format") in STATEMENTS, "only a statement can be compared")
    verify_statement(earlier)
    until = in_utc(earlier["as_of"])
    require(earlier["chain"] == later["chain"], "the earlier statement is of another fund")
    require(until <= in_utc(later["as_of"]), "the statement that you named last is the later one")
    for name, at in (("entries", 9), ("changes", 5)):
        count = len(earlier[name])
        require(earlier[name] == later[name][:count], f"the earlier statement has other {name}")
        for added in later[name][count:]:
            require(
                "text" not in added or added["text"].split("|")[at] >= until, f"the earlier statement lacks {name} from before its moment"
            )
    return f"right: it goes on from the earlier statement, {len(earlier['entries'])} entries"


def verify_heads(published: dict[str, Any], statement: dict[str, Any], keys: dict[str, Point]) -> str:
    """The heads that were published of the statement's two chains before its moment: each is signed, and the statement has it."""
    found = 0
    for head in published["heads"]:
        name = {statement["chain"]: "entries", statement["chain"].replace("fund:", "changes:"): "changes"}.get(head["chain"])
        if name is None or in_utc(head["published_at"]) > in_utc(statement["as_of"]):
            continue
        text = f"campaign-head/2|{head['chain']}|{head['position']}|{head['hash']}"
        require(
            head["key"] in keys and is_signed(text.encode(), head["signature"], keys[head["key"]]),
            "a published head is not signed by the charity",
        )
        require(len(statement[name]) >= head["position"], "the statement ends before a head that was published earlier")
        require(statement[name][head["position"] - 1]["hash"] == head["hash"], "the statement is not of the chain whose head was published")
        found += 1
    return f"right: it has the {found} published heads of its chains from before its moment"


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Wrong, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        sys.exit(f"wrong: {error if isinstance(error, (Wrong, OSError)) else 'it is not a statement or proof as this program knows them'}")
