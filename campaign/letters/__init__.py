"""What we write to people: each letter in its reader's language. Words only: sending is work/mailing.py, keeping giving/mails.py."""
