"""The way to Stripe: only a server whose certificate is vouched for is spoken to, and whatever goes wrong is one of our two errors."""

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

from campaign.edges.stripe_api import StripeApi
from campaign.edges.stripe_wire import StripeAway


class Impostor(BaseHTTPRequestHandler):
    """Answers whoever speaks to it, and keeps what it was told."""

    heard: ClassVar[list[str | None]] = []
    answer = (200, b'{"object": "list", "data": [], "has_more": false, "url": "/v1/refunds"}')

    def do_GET(self) -> None:
        self.heard.append(self.headers["Authorization"])
        status, body = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def certificate(home: Path) -> Path:
    """A certificate for this machine that nobody has signed, with its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(datetime.now(UTC) - timedelta(days=1)).not_valid_after(datetime.now(UTC) + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = home / "certificate.pem"
    path.write_bytes(private + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def impostor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    monkeypatch.setattr(Impostor, "heard", [])
    path = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Impostor)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}", path
    server.shutdown()
    server.server_close()


def ask(address: str) -> None:
    assert StripeApi(secret_key="sk_test_of_the_tests", api_base=address).refund_made_for("pi_1", "refund_1") is None


def test_a_server_nobody_vouches_for_is_not_told_our_key(impostor: tuple[str, Path]) -> None:
    with pytest.raises(StripeAway):
        ask(impostor[0])
    assert Impostor.heard == []


def test_control_with_its_certificate_trusted_it_is(impostor: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe, "ca_bundle_path", str(impostor[1]))
    ask(impostor[0])
    assert Impostor.heard == ["Bearer sk_test_of_the_tests"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((500, b"<html>"), StripeAway),
        ((200, b"\xff\xfe{"), StripeAway),
        ((200, b"<html>a proxy speaks</html>"), StripeAway),
        ((429, b'{"error": {"message": "slow down"}}'), StripeAway),
        ((403, b'{"error": {"message": "this key may not"}}'), StripeAway),
        ((302, b""), StripeAway),
    ],
)
def test_what_comes_back_wrong_is_one_of_our_errors(
    impostor: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, answer: tuple[int, bytes], error: type[Exception]
) -> None:
    monkeypatch.setattr(stripe, "ca_bundle_path", str(impostor[1]))
    monkeypatch.setattr(Impostor, "answer", answer)
    with pytest.raises(error):
        ask(impostor[0])
