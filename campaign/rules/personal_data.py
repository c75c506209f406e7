"""The inventory of personal data: what each column with text, JSON or bytes holds, and what erasure does with it.

A test demands that every such column of every table is in it, and that after the erasure of a person what they typed is only where this says.
Pure: the names of tables and columns are plain text.
"""

from collections.abc import Mapping
from enum import StrEnum


class Treatment(StrEnum):
    """What a column holds, and what becomes of it.

    AT_ONCE is of a person, and erased when they ask. BOOKS names the donor in the books and on receipts: it stays as long as tax law asks, and is
    erased after it. REGISTER is in the register of privacy requests, which proves that they were answered, for two years after the answer.
    REFERENCE is a number or code of a gift or payment, which names nobody by itself and stays with the books. RECORD is what staff or a bank said
    about an act, and who acted; it stays with the act, as an audit trail cannot be changed. ORGANIZATION is about the charity, its funders and their
    contacts, STAFF about members. NONE is about no person.
    """

    AT_ONCE = "at_once"
    BOOKS = "books"
    REGISTER = "register"
    REFERENCE = "reference"
    RECORD = "record"
    ORGANIZATION = "organization"
    STAFF = "staff"
    NONE = "none"


def _table(**columns: str) -> dict[str, Treatment]:
    """The treatment of each column, from the names of the columns by treatment."""
    return {column: Treatment(treatment) for treatment, names in columns.items() for column in names.split()}


_NAME_AND_ADDRESS = "first_name last_name organization address_line1 address_line2 city province postal_code country"
_DECIDED = "requested_by reason decided_by"

