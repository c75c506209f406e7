"""The network that a client is in: what one household or one attacker has many addresses of."""

import hmac
from ipaddress import ip_address, ip_network

from flask import request

from campaign.edges.secret_keys import Purpose
from campaign.edges.services import services

IPV6_PREFIX = 64


def network_of(address: str | None) -> str:
    """The IPv4 address itself, or the /64 of an IPv6 address, where one client has as many addresses as it likes. The text itself if neither."""
    bare = (address or "").partition("%")[0]
    if bare.startswith("["):  # With a port, as some proxies write it.
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        parsed = ip_address(bare)
    except ValueError:
        return address or ""
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ip_network((parsed, IPV6_PREFIX), strict=False))


def client_key() -> str:
    """A keyed hash of the client's network, so that its checkouts and requests can be counted without storing the address."""
    return pseudonym(network_of(request.remote_addr))


def pseudonym(text: str) -> str:
    """A keyed hash of an address or another personal text: the same text has the same one, until SECRET_KEY changes."""
    secret = services().keys.current(Purpose.NETWORK).encode()
    return hmac.new(secret, text.encode("utf-8", "replace"), "sha256").hexdigest()[:32]
