"""Personal data shown in part: enough for its owner to recognize, too little for others to use."""


def mask_email(address: str) -> str:
    """`j•••@example.org` for `jane@example.org`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
