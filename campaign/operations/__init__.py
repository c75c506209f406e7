"""Signs that the service works: worker heartbeats, silent webhooks, results of the integrity check."""
