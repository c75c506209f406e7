"""Words of a patient on a campaign's page, and the goal after the goal."""

from alembic import op

revision = "campaign_words"
down_revision = "my_gifts"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE campaign
            ADD patient_words_en text NOT NULL DEFAULT '',
            ADD patient_words_fr text NOT NULL DEFAULT '',
            ADD patient_name_en text NOT NULL DEFAULT '',
            ADD patient_name_fr text NOT NULL DEFAULT '',
            ADD next_goal_cents bigint,
            ADD CONSTRAINT words_of_patient_are_in_both_languages CHECK (
                num_nonnulls(
                    nullif(patient_words_en, ''), nullif(patient_words_fr, ''), nullif(patient_name_en, ''), nullif(patient_name_fr, '')
                ) IN (0, 4)
            ),
            ADD CONSTRAINT next_goal_is_beyond_goal CHECK (next_goal_cents > goal_cents);
    """)


def downgrade() -> None:
    """The words of patients, and the goals after goals, are lost."""
    op.execute("""
        ALTER TABLE campaign
            DROP patient_words_en, DROP patient_words_fr, DROP patient_name_en, DROP patient_name_fr, DROP next_goal_cents;
    """)
