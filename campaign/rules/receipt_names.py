"""Which name an official receipt bears.

A receipt names whoever's money it is. That is whoever paid, unless they declare that it is somebody else's (CRA, CPC-010, sections 1 and 3: it is
a question of fact, and takes evidence; CRA, "Who is the true donor of this gift?": a written declaration that names the true donor).
"""

from dataclasses import dataclass

# What the name of a corporation ends with (Canada Business Corporations Act, s. 10(1)), and of companies and partnerships of other laws.
LEGAL_FORMS = frozenset(
    [
        "inc",
        "incorporated",
        "incorporée",
        "ltd",
        "ltée",
        "ltee",
        "limited",
        "limitée",
        "corp",
        "corporation",
        "sarf",
        "llc",
        "llp",
        "ulc",
        "senc",
        "sencrl",
    ]
)


@dataclass(frozen=True, kw_only=True)
class ReceiptNames:
    """The names that belong to a donation. `in_own_name` says that the person gives, who has named an organization too."""

    first_name: str
    last_name: str
    organization: str
    in_own_name: bool

    @property
    def person(self) -> str:
        """The person's name; empty when none was typed."""
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def bears_organization(self) -> bool:
        """Whether the name on the receipt is the organization's."""
        return bool(self.organization) and not (self.in_own_name and self.person)

    @property
    def on_receipt(self) -> str:
        """The name that the receipt bears: the organization's or the person's; empty when there is neither."""
        return self.organization if self.bears_organization else self.person


def gives_in_own_name(*, first_name: str, last_name: str, organization: str, is_declared: bool) -> bool:
    """Whether the person who typed this gives: they name an organization beside their full name, and do not declare that the money is its."""
    return bool(organization and first_name and last_name) and not is_declared


def legal_form_in(name: str) -> str:
    """The first word of a person's name, as typed, that says what kind of organization has this name; empty when there is none."""
    return next((word for word in name.replace(",", " ").split() if word.replace(".", "").casefold() in LEGAL_FORMS), "")