INVENTORY: Mapping[str, Mapping[str, Treatment]] = {
    "access_link": _table(organization="token_hash"),
    "audit_entry": _table(record="actor action subject detail"),
    "balance_transaction": _table(reference="stripe_id source payment_intent payout", none="type category currency"),
    "bank_details": _table(
        organization="account_holder bank_name institution transit account_number swift cheque_payable_to", record="changed_by"
    ),
    "bounce": _table(at_once="reason", record="reported_by"),
    "call_cancellation": _table(record="reason cancelled_by"),
    "call_document": _table(organization="pdf", none="sha256"),
    "campaign": _table(
        none="slug title_en title_fr lead_en lead_fr story_en story_fr cause_en cause_fr currency picture picture_alt_en picture_alt_fr",
        organization="patient_words_en patient_words_fr patient_name_en patient_name_fr",
    ),
    "campaign_picture": _table(none="sha256 jpeg"),
    "card_decline": _table(reference="charge payment_intent code"),
    "card_testing_guard": _table(record="begun_by ended_by"),
    "charity": _table(
        organization=(
            "legal_name name_en name_fr address registration_number place_of_issue signatory_name signatory_title_en signatory_title_fr "
            "email phone website privacy_officer signature logo page_logo"
        ),
        none="time_zone series fiscal_year_end awaited_gifts_as",
    ),
    "charity_page": _table(none="kind text_en text_fr", record="changed_by"),
    "charity_confirmation": _table(organization="fingerprint details", record="actor opened_by"),
    "checkout_code": _table(at_once="attempt email client_key", none="language"),
    "closed_month": _table(none="figures heads", record="reason closed_by reopened_by reopening_reason"),
    "incident_version": _table(record="circumstances information concerned risk unnotified_reason measures reason actor"),
    "contact_change": _table(at_once="old new"),
    "declaration_document": _table(books="content", reference="sha256", none="media_type"),
    "delivery_attempt": _table(at_once="answer", reference="sha256", none="outcome"),
    "delivery_delay": _table(at_once="diagnostic", none="status"),
    "deposit": _table(organization="bank_account", record="closed_by"),
    "donation": _table(
        books=_NAME_AND_ADDRESS,
        at_once="email public_name tribute_kind tribute_name message checkout_url client_key former_token_hash",
        reference="public_id attempt checkout_id payment_intent",
        record="closed_by quarantine_reason",
        none="language currency ended_as match_limit frequency",
    ),
    "donor": _table(at_once="email", none="receipt_preference"),
    "donor_access": _table(at_once="email token_hash", none="opens"),
    "donor_merge": _table(at_once="reason", record="merged_by undone_by"),
    "donor_move": _table(at_once="email"),
    "email_change": _table(at_once="old_email new_email token_hash"),
    "filed_gift": _table(reference="serial", none="gift_group"),
    "filed_return": _table(books="register", reference="sha256", record="filed_by note", none="form version awaited_gifts_as lines"),
    "frozen_email": _table(
        at_once="recipient recipient_name subject sealed_plain sealed_html", organization="sender_name reply_to", none="language"
    ),
    "fund": _table(organization="slug name_en name_fr", none="chain_hash leftover"),
    "fund_call": _table(organization="content", record="reason issued_by", none="kind"),
    "fund_change": _table(record="kind actor reason text", none="hash"),
    "funder": _table(organization="name_en name_fr registration_number legal_name address email language province"),
    "report_recipient": _table(organization="email language", record="added_by"),
    "report_choice": _table(none="kinds sending", record="chosen_by"),
    "fund_introduction": _table(organization="words_en words_fr name_en name_fr portrait portrait_alt_en portrait_alt_fr"),
    "fund_milestone": _table(none="milestone"),
    "funder_report": _table(none="kind period milestone"),
    "funder_payment": _table(organization="reference", record="recorded_by"),
    "funder_payment_request": _table(organization="reference", record=f"kind decision {_DECIDED}"),
    "funder_payment_return": _table(organization="reference"),
    "gift_import": _table(record="file_name uploaded_by undo_reason", none="headings columns day_order method donor_language"),
    "gift_import_row": _table(at_once="cells fields flaws gift", record="refusal decided_by", none="state questions answered"),
    "heartbeat": _table(none="name"),
    "information_return": _table(record="closed_by note filed_how"),
    "integrity_check": _table(reference="findings point"),
    "job_result": _table(none="name reason error"),
    "journal_account": _table(none="purpose code name_en name_fr tax_code", record="set_by"),
    "ledger_day": _table(none="kind"),
    "ledger_entry": _table(reference="reference cause", none="kind from_account to_account chain digest hash"),
    "ledger_move": _table(none="kind from_account to_account"),
    "logo": _table(organization="sha256 png"),
    "news_agreement": _table(none="language words"),
    "news_withdrawal": _table(record="how recorded_by"),
    "offline_gift": _table(reference="reference", record="recorded_by", none="method"),
    "offline_reversal": _table(reference="reference", record="reason recorded_by", none="kind"),
    "opened_sample": _table(organization="fingerprint", record="opened_by", none="language"),
    "outbox": _table(
        at_once="recipient last_error", reference="key invoice message_id", none="kind factor_change missing_elements reminder"
    ),
    "page_logo": _table(organization="sha256 png"),
    "passkey": _table(staff="credential_id public_key transports name"),
    "payout": _table(reference="stripe_id", none="currency status reconciliation_status failure"),
    "pending_rematch": _table(reference="cause next_cause"),
    "pledge_request": _table(record=f"decision {_DECIDED}"),
    "seal_request": _table(record=f"decision {_DECIDED}"),
    "campaign_seal": _table(none="heads"),
    "portrait": _table(organization="sha256 jpeg"),
    "posted_call": _table(record="posted_by"),
    "posted_notice": _table(record="posted_by"),
    "posted_receipt": _table(record="posted_by"),
    "privacy_act": _table(register="note", record="kind actor detail"),
    "privacy_request": _table(register="person contact", record="kind recorded_by closed_by"),
    "published_head": _table(none="chain hash key signature"),
    "quarantined_payment": _table(reference="payment_intent", record="anomaly decision decided_by reason", none="currency"),
    "receipt": _table(books="content", reference="serial check_code"),
    "receipt_declaration": _table(books="name words", record="how recorded_by", reference="document", none="language"),
    "receipt_document": _table(books="pdf", reference="sha256", none="kind"),
    "receipt_end": _table(record="ended_as reason actor note"),
    "reconciliation": _table(record="actor", none="compared"),
    "reconciliation_finding": _table(reference="object_id detail sentence", none="kind state"),
    "recurring_gift": _table(
        at_once=f"email former_token_hash {_NAME_AND_ADDRESS}",  # Of later months, which do not come any more once it has ended.
        reference="subscription customer",
        record="cancellation_reason cancel_request_reason",
        none="status",
    ),
    "refund_request": _table(reference="key payment_intent stripe_id", record="reason actor refusal"),
    "retention_rule": _table(none="kind"),
    "reversal": _table(reference="stripe_id payment_intent", record="reason", none="kind status"),
    "role": _table(none="name"),
    "saved_view": _table(staff="name filters"),
    "signature": _table(organization="sha256 png"),
    "staff": _table(staff="email password fs_uniquifier tf_primary_method tf_totp_secret mf_recovery_codes"),
    "shared_message": _table(record="decision decided_by"),
    "wall_entry": _table(at_once="name", record="decision decided_by"),
    "staff_note": _table(at_once="text", record="author removed_by"),
    "staff_session": _table(staff="token_hash client network"),
    "stated_name": _table(organization="facts", none="subject"),
    "statement_document": _table(organization="pdf", none="period language sha256"),
    "statement_signature": _table(organization="certificate", none="period sha256 signature"),
    "stripe_alert": _table(reference="object_id detail", record="closed_by", none="kind"),
    "stripe_cursor": _table(none="list"),
    "stripe_event": _table(at_once="body", reference="event_id subject body_sha256", none="type source outcome last_error"),
    "summed_days": _table(none="time_zone"),
    "campaign_totals": _table(none="chain_hash"),
    "tribute_card": _table(at_once="recipient_name recipient_email from_name message", none="language"),
    "void_request": _table(record=f"decision {_DECIDED}"),
}


def columns_with(treatment: Treatment) -> set[tuple[str, str]]:
    """The table and name of each column that is treated so."""
    return {(table, column) for table, columns in INVENTORY.items() for column, treated in columns.items() if treated is treatment}
