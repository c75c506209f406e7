"""Sealing a PDF: encrypted against change, then signed with the charity's key, so that a changed byte is found by any reader.

The key is a file outside the database: a private key with its certificate, followed by the certificates of the keys before it. What was
signed with an older key stays valid, as each signature carries its certificate.
"""

import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from asn1crypto.keys import PrivateKeyInfo
from asn1crypto.x509 import Certificate
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyhanko.keys import load_certs_from_pemder_data, load_private_key_from_pemder_data
from pyhanko.pdf_utils.crypt.permissions import StandardPermissions
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko_certvalidator.registry import SimpleCertificateStore

CERTIFICATE_LASTS = timedelta(days=20 * 366)
SIGNATURE_BYTES = 8192
PERMITTED = (
    StandardPermissions.ALLOW_PRINTING
    | StandardPermissions.ALLOW_HIGH_QUALITY_PRINTING
    | StandardPermissions.ALLOW_ASSISTIVE_TECHNOLOGY
    | StandardPermissions.ALLOW_CONTENT_EXTRACTION
)


class NoKey(Exception):
    """The file with the charity's key is missing or cannot be read."""


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """The present key with its certificate."""

    key: PrivateKeyInfo
    certificate: Certificate


@dataclass(frozen=True, kw_only=True)
class KeyFile:
    """Where the charity's key lies."""

    path: Path

    def make(self, *, name: str, now: datetime) -> bool:
        """A new key when there is none; False when there was one."""
        if self.path.exists():
            return False
        self._write(_key_and_certificate(name, now))
        return True

    def rotate(self, *, name: str, now: datetime) -> None:
        """A new key in place of the one before, whose certificate is kept behind it."""
        self._write(_key_and_certificate(name, now) + self.certificates())

    def certificates(self) -> bytes:
        """The certificates of all keys in PEM, the present one first; raises NoKey."""
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in x509.load_pem_x509_certificates(self._read()))

    def seal(self, pdf: bytes) -> bytes:
        """The protected copy of a PDF; raises NoKey. Other bytes each time, as keys and salts are of chance: keep what is sent."""
        key = _key(self.path, self._changed_at())
        return _signed(_encrypted(pdf), key)

    def _changed_at(self) -> int:
        try:
            return self.path.stat().st_mtime_ns
        except OSError as error:
            raise NoKey(f"{self.path} cannot be read; `campaign setup` makes it when there is none") from error

    def _read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise NoKey(f"{self.path} cannot be read; `campaign setup` makes it when there is none") from error

    def _write(self, pem: bytes) -> None:
        """Whole or not at all, and readable by the service alone."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(f".{secrets.token_hex(4)}")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)


def _key_and_certificate(name: str, now: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name[:64]), x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    signs_only = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + CERTIFICATE_LASTS)
        .add_extension(signs_only, critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return pem + certificate.public_bytes(serialization.Encoding.PEM)


@lru_cache(maxsize=4)
def _key(path: Path, changed_at: int) -> SigningKey:
    """Read once for each state of the file."""
    pem = path.read_bytes()
    try:
        key = load_private_key_from_pemder_data(pem, passphrase=None)
        certificate = next(iter(load_certs_from_pemder_data(pem[pem.index(b"-----BEGIN CERTIFICATE") :])))
    except (ValueError, StopIteration) as error:
        raise NoKey(f"{path} holds no key with its certificate") from error
    return SigningKey(key=key, certificate=certificate)


def _encrypted(pdf: bytes) -> bytes:
    """For everybody to open and print, and for nobody to change: the owner's password is thrown away."""
    writer, out = copy_into_new_writer(PdfFileReader(BytesIO(pdf))), BytesIO()
    writer.encrypt(secrets.token_urlsafe(24), "", perms=PERMITTED)
    writer.write(out)
    return out.getvalue()


def _signed(pdf: bytes, key: SigningKey) -> bytes:
    """With a signer of its own: one that is shared ties its documents to each other."""
    writer = IncrementalPdfFileWriter(BytesIO(pdf))
    writer.encrypt("")
    signer = SimpleSigner(signing_cert=key.certificate, signing_key=key.key, cert_registry=SimpleCertificateStore())
    how = PdfSignatureMetadata(field_name="Signature", md_algorithm="sha256", certify=True, docmdp_permissions=MDPPerm.NO_CHANGES)
    signed: bytes = PdfSigner(how, signer=signer).sign_pdf(writer, bytes_reserved=SIGNATURE_BYTES).getvalue()
    return signed
