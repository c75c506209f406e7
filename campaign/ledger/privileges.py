"""What the role `campaign_service` may do, table by table. The service connects as a member of it, `campaign setup` as the owner of the tables.

The service reads all tables and adds rows. It changes and deletes rows only where this file says so: a new table is append-only for it until
it is named here. It truncates and owns nothing. Balances are moved by functions that run as the owner (ledger/triggers).
"""

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, bindparam, text

from campaign.edges.db import Base

SERVICE = "campaign_service"
CREATE_ROLE = f"CREATE ROLE {SERVICE} NOLOGIN"

# Fixed lists, and what triggers derive from ledger entries: the service adds no rows.
ADDED_BY_OWNER = frozenset({"alembic_version", "campaign_donor", "donation_match", "donor_match", "ledger_move", "role", "stated_name"})
# Of new rows, these columns are the database's own.
ADDED_EXCEPT: Mapping[str, frozenset[str]] = {
    "audit_entry": frozenset({"id", "at"}),
    "charity_confirmation": frozenset({"id", "at", "details"}),
    "charity_page": frozenset({"changed_at"}),
    "declaration_document": frozenset({"added_at"}),
    "opened_sample": frozenset({"id", "at"}),
    "receipt": frozenset({"predates_declarations", "predates_confirmations", "confirmation_id"}),
    "receipt_declaration": frozenset({"id", "recorded_at"}),
    "staff_note": frozenset({"id", "added_at"}),
    "statement_document": frozenset({"rendered_at"}),
    "statement_signature": frozenset({"signed_at"}),
    "confidentiality_incident": frozenset({"id"}),
    "incident_version": frozenset({"id", "at"}),
    "news_agreement": frozenset({"id", "at"}),
    "news_withdrawal": frozenset({"id", "at"}),
    "privacy_act": frozenset({"id", "at"}),
    "privacy_request": frozenset({"id", "recorded_at"}),
    "shared_message": frozenset({"shared_at"}),
    "wall_entry": frozenset({"consented_at", "place"}),
    "campaign_seal": frozenset({"sealed_at", "heads"}),
    "tribute_card": frozenset({"id", "created_at"}),
}
# Tables whose rows the service changes.
CHANGED = frozenset(
    {
        *(
            "access_link",
            "bounce",
            "card_testing_guard",
            "charity",
            "checkout_code",
            "deposit",
            "donor",
            "donor_access",
            "donor_merge",
        ),
        *(
            "call_series",
            "email_change",
            "funder",
            "heartbeat",
            "information_return",
            "job_result",
            "match_queue",
            "outbox",
            "passkey",
            "payout",
        ),
        *("pending_rematch", "quarantined_payment", "summed_days"),
        *("receipt_series", "reconciliation", "recurring_gift", "refund_request", "reversal", "saved_view", "staff", "staff_session"),
        *("retention_rule", "stripe_alert", "stripe_cursor", "void_request"),
        "frozen_email",  # A trigger lets only personal data be erased once it may have been delivered.
    }
)
# Tables whose rows the service changes, except for these columns.
CHANGED_EXCEPT: Mapping[str, frozenset[str]] = {
    "balance_transaction": frozenset({"id", "stripe_id", "type", "category", "cents", "fee_cents", "currency", "created_at"}),
    # Personal data is erased, as triggers permit.
    "campaign": frozenset({"id", "created_at", "sealed_at"}),
    "contact_change": frozenset({"id", "audit_entry_id", "donation_id", "recurring_gift_id"}),
    "declaration_document": frozenset({"sha256", "media_type", "added_at"}),
    "delivery_delay": frozenset({"outbox_id", "status", "reported_at"}),
    "donor_move": frozenset({"merge_id", "donation_id", "moved_at"}),
    "filed_return": frozenset(
        {
            *("id", "charity_id", "form", "version", "first_on", "last_on", "awaited_gifts_as", "lines", "sha256", "filed_on", "filed_by"),
            *("note", "recorded_at"),
        }
    ),
    "privacy_act": frozenset({"id", "request_id", "kind", "actor", "at", "detail"}),
    "privacy_request": frozenset({"id", "charity_id", "kind", "received_on", "due_on", "recorded_by", "recorded_at"}),
    "receipt": frozenset(
        {
            *("id", "charity_id", "year", "number", "serial", "issued_at", "check_code", "replaces_id", "confirmation_id"),
            *("predates_declarations", "predates_confirmations"),
        }
    ),
    "receipt_declaration": frozenset({"id", "donation_id", "language", "how", "recorded_by", "declared_on", "document", "recorded_at"}),
    "receipt_document": frozenset({"receipt_id", "kind", "sha256", "rendered_at"}),
    "closed_month": frozenset({"id", "charity_id", "first_on", "figures", "heads", "reason", "closed_by", "closed_at"}),
    "delivery_attempt": frozenset({"id", "outbox_id", "sha256", "started_at"}),
    "donation": frozenset({"id", "public_id", "net_cents"}),
    "fund_contributor": frozenset({"id", "fund_id", "funder_id"}),  # While the fund is a draft, as a trigger permits.
    "funder_payment_request": frozenset(
        {
            *("id", "funder_payment_id", "kind", "cents", "received_on", "reference", "returned_on", "undoes_id"),
            *("requested_by", "reason", "requested_at"),
        }
    ),
    "gift_import": frozenset({"id", "campaign_id", "file_name", "headings", "uploaded_by", "uploaded_at"}),
    "gift_import_row": frozenset({"import_id", "number"}),
    "offline_gift": frozenset({"donation_id", "method", "reference", "recorded_by"}),
    "pledge_request": frozenset({"id", "fund_id", "cents", "requested_by", "reason", "requested_at"}),
    "seal_request": frozenset({"id", "campaign_id", "requested_by", "reason", "requested_at"}),
    "fund": frozenset(
        {
            "id",
            "pledged_cents",
            "held_cents",
            "matched_cents",
            "chain_entries",
            "chain_hash",
            "activated_at",
            "paused_at",
            "ended_at",
            "sealed_at",
        }
    ),
    "fund_introduction": frozenset({"fund_id"}),
    "shared_message": frozenset({"donation_id", "shared_at"}),
    "staff_note": frozenset({"id", "donor_id", "donation_id", "author", "added_at", "replaces_id"}),
    "wall_entry": frozenset({"donation_id", "campaign_id", "consented_at", "place"}),
    "stripe_event": frozenset({"id", "event_id", "type", "received_at", "livemode", "subject"}),
    "tribute_card": frozenset({"id", "donation_id", "language", "send_on", "created_at"}),
}
# Rows of files that were not recorded, queues, drafts of emails, runs that compared nothing, sums by day in another time zone, views that members saved, what was posted by mistake, portraits
# that no fund shows any more, and the roles of staff.
DELETED = frozenset(
    {
        *(
            "frozen_email",
            "fund_contributor",
            "fund_reach",
            "gift_import_row",
            "ledger_day",
            "match_queue",
            "passkey",
            "pending_rematch",
            "portrait",
            "posted_call",
            "posted_notice",
            "posted_receipt",
            "reconciliation",
            "saved_view",
        ),
        "staff_role",
    }
)


