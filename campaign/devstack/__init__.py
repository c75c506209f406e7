"""What `make run` and the tests start on one machine: PostgreSQL, Valkey, the Stripe sandbox, a mailbox, web and worker."""
