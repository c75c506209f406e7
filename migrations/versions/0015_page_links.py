"""Links to the pages of donors are derived from a key and a version; emails are encrypted. What was stored in clear is hashed or encrypted."""

from alembic import op
from sqlalchemy import bindparam, text

from campaign.edges.sealed_text import seal
from campaign.edges.services import services

revision = "page_links"
down_revision = "staff_passwords"

TABLES = ("donation", "recurring_gift")
KINDS = (
    *("receipt", "acknowledgement", "receipt_copy", "annual_receipt", "reversal", "match_increased", "payment_failed", "instalment_failed"),
    *("recurring_gift_ended", "recurring_gift_link", "funder_payment", "pledge_matched", "staff_todo", "staff_access"),
    *("donor_access", "recurring_gift_changed", "receipt_choice_changed", "email_change", "email_changed", "address_changed"),
)
BATCH = 500


def upgrade() -> None:
    _allow_kinds((*KINDS, "links_renewed"))
    for table in TABLES:
        op.execute(f"""
            ALTER TABLE {table} ADD link_version bigint NOT NULL DEFAULT 1, ADD former_token_hash bytea;
            UPDATE {table} SET former_token_hash = sha256(convert_to(token, 'UTF8'));
            ALTER TABLE {table} DROP token, ADD CONSTRAINT version_of_{table}_link_is_positive CHECK (link_version > 0);
            CREATE UNIQUE INDEX ix_{table}_former_token_hash ON {table} (former_token_hash) WHERE former_token_hash IS NOT NULL;
        """)
    op.execute("""
        ALTER TABLE frozen_email ADD sealed_plain bytea, ADD sealed_html bytea;
        ALTER TABLE frozen_email DISABLE TRIGGER USER;
    """)
    _encrypt_emails()
    op.execute("""
        ALTER TABLE frozen_email ENABLE TRIGGER USER;
        ALTER TABLE frozen_email DROP plain, DROP html, ALTER sealed_plain SET NOT NULL, ALTER sealed_html SET NOT NULL;
    """)


def _encrypt_emails() -> None:
    connection = op.get_bind()
    due = text(f"SELECT outbox_id AS email, plain, html FROM frozen_email WHERE sealed_plain IS NULL LIMIT {BATCH}")
    encrypt = text("UPDATE frozen_email SET sealed_plain = :plain, sealed_html = :html WHERE outbox_id = :email").bindparams(
        bindparam("email")
    )
    while rows := connection.execute(due).all():
        keys = services().keys
        connection.execute(encrypt, [{"email": row.email, "plain": seal(keys, row.plain), "html": seal(keys, row.html)} for row in rows])


def downgrade() -> None:
    """Former links are gone: each page gets a new one. Emails can no longer be read."""
    op.execute("DELETE FROM outbox WHERE kind = 'links_renewed'")
    _allow_kinds(KINDS)
    op.execute("""
        ALTER TABLE frozen_email ADD plain text NOT NULL DEFAULT '', ADD html text NOT NULL DEFAULT '', DROP sealed_plain, DROP sealed_html;
        ALTER TABLE frozen_email ALTER plain DROP DEFAULT, ALTER html DROP DEFAULT;
    """)
    for table in TABLES:
        op.execute(f"""
            DROP INDEX ix_{table}_former_token_hash;
            ALTER TABLE {table} DROP CONSTRAINT version_of_{table}_link_is_positive, ADD token text;
            UPDATE {table} SET token = replace(gen_random_uuid()::text, '-', '');
            ALTER TABLE {table} ALTER token SET NOT NULL, DROP link_version, DROP former_token_hash,
                ADD CONSTRAINT {table}_token_is_unique UNIQUE (token);
        """)


def _allow_kinds(kinds: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.execute(
        f"ALTER TABLE outbox DROP CONSTRAINT kind_of_message_is_known, ADD CONSTRAINT kind_of_message_is_known CHECK (kind IN ({listed}))"
    )
