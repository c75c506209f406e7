"""The network that a client is in: what one household or one attacker has many addresses of."""

from ipaddress import ip_address, ip_network

IPV6_PREFIX = 64


def network_of(address: str | None) -> str:
    """The IPv4 address itself, or the /64 of an IPv6 address, where one client has as many addresses as it likes. The text itself if neither."""
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ip_network((parsed, IPV6_PREFIX), strict=False))
