"""Staff: signing in with a password and a second factor, and what they see once they have."""
