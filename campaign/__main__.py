"""`python -m campaign` is the command line."""

from campaign.cli.main import main

main()
