"""The sections of staff's pages that a member may see, for the navigation on every page and the search."""

from dataclasses import dataclass

from flask import Flask, request
from flask_babel.speaklater import LazyString

from campaign.staff.members import ROLES
from campaign.web.security import has_role
from campaign.web.staff import attention
from campaign.web.staff.navigation import SECTIONS, Destination

_SHOWN = "campaign.sections_of_staff"


def init_app(app: Flask) -> None:
    """Let the templates of staff's pages show the navigation."""
    app.jinja_env.globals["sections_of_staff"] = list_sections
    app.jinja_env.globals["count_needs"] = attention.count_needs
    app.after_request(attention.count_again_after_acting)


@dataclass(frozen=True, kw_only=True)
class ShownSection:
    """A section with the pages that the member may see."""

    label: LazyString
    destinations: list[Destination]
    is_current: bool


def list_sections() -> list[ShownSection]:
    """The sections of which the member may see a page. A page shows them several times, and asks for the member's role once."""
    if _SHOWN not in request.environ:
        has = {role: has_role(role) for role in ROLES}
        found = [(section, [page for page in section.pages if has[page.role]]) for section in SECTIONS]
        request.environ[_SHOWN] = [
            ShownSection(label=one.label, destinations=pages, is_current=one.is_current) for one, pages in found if pages
        ]
    return list(request.environ[_SHOWN])