def grant_privileges(connection: Connection) -> None:
    """Let the role have exactly these privileges on our tables and sequences, and nobody have any as PUBLIC. The caller commits.

    Creates the role if the connected one may. Changes nothing when there is no role, when all is as it should be, or when the connected
    role does not own the tables.
    """
    if is_owner(connection) and create_role(connection):
        for statement in list_changes(connection):
            connection.exec_driver_sql(statement)


def create_role(connection: Connection) -> bool:
    """Create the role if there is none and the connected one may; returns whether it exists. The caller commits."""
    exists, may_create = connection.execute(_role).one()
    if not exists and may_create:
        # Another database of the cluster may be set up at this moment.
        connection.exec_driver_sql(f"DO $$ BEGIN {CREATE_ROLE}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$")
    return bool(exists or may_create)


def is_owner(connection: Connection) -> bool:
    """Whether the connected role may change the tables: it is their owner, a member of it, or a superuser. False when there are no tables."""
    return bool(connection.scalar(_owner))


_role = text(
    "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role), rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
).bindparams(role=SERVICE)
_owner = text("SELECT pg_has_role(relowner, 'MEMBER') FROM pg_class WHERE oid = to_regclass('ledger_entry')")


def list_changes(connection: Connection) -> Iterator[str]:
    """The statements after which the role has exactly these privileges; those on the schema are always among them."""
    (schema,) = connection.execute(text("SELECT quote_ident(current_schema())")).one()
    yield f"REVOKE CREATE ON SCHEMA {schema} FROM {SERVICE}, PUBLIC"
    yield f"GRANT USAGE ON SCHEMA {schema} TO {SERVICE}"
    for name, is_sequence, columns, granted in connection.execute(_relations, {"tables": [*Base.metadata.tables, "alembic_version"]}):
        permitted = {("USAGE", None)} if is_sequence else set(permitted_privileges(name, columns))
        if permitted != {(what, column) for what, column in granted}:
            kind = "SEQUENCE" if is_sequence else "TABLE"
            yield f"REVOKE ALL ON {kind} {schema}.{name} FROM {SERVICE}, PUBLIC"
            for what, column in sorted(permitted, key=str):
                of_column = f'("{column}")' if column else ""
                yield f"GRANT {what} {of_column} ON {kind} {schema}.{name} TO {SERVICE}"


def permitted_privileges(table: str, columns: list[str]) -> Iterator[tuple[str, str | None]]:
    """The privileges of the service on a table with these columns, each with the column that it is limited to or None."""
    yield "SELECT", None
    if table in ADDED_EXCEPT:
        yield from (("INSERT", column) for column in columns if column not in ADDED_EXCEPT[table])
    elif table not in ADDED_BY_OWNER:
        yield "INSERT", None
    if table in CHANGED:
        yield "UPDATE", None
    if table in DELETED:
        yield "DELETE", None
    if table in CHANGED_EXCEPT:
        yield from (("UPDATE", column) for column in columns if column not in CHANGED_EXCEPT[table])


# Our tables and their sequences, with what is granted to the role or to everybody.
_relations = text("""
    SELECT c.relname, c.relkind = 'S', a.columns, array(
        SELECT ARRAY[x.privilege_type, NULL] FROM aclexplode(c.relacl) x WHERE x.grantee IN (0, r.oid)
        UNION ALL SELECT ARRAY[x.privilege_type, f.attname::text] FROM pg_attribute f, aclexplode(f.attacl) x WHERE f.attrelid = c.oid AND x.grantee IN (0, r.oid))
    FROM pg_class c JOIN pg_roles r ON r.rolname = :role
    CROSS JOIN LATERAL (SELECT array_agg(attname::text ORDER BY attnum) AS columns FROM pg_attribute
                        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) a
    WHERE c.relnamespace = current_schema()::regnamespace AND (c.relkind = 'r' AND c.relname IN :tables OR c.relkind = 'S' AND (
        c.relname = 'stripe_snapshot_number' OR EXISTS (
            SELECT FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid WHERE d.objid = c.oid AND d.deptype IN ('a', 'i') AND t.relname IN :tables)))
    ORDER BY 1
    """).bindparams(bindparam("tables", expanding=True), role=SERVICE)
