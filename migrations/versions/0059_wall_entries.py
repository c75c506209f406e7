"""Gifts that donors let the page of the campaign show, without the amount: what is shown of each, and when it begins to be."""

from alembic import op

revision = "wall_entries"
down_revision = "charity_pages"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE wall_entry (
            donation_id bigint NOT NULL,
            campaign_id bigint NOT NULL,
            consented_at timestamptz NOT NULL DEFAULT now(),
            name text NOT NULL,
            shows_province boolean NOT NULL,
            shows_tribute boolean NOT NULL,
            version bigint NOT NULL DEFAULT 1,
            place uuid NOT NULL DEFAULT gen_random_uuid(),
            withdrawn_at timestamptz,
            decision text,
            decided_by text,
            decided_at timestamptz,
            ready_at timestamptz,
            show_from timestamptz,
            CONSTRAINT pk_wall_entry PRIMARY KEY (donation_id),
            CONSTRAINT wall_entry_donation_id_exists FOREIGN KEY (donation_id) REFERENCES donation (id),
            CONSTRAINT wall_entry_campaign_id_exists FOREIGN KEY (campaign_id) REFERENCES campaign (id),
            CONSTRAINT wall_entry_place_is_unique UNIQUE (place),
            CONSTRAINT decision_about_entry_is_known CHECK (decision IN ('agreed', 'refused')),
            CONSTRAINT decision_about_entry_names_who CHECK (num_nonnulls(decision, decided_by, decided_at) IN (0, 3)),
            CONSTRAINT agreed_entry_waits CHECK ((decision IS NOT DISTINCT FROM 'agreed') = (ready_at IS NOT NULL)),
            CONSTRAINT entry_waits_before_it_is_shown CHECK (ready_at > decided_at),
            CONSTRAINT entry_is_shown_once_ready CHECK (show_from IS NULL OR (ready_at IS NOT NULL AND show_from >= ready_at)),
            CONSTRAINT entries_appear_on_the_hour CHECK (mod(extract(epoch FROM show_from), 3600) = 0),
            CONSTRAINT shown_name_is_short CHECK (char_length(name) <= 80),
            CONSTRAINT withdrawn_entry_names_nobody CHECK (withdrawn_at IS NULL OR name = '')
        );
        CREATE INDEX ix_wall_entry_shown ON wall_entry (campaign_id, show_from, place) WHERE decision = 'agreed' AND withdrawn_at IS NULL;
        CREATE INDEX ix_wall_entry_waiting ON wall_entry (campaign_id, donation_id) WHERE decision IS NULL AND withdrawn_at IS NULL;
        CREATE INDEX ix_wall_entry_decided ON wall_entry (campaign_id, decided_at) WHERE decision IS NOT NULL AND withdrawn_at IS NULL;
    """)


def downgrade() -> None:
    """Nothing is shown any more, and who agreed to it is lost."""
    op.execute("DROP TABLE wall_entry")
