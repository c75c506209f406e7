"""Renders the documents of calls, credit notes and final accounts. No lock is held while one is rendered or signed."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from campaign.campaigns.signing_keys import signing_key_of
from campaign.config import resource
from campaign.edges import pdf
from campaign.edges.db import db
from campaign.funders.call_documents import document_of, store_document
from campaign.funders.calls import CallKind, FundCall
from campaign.receipts import printed_pictures
from campaign.receipts.printed_pictures import Logo
from campaign.rules.money import format_money
from campaign.texts.call_words import call_labels, signature_name
from campaign.texts.dates import format_day
from campaign.texts.file_names import Document, file_name

CALL_TEMPLATE = resource("templates") / "funders" / "call.typ"
ACCOUNT_TEMPLATE = resource("templates") / "funders" / "final_account.typ"
PREVIEW, TEST = "preview", "test"


def get_or_render_pdf(call: FundCall) -> bytes:
    """The signed document of the call or credit note, with the same bytes every time. Raises RenderingFailed and SigningKeyMissing."""
    stored = document_of(call)
    if stored is not None:
        return stored
    content, charity_id, name, at = call.content, call.charity_id, call.name, call.issued_at
    signed = render_signed(CALL_TEMPLATE, content, call_data(content, name=name), charity_id=charity_id, at=at)
    stored = store_document(call, signed)
    db.session.commit()
    return stored


def render_preview(content: Mapping[str, Any]) -> bytes:
    """The document of a call that is not issued: marked, without a number, not signed and not stored. Raises RenderingFailed."""
    data = call_data(content, name="–", mark=PREVIEW) | {"logo": list(_logo(content))}
    db.session.commit()
    return pdf.render(CALL_TEMPLATE, data, at=datetime.now(UTC))


def render_signed(template: Any, content: Mapping[str, Any], data: dict[str, Any], *, charity_id: int, at: datetime) -> bytes:
    """Render a document of a charity for a funder, and sign it."""
    key, logo = signing_key_of(charity_id), _logo(content)
    db.session.commit()
    plain = pdf.render(template, data | {"logo": list(logo)}, at=at)
    return key.sign(plain, name=signature_name(content["language"], content["charity_name"]))


def call_data(content: Mapping[str, Any], *, name: str, mark: str = "") -> dict[str, Any]:
    """The data of the template, formatted for display."""
    language = content["language"]
    labels, is_call = call_labels(language), content["kind"] == CallKind.CALL

    def money(cents: int) -> str:
        return format_money(cents, language)

    return {
        **letterhead_of(content, mark=mark),
        "title": labels["call_title" if is_call else "credit_note_title"],
        "number": name,
        "is_call": is_call,
        "issued_on": _day(content["issued_on"], language),
        "due_on": _day(content["due_on"], language) if is_call else "",
        "lines": [[labels[_line_name(content, key)], money(cents)] for key, cents in content["lines"]],
        "total": [labels["cents" if is_call else "credit"], money(content["cents"])],
        "rest": [[labels[key], money(cents)] for key, cents in _rest(content)],
        "to_pay": money(content["to_pay_cents"]) if content["to_pay_cents"] else "",
        "balances": [
            [labels[label], money(content[f"{key}_cents"])]
            for key, label in (
                ("pledged", "pledged"),
                ("matched", "matched_in_all"),
                ("called_before", "called_before"),
                ("received_before", "received_before"),
            )
        ],
        "transfer": _transfer(content, labels),
        "cheque": content["bank"]["cheque_payable_to"] if is_call else "",
        "reason": content.get("reason", ""),
    }


def letterhead_of(content: Mapping[str, Any], *, mark: str) -> dict[str, Any]:
    """What documents for funders have in common."""
    labels = call_labels(content["language"])
    about = {"email": content["charity_email"], "phone": content["charity_phone"]}
    marks = list(dict.fromkeys(one for one in (mark, TEST if content["is_test"] else "") if one))
    names = ("language", "charity_name", "charity_address", "registration_number", "funder_name", "funder_address", "fund", "campaign")
    return {
        **{name: content[name] for name in (*names, "currency", "signatory_name", "signatory_title")},
        "labels": labels,
        "questions": labels["questions_or_call" if about["phone"] else "questions"] % about,
        "banners": [labels[f"{one}_banner"] for one in marks],
        "watermark": pdf.outlines(labels[marks[0]]) if marks else "",
    }


def _line_name(content: Mapping[str, Any], key: str) -> str:
    is_first = key == "matched" and content["called_before_cents"] == 0
    return "matched_first" if is_first else key


def _rest(content: Mapping[str, Any]) -> list[tuple[str, int]]:
    """What follows from the total: what is paid already, or what a credit note changes."""
    if content["kind"] == CallKind.CALL:
        return [("received", -content["received_cents"])] if content["received_cents"] else []
    found = [("less_open", content["less_open_cents"]), ("to_return", content["to_return_cents"])]
    return [(name, cents) for name, cents in found if cents]


def _transfer(content: Mapping[str, Any], labels: Mapping[str, str]) -> list[list[str]]:
    if content["kind"] != CallKind.CALL or not content["bank"]["account_number"]:
        return []
    names = ("account_holder", "bank_name", "institution", "transit", "account_number", "swift")
    return [[labels[name], content["bank"][name]] for name in names if content["bank"][name]]


def _day(text: str, language: str) -> str:
    return format_day(date.fromisoformat(text), language)


def _logo(content: Mapping[str, Any]) -> bytes:
    return printed_pictures.get_picture(Logo, content["logo"]) if content["logo"] else b""


def file_name_of(call: FundCall) -> str:
    """The name of the document's file."""
    document = Document.CALL if call.kind == CallKind.CALL else Document.CREDIT_NOTE
    return file_name(document, call.name, language=call.content["language"], extension="pdf", is_trial=call.content["is_test"])
