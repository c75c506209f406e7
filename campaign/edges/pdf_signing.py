"""Signs PDFs: restricts permissions by encryption, then signs with a charity's key, so that any PDF reader detects a change and names the charity.

A key is a file outside the database: a private key with its certificate, followed by the certificates of earlier keys. Signatures of
earlier keys stay valid, as each signature contains its certificate.
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
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import NameOID
from pyhanko.keys import load_certs_from_pemder_data, load_private_key_from_pemder_data
from pyhanko.pdf_utils.crypt.permissions import StandardPermissions
from pyhanko.pdf_utils.extensions import DeveloperExtension
from pyhanko.pdf_utils.generic import DictionaryObject, NumberObject, pdf_name, pdf_string
from pyhanko.pdf_utils.metadata.model import XmpStructure
from pyhanko.pdf_utils.metadata.xmp_xml import MetadataStream
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import BasePdfFileWriter, PdfFileWriter, copy_into_new_writer
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, append_signature_field
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko_certvalidator.registry import SimpleCertificateStore

CERTIFICATE_LIFETIME = timedelta(days=20 * 366)
SIGNATURE_BYTES = 8192
FIELD = "Signature"
PERMITTED = (
    StandardPermissions.ALLOW_PRINTING
    | StandardPermissions.ALLOW_HIGH_QUALITY_PRINTING
    | StandardPermissions.ALLOW_ASSISTIVE_TECHNOLOGY
    | StandardPermissions.ALLOW_CONTENT_EXTRACTION
    | StandardPermissions.TOLERATE_MISSING_PDF_MAC
)
# Adobe's extension of PDF 1.7 with encryption by AES-256, as PDF 2.0 has it.
AES_256 = DeveloperExtension(prefix_name=pdf_name("/ADBE"), base_version=pdf_name("/1.7"), extension_level=8)
# The namespaces of the properties that claim PDF/A, and of the schemas that only PDF/A asks for.
PDF_A = "http://www.aiim.org/pdfa/ns/"


class SigningKeyMissing(Exception):
    """The file with the charity's key is missing or unreadable, or has no key."""


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """The current key with its certificate."""

    key: PrivateKeyInfo
    certificate: Certificate


@dataclass(frozen=True, kw_only=True)
class Signature:
    """An ECDSA signature on P-256 with SHA-256. `certificate` is that of the key in PEM, `value` the two numbers, 32 bytes each."""

    certificate: str
    value: bytes

    @property
    def key(self) -> str:
        """The SHA-256 of the certificate in hex."""
        return x509.load_pem_x509_certificate(self.certificate.encode()).fingerprint(hashes.SHA256()).hex()

    def is_of(self, data: bytes) -> bool:
        """Whether it is the signature of these bytes."""
        key = x509.load_pem_x509_certificate(self.certificate.encode()).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        numbers = (int.from_bytes(half, "big") for half in (self.value[:32], self.value[32:]))
        try:
            key.verify(encode_dss_signature(*numbers), data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, kw_only=True)
