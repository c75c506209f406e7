"""Reads PDFs with a library of the readers' own environment, and prints one JSON object a line. tools/receipt_readers.py runs it."""

import json
import sys
from importlib import import_module


def read_with_pdfium(path: str) -> dict[str, object]:
    document = import_module("pypdfium2").PdfDocument(path)
    pages = [document[number] for number in range(len(document))]
    for page in pages:
        page.render(scale=0.5)
    return {"text": "\n".join(page.get_textpage().get_text_bounded() for page in pages)}


def check_with_page(path: str, profile: str) -> dict[str, object]:
    page = import_module("page")
    found = page.validate_pdf(path, profile=page.ValidationProfile[profile])
    return {"findings": [f"{failure.rule_id} {failure.message}" for failure in found.failures]}


if __name__ == "__main__":
    what, *paths = sys.argv[1:]
    for each in paths:
        read = read_with_pdfium(each) if what == "pdfium" else check_with_page(each, what)
        print(json.dumps({"path": each, **read}))
