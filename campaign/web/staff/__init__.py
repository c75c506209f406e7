"""Pages for staff, behind sign-in with a second factor."""
