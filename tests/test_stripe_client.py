"""The connection to Stripe: only a server with a trusted certificate gets our key, and every failure is one of our two errors."""

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar

import pytest
import stripe
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from campaign.edges.stripe.client import StripeUnavailable
from campaign.edges.stripe.payments import StripePayments


class Impostor(BaseHTTPRequestHandler):
    """Responds to every request, and records the key that it received."""

    keys: ClassVar[list[str | None]] = []
    response = (200, b'{"object": "list", "data": [], "has_more": false, "url": "/v1/refunds"}')

    def do_GET(self) -> None:
        self.keys.append(self.headers["Authorization"])
        status, body = self.response
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def certificate(home: Path) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime.now(UTC) - timedelta(days=1)).not_valid_after(datetime.now(UTC) + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = home / "certificate.pem"
    path.write_bytes(private + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def impostor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    monkeypatch.setattr(Impostor, "keys", [])
    path = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Impostor)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}", path
    server.shutdown()
    server.server_close()


def find_refund(url: str) -> None:
    assert StripePayments(secret_key="sk_test_of_the_tests", api_base=url).find_refund("pi_1", "refund_1") is None


def test_a_server_with_an_untrusted_certificate_does_not_get_our_key(impostor: tuple[str, Path]) -> None:
    with pytest.raises(StripeUnavailable):
        find_refund(impostor[0])
    assert Impostor.keys == []


def test_control_a_server_with_a_trusted_certificate_gets_our_key(impostor: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe, "ca_bundle_path", str(impostor[1]))
    find_refund(impostor[0])
    assert Impostor.keys == ["Bearer sk_test_of_the_tests"]


@pytest.mark.parametrize(
    ("response", "error"),
    [
        ((500, b"<html>"), StripeUnavailable),
        ((200, b"\xff\xfe{"), StripeUnavailable),
        ((200, b"<html>from a proxy</html>"), StripeUnavailable),
        ((429, b'{"error": {"message": "slow down"}}'), StripeUnavailable),
        ((403, b'{"error": {"message": "this key may not"}}'), StripeUnavailable),
        ((302, b""), StripeUnavailable),
    ],
)
def test_an_invalid_response_raises_one_of_our_errors(
    impostor: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, response: tuple[int, bytes], error: type[Exception]
) -> None:
    monkeypatch.setattr(stripe, "ca_bundle_path", str(impostor[1]))
    monkeypatch.setattr(Impostor, "response", response)
    with pytest.raises(error):
        find_refund(impostor[0])
