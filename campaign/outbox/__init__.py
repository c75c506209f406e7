"""The outbox: messages to send, leases on work, and e-mail delivery attempts."""
