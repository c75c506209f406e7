"""Hints for an email address that was probably mistyped, such as `jane@gmail.con`. A hint is a question, never a refusal."""

from difflib import SequenceMatcher
from functools import lru_cache

# What donors of a Canadian charity write from; an address at one of these is never questioned.
PROVIDERS = (
    *(
        "gmail.com",
        "googlemail.com",
        "hotmail.com",
        "hotmail.ca",
        "hotmail.fr",
        "outlook.com",
        "outlook.fr",
        "live.com",
        "live.ca",
        "live.fr",
    ),
    *(
        "msn.com",
        "yahoo.com",
        "yahoo.ca",
        "yahoo.fr",
        "ymail.com",
        "rocketmail.com",
        "icloud.com",
        "me.com",
        "mac.com",
        "aol.com",
        "mail.com",
    ),
    *(
        "email.com",
        "gmx.com",
        "gmx.ca",
        "proton.me",
        "protonmail.com",
        "pm.me",
        "fastmail.com",
        "hey.com",
        "videotron.ca",
        "videotron.qc.ca",
    ),
    *("sympatico.ca", "bell.net", "rogers.com", "shaw.ca", "telus.net", "cogeco.ca", "cogeco.net", "eastlink.ca", "sasktel.net", "mts.net"),
    *("nb.sympatico.ca", "ns.sympatico.ca", "teksavvy.com", "xplornet.com", "globetrotter.net", "laposte.net", "orange.fr", "free.fr"),
)
# Short names differ from each other by as little as from their own misspellings.
SHORTEST = 8
SIMILARITY = 0.88


def suggested_address(address: str) -> str:
    """The address that was probably meant; empty when there is nothing to ask."""
    local, _, domain = address.rpartition("@")
    meant = _provider_like(domain.casefold())
    return f"{local}@{meant}" if meant else ""


@lru_cache(maxsize=1024)
def _provider_like(domain: str) -> str:
    """The provider that was probably meant; empty when there is none. The donors of a list have few domains."""
    if domain in PROVIDERS or any(domain.startswith(f"{provider}.") for provider in PROVIDERS):
        return ""
    compared = [(SequenceMatcher(None, domain, provider), provider) for provider in PROVIDERS if len(provider) >= SHORTEST]
    # Bounds that are known at once come before the ratio, which takes most of the time of reading a list.
    near = [(one, provider) for one, provider in compared if one.real_quick_ratio() >= SIMILARITY and one.quick_ratio() >= SIMILARITY]
    similarity, provider = max(((one.ratio(), provider) for one, provider in near), default=(0.0, ""))
    return provider if similarity >= SIMILARITY else ""
