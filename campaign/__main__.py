"""`python -m campaign` is the command line."""

from campaign.cli import main

main()