class KeyFile:
    """The file with a charity's key."""

    path: Path

    def beside(self, name: str) -> "KeyFile":
        """The file of another key in the same directory: `receipts.pem` and, with the name 2, `receipts-2.pem`."""
        return KeyFile(path=self.path.with_stem(f"{self.path.stem}-{name}"))

    def make(self, *, name: str, now: datetime) -> bool:
        """Create a key for the charity of this name when there is none. Returns False when there is one already."""
        if self.path.exists():
            return False
        self._write(_key_and_certificate(name, now))
        return True

    def rotate(self, *, name: str, now: datetime) -> None:
        """Replace the key with a new one. Earlier certificates stay in the file. Raises SigningKeyMissing."""
        self._write(_key_and_certificate(name, now) + self.certificates())

    def certificates(self) -> bytes:
        """The certificates of all keys in PEM, the current one first. Raises SigningKeyMissing."""
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in x509.load_pem_x509_certificates(self._read()))

    def sign(self, pdf: bytes, *, name: str) -> bytes:
        """Return a protected, signed copy of a tagged PDF; `name` names the signature's field for readers. Raises SigningKeyMissing.

        The copy is not PDF/A, and does not claim it; it stays PDF/UA-1. The bytes differ each time, as encryption keys and salts are
        random: store what is sent.
        """
        key = _load_key(self.path, self._changed_at())
        writer = _copy_without_archive_claims(pdf)
        _encrypt(writer)
        _add_field(writer, name)
        return _sign(writer, key)

    def sign_bytes(self, data: bytes) -> Signature:
        """Sign these bytes, for a statement or a published head. The same bytes always give the same signature. Raises SigningKeyMissing."""
        pem = self._read()
        try:
            key = serialization.load_pem_private_key(pem, password=None)
            certificate = x509.load_pem_x509_certificates(pem)[0]
        except ValueError as error:
            raise SigningKeyMissing(f"{self.path} contains no key with its certificate") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise SigningKeyMissing(f"{self.path} contains no elliptic-curve key")
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
        pem_of_certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()
        return Signature(certificate=pem_of_certificate, value=r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    def _changed_at(self) -> int:
        try:
            return self.path.stat().st_mtime_ns
        except OSError as error:
            raise SigningKeyMissing(f"{self.path} cannot be read; `campaign setup` creates it when there is none") from error

    def _read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise SigningKeyMissing(f"{self.path} cannot be read; `campaign setup` creates it when there is none") from error

    def _write(self, pem: bytes) -> None:
        """Replace the file atomically, readable by its owner alone."""
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
        .not_valid_after(now + CERTIFICATE_LIFETIME)
        .add_extension(signs_only, critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return pem + certificate.public_bytes(serialization.Encoding.PEM)


@lru_cache(maxsize=4)
def _load_key(path: Path, changed_at: int) -> SigningKey:
    """Read the key. `changed_at` is part of the cache key, so that a changed file is read again."""
    pem = path.read_bytes()
    try:
        key = load_private_key_from_pemder_data(pem, passphrase=None)
        certificate = next(iter(load_certs_from_pemder_data(pem[pem.index(b"-----BEGIN CERTIFICATE") :])))
    except (ValueError, StopIteration) as error:
        raise SigningKeyMissing(f"{path} contains no key with its certificate") from error
    return SigningKey(key=key, certificate=certificate)


def _copy_without_archive_claims(pdf: bytes) -> PdfFileWriter:
    """Copy the PDF. The copy's metadata do not claim PDF/A, which forbids encryption (ISO 19005-2, 6.1.3). All else in them stays."""
    writer = copy_into_new_writer(PdfFileReader(BytesIO(pdf)))
    roots = writer.root["/Metadata"].xmp
    others = [XmpStructure({name: value for name, value in root if not name.ns.startswith(PDF_A)}) for root in roots]
    writer.root["/Metadata"] = writer.add_object(MetadataStream.from_xmp(others))
    return writer


def _encrypt(writer: PdfFileWriter) -> None:
    """Permit everybody to open, print and read aloud, and nobody to change: the owner's password is not stored.

    PDF/UA-1 rests on PDF 1.7 and permits encryption that does not exclude assistive technology (ISO 14289-1, 7.16). AES-256 is an
    extension of PDF 1.7, and declared as one. The integrity code of PDF 2.0 would add nothing, as everybody can open the document.
    """
    writer.encrypt(secrets.token_urlsafe(24), "", perms=PERMITTED, pdf_mac=False)
    writer.output_version = (1, 7)
    writer.register_extension(AES_256)


def _add_field(writer: PdfFileWriter, name: str) -> None:
    """Add the signature's field to the last page: invisible, with a name for tooltips and screen readers, last in the reading order.

    Fields of a PDF/UA document are named, and tagged as `Form` (ISO 14289-1, 7.18.1 and 7.18.4).
    """
    append_signature_field(writer, SigFieldSpec(FIELD, on_page=-1, readable_field_name=name))
    page, _ = writer.find_page_for_modification(-1)
    page.get_object()["/Tabs"] = pdf_name("/S")
    field, tree = writer.root["/AcroForm"]["/Fields"].raw_get(0), writer.root["/StructTreeRoot"]
    document, key = tree["/K"].raw_get(0), tree["/ParentTreeNextKey"]
    annotation = {pdf_name("/Type"): pdf_name("/OBJR"), pdf_name("/Obj"): field, pdf_name("/Pg"): page}
    form = {
        pdf_name("/Type"): pdf_name("/StructElem"),
        pdf_name("/S"): pdf_name("/Form"),
        pdf_name("/P"): document,
        pdf_name("/Alt"): pdf_string(name),
        pdf_name("/K"): DictionaryObject(annotation),
    }
    tagged = writer.add_object(DictionaryObject(form))
    document.get_object()["/K"].append(tagged)
    tree["/ParentTree"]["/Nums"].extend([key, tagged])
    tree["/ParentTreeNextKey"] = NumberObject(key + 1)
    field.get_object()["/StructParent"] = key


class _Signer(PdfSigner):
    """Signs without raising the version of PDF, which must be the one that PDF/UA-1 rests on."""

    def register_extensions(self, pdf_out: BasePdfFileWriter, *, md_algorithm: str) -> None:
        """Declare nothing: pyHanko would declare PDF 2.0 for the elliptic curve. Readers find the algorithm in the signature."""


def _sign(writer: PdfFileWriter, key: SigningKey) -> bytes:
    """Sign with a signer that is used once: a shared signer keeps references to its earlier documents."""
    signer = SimpleSigner(signing_cert=key.certificate, signing_key=key.key, cert_registry=SimpleCertificateStore())
    metadata = PdfSignatureMetadata(field_name=FIELD, md_algorithm="sha256", certify=True, docmdp_permissions=MDPPerm.NO_CHANGES)
    signed: bytes = _Signer(metadata, signer=signer).sign_pdf(writer, bytes_reserved=SIGNATURE_BYTES).getvalue()
    return signed
