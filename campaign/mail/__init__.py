"""E-mail to donors, funders and staff: composed from the books, frozen, delivered."""
