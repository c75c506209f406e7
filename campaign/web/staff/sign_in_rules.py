"""What a sign-in has to meet: a password that nobody guesses, a bound on guesses for each account, and no other way in than the form.

The bound on an account does not hold for a network from which its member has signed in before, so that nobody can lock the owner out by guessing.
"""

import re
import unicodedata
from typing import Any

from flask import current_app, request, session
from flask.wrappers import Response
from flask_babel import gettext
from flask_security import LoginForm, PasswordUtil
from sqlalchemy import func, select
from zxcvbn import zxcvbn

from campaign.campaigns.campaigns import list_campaigns
from campaign.edges.db import db
from campaign.matching.funds import funds_of
from campaign.staff import sessions
from campaign.staff.members import ROLES, Staff
from campaign.web.languages import LANGUAGES
from campaign.web.networks import client_key, pseudonym

SHORTEST_PASSWORD = 12
LONGEST_SCORED = 72  # The library takes no longer ones.
LONGEST_READ = 1000
# Easy to guess here, beside the words of the charity's own names.
CONTEXT_WORDS = ("campaign", "campagne", "donation", "donate", "charity", "stripe", "staff", "password", "receipt", "matching")
SHORTEST_WORD = 4
LEAST_BESIDE_WORDS = 8
# Of 0 to 4: withstands 10^8 guesses.
LEAST_SCORE = 3
LOGIN = "security.login"
GUESSES_PER_ACCOUNT = "10 per 15 minutes; 30 per day"
FORM_AGAIN = 200


class SignInForm(LoginForm):
    """Without a choice to be remembered: a session ends after twelve hours at most."""

    remember = None


class Passwords(PasswordUtil):
    """Refuses passwords that are short or easy to guess."""

    def validate(self, password: str, is_register: bool, **values: Any) -> tuple[list[str] | None, str]:  # noqa: FBT001  # the library's signature
        """The reasons against the password, or None, and the password in Unicode's normal form."""
        normal = self.normalize(password)
        if len(normal) < SHORTEST_PASSWORD:
            return [gettext("Please choose at least %(count)s characters.", count=SHORTEST_PASSWORD)], normal
        member = values.get("user")
        own = [member.email, *member.email.replace("@", ".").split(".")] if isinstance(member, Staff) else []
        words = _context_words()
        found = zxcvbn(normal[:LONGEST_SCORED], user_inputs=[*own, *words])  # type: ignore[no-untyped-call]
        if found["score"] < LEAST_SCORE or _letters_beside(words, normal) < LEAST_BESIDE_WORDS:
            return [gettext("This password is easy to guess. Four words that have nothing to do with each other make a good one.")], normal
        return None, normal


def normalized(password: str) -> str:
    """The password as it was hashed: in Unicode's normal form."""
    return str(current_app.extensions["security"].password_util.normalize(password[:LONGEST_READ]))


def _context_words() -> list[str]:
    """Words that everybody expects here: of the service, its roles, the charity, its campaign and funds (docs/security.md)."""
    names: list[str] = []
    for campaign in list_campaigns():
        funds = funds_of(campaign.id)
        names += [campaign.slug, *(fund.slug for fund in funds)]
        for language in LANGUAGES:
            names += [campaign.title(language), campaign.charity.name(language), *(fund.name(language) for fund in funds)]
    return [*CONTEXT_WORDS, *ROLES, *(word for word in re.findall(r"\w+", " ".join(names)) if len(word) >= SHORTEST_WORD)]


def _letters_beside(words: list[str], password: str) -> int:
    """How many letters and digits the password has beside these words."""
    rest = _without_accents(password)
    for word in sorted(map(_without_accents, words), key=len, reverse=True):
        rest = rest.replace(word, " ")
    return sum(map(str.isalnum, rest))


def _without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


def account_key() -> str:
    """The account that a sign-in or a code is for, without storing its address."""
    return pseudonym("account:" + _account())


def has_failed(response: Response) -> bool:
    """Whether the guess was wrong: then the form is shown again."""
    return response.status_code == FORM_AGAIN


def is_known_network() -> bool:
    """Whether the member whom the sign-in is for has signed in from this network before."""
    member = _member()
    return member is not None and sessions.has_been_at(member.id, client_key())


def _account() -> str:
    """The member, however their address is spelled; the address in the form when nobody has it."""
    member = _member()
    return f"member {member.id}" if member else request.form.get("email", "").strip().casefold()


def _member() -> Staff | None:
    """Whom the password is for or, once it was right, whose second factor is awaited: then no field of the form names another one."""
    if request.endpoint != LOGIN:
        return db.session.scalar(select(Staff).where(Staff.fs_uniquifier == session.get("tf_user_id", "")))
    try:
        address = current_app.extensions["security"].mail_util.normalize(request.form.get("email", "").strip())
    except ValueError:
        return None
    return db.session.scalar(select(Staff).where(func.lower(Staff.email) == address.lower()))
