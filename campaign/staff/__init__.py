"""Members of staff, their roles, and the audit trail of their actions."""
