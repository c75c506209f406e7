"""Files of gifts in tests: written as a spreadsheet writes them, uploaded, and taken to the preview."""

import io
import re

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.factories import today
from tests.web import csrf_of, open_page, submit

PATH = "/staff/imports"
HEADINGS = "Date,Amount,Method,Number,First name,Last name,Email,Address,City,Province,Postal code"


def line(number: int, **changed: str) -> str:
    """One row: a cheque of a donor of its own."""
    cells = {
        "date": today().isoformat(),
        "amount": f"{number + 10}.00",
        "method": "cheque",
        "number": f"{number}",
        "first": "Anne",
        "last": f"Roy{number}",
        "email": f"donor{number}@example.org",
        "address": "8, rue Principale",
        "city": "Québec",
        "province": "QC",
        "postal": "G1R 4P5",
        **changed,
    }
    return ",".join(f'"{cell}"' for cell in cells.values())


def upload(client: FlaskClient, *lines: str, headings: str = HEADINGS, encoding: str = "utf-8") -> TestResponse:
    """Upload a file with these rows."""
    page = open_page(client, PATH)
    data = {"csrf_token": csrf_of(page), "file": (io.BytesIO("\r\n".join([headings, *lines]).encode(encoding)), "gifts.csv")}
    with client.application.app_context():
        return client.post(PATH, data=data, content_type="multipart/form-data")


def previewed(client: FlaskClient, *lines: str, headings: str = HEADINGS, **options: str) -> tuple[str, TestResponse]:
    """Upload a file, accept its columns as they are recognized, and return the path of its preview with the page."""
    columns = open_page(client, upload(client, *lines, headings=headings).location)
    path = columns.request.path
    answer = submit(client, columns, path, **{**chosen_columns(columns), **options})
    assert answer.status_code == 303, answer.text
    return answer.location, open_page(client, answer.location)


def chosen_columns(page: TestResponse) -> dict[str, str]:
    """What the form of columns has chosen."""
    found = {}
    for name, options in re.findall(r'<select id="([^"]+)".*?>(.*?)</select>', page.text, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    version = re.search(r'name="version" value="(\d+)"', page.text)
    assert version
    return {**found, "version": version[1]}


def confirm(client: FlaskClient, path: str, page: TestResponse) -> TestResponse:
    """Confirm what the preview shows as ready."""
    seen = dict(re.findall(r'name="(rows|cents)" value="(\d+)"', page.text))
    submit(client, page, f"{path}/confirmations", **seen)
    return open_page(client, path)
