"""Has independent readers read the receipts of the gallery, and prints what they found. A reader that is not installed is named as such.

Poppler, qpdf, MuPDF and zbar are programs of Debian; veraPDF is a program of its own. PDFium (the reader in Chrome), pdf.js (the reader in
Firefox), `page` and `outloud` are installed by `make readers` into build/readers. The last two and veraPDF check PDF/UA-1, `page` and veraPDF
PDF/A-2a too.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

BUILD = Path(__file__).resolve().parent.parent / "build"
PYTHON = BUILD / "readers" / "bin" / "python"
OUTLOUD = BUILD / "readers" / "bin" / "outloud"
PDF_JS = BUILD / "readers" / "node_modules" / "pdfjs-dist"
IN_PYTHON = Path(__file__).with_name("read_in_python.py")
IN_NODE = Path(__file__).with_name("read_in_node.mjs")
SHEET = (6, 2)
# Findings that are wrong, and why. Rules of `page` 0.11; veraPDF has none of them.
WRONG = {
    "GLYPH-WIDTH": "takes the widths of a font with several font dictionaries, as Noto Sans CJK, from another of them",
    "STREAM-LENGTH": "takes a last byte 0D of a stream for a part of the line end after it",
}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A document, the words that a reader must find in it, and the address in its QR code, or none."""

    path: Path
    words: list[str]
    url: str

    @property
    def is_signed(self) -> bool:
        return self.path.name.endswith(".signed.pdf")


Finding = tuple[Path, str]
Reader = Callable[[Sequence[Reading]], Iterator[Finding]]


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)


def missing_words(reading: Reading, text: str) -> Iterator[Finding]:
    """The words that this text of a reader lacks. Readers differ in spaces and line ends; a letter alone is one of a watermark."""
    packed = re.sub(r"\s", "", text)
    yield from ((reading.path, f"not found: {word}") for word in reading.words if re.sub(r"\s", "", word) not in packed)
    if letters := re.findall(r"^\s*([A-ZÉ])\s*$", text, re.MULTILINE):
        yield reading.path, f"single letters: {' '.join(letters)}"


def qpdf(readings: Sequence[Reading]) -> Iterator[Finding]:
    for reading in readings:
        found = run("qpdf", "--check", reading.path)
        if found.returncode or "No syntax or stream encoding errors found" not in found.stdout:
            yield reading.path, found.stdout[-200:] + found.stderr[-200:]


def poppler(readings: Sequence[Reading]) -> Iterator[Finding]:
    for reading in readings:
        yield from missing_words(reading, run("pdftotext", reading.path, "-").stdout)
        if reading.is_signed:
            found = run("pdfsig", reading.path).stdout
            yield from ((reading.path, f"not: {word}") for word in ("Signature is Valid", "Total document signed") if word not in found)


def pyhanko(readings: Sequence[Reading]) -> Iterator[Finding]:
    for reading in (r for r in readings if r.is_signed):
        document = PdfFileReader(BytesIO(reading.path.read_bytes()))
        document.decrypt("")
        (signature,) = document.embedded_signatures
        trusted = ValidationContext(trust_roots=[signature.signer_cert])
        status = validate_pdf_signature(signature, signer_validation_context=trusted)
        if not (status.bottom_line and status.docmdp_ok):
            yield reading.path, status.summary()


def mupdf(readings: Sequence[Reading]) -> Iterator[Finding]:
    for reading in readings:
        found = run("mutool", "draw", "-F", "txt", "-o", "-", reading.path)
        yield from missing_words(reading, found.stdout)
        if complaints := [line for line in found.stderr.splitlines() if line.strip() and "ICC support" not in line]:
            yield reading.path, "; ".join(complaints)[:200]


def zbar(readings: Sequence[Reading]) -> Iterator[Finding]:
    for reading in (r for r in readings if r.url):
        run("pdftoppm", "-r", "110", "-gray", "-png", reading.path, reading.path.with_suffix(""))
        pages = list(reading.path.parent.glob(f"{reading.path.stem}-[0-9]*.png"))
        found = run("zbarimg", "-q", "--raw", *pages).stdout.split()
        for page in pages:
            page.unlink()
        if found != [reading.url]:
            yield reading.path, f"QR codes: {found}"


def _by_line(readings: Sequence[Reading], *command: str | Path) -> Iterator[Finding]:
    """What a program found that prints one JSON object a line: a path, and its text or a finding."""
    by_path = {str(reading.path): reading for reading in readings}
    found = run(*command, *by_path)
    seen = set()
    for line in map(json.loads, found.stdout.splitlines()):
        seen.add(line["path"])
        if "text" in line:
            yield from missing_words(by_path[line["path"]], line["text"])
        yield from ((Path(line["path"]), finding) for finding in line.get("findings", []))
    yield from ((by_path[path].path, f"not read {found.stderr[-200:]}") for path in by_path.keys() - seen)


def pdfium(readings: Sequence[Reading]) -> Iterator[Finding]:
    return _by_line(readings, PYTHON, IN_PYTHON, "pdfium")


def pdf_js(readings: Sequence[Reading]) -> Iterator[Finding]:
    return _by_line(readings, "node", IN_NODE, PDF_JS)


def page_of_pdf_ua(readings: Sequence[Reading]) -> Iterator[Finding]:
    return _by_line(readings, PYTHON, IN_PYTHON, "PDF_UA_1")


def page_of_pdf_a(readings: Sequence[Reading]) -> Iterator[Finding]:
    return _by_line([r for r in readings if not r.is_signed], PYTHON, IN_PYTHON, "PDF_A_2A")


def outloud(readings: Sequence[Reading]) -> Iterator[Finding]:
    report = BUILD / "readers" / "outloud.json"
    run(OUTLOUD, "--quiet", "--fail-on", "never", "--json", report, *(r.path for r in readings))
    results = json.loads(report.read_text())["results"]
    assert len(results) == len(readings)
    for result in results:
        yield from ((Path(result["path"]), f"{f['rule']} {f['message']}") for f in result["findings"] if f["severity"] != "info")


def verapdf(readings: Sequence[Reading]) -> Iterator[Finding]:
    for flavour, chosen in (("ua1", readings), ("2a", [r for r in readings if not r.is_signed])):
        found = run("verapdf", "--flavour", flavour, "--format", "text", *(r.path for r in chosen)).stdout
        passed = {line.split()[1] for line in found.splitlines() if line.startswith("PASS ")}
        yield from ((r.path, f"fails {flavour}") for r in chosen if str(r.path) not in passed)


READERS: dict[str, tuple[Reader, Sequence[str | Path]]] = {
    "qpdf: syntax": (qpdf, ["qpdf"]),
    "Poppler: text, signature": (poppler, ["pdftotext", "pdfsig"]),
    "pyHanko: signature, no change permitted": (pyhanko, []),
    "MuPDF: text": (mupdf, ["mutool"]),
    "PDFium: text": (pdfium, [PYTHON]),
    "pdf.js: text, tags of fields": (pdf_js, ["node", PDF_JS]),
    "zbar: QR code, printed in grey": (zbar, ["zbarimg", "pdftoppm"]),
    "page: PDF/UA-1": (page_of_pdf_ua, [PYTHON]),
    "page: PDF/A-2a of archived copies": (page_of_pdf_a, [PYTHON]),
    "outloud: PDF/UA-1, WCAG 2.2": (outloud, [OUTLOUD]),
    "veraPDF: PDF/UA-1, PDF/A-2a of archived copies": (verapdf, ["verapdf"]),
}


def report(readings: Sequence[Reading], folder: Path) -> int:
    """Print what each reader found, and write the sheets. Returns the number of findings, at most 100."""
    count = 0
    print(f"{len(readings)} documents in {folder}")
    for name, (read, needs) in READERS.items():
        if lacking := [str(need) for need in needs if not (shutil.which(str(need)) or Path(need).is_dir())]:
            print(f"{name}: not installed ({', '.join(lacking)})")
            continue
        found = list(read(readings))
        findings = [(path, finding) for path, finding in found if not any(rule in finding for rule in WRONG)]
        count += len(findings)
        print(
            f"{name}: {len(findings) or 'no'} findings"
            + (f", {len(found) - len(findings)} that are wrong" if len(findings) < len(found) else "")
        )
        for path, finding in findings[:20]:
            print(f"    {path.name}: {finding}")
    write_sheets([reading.path for reading in readings if not reading.is_signed], folder)
    return min(count, 100)


def write_sheets(paths: Sequence[Path], folder: Path) -> None:
    """Write the pages in grey, several on a sheet."""
    if not shutil.which("pdftoppm"):
        return
    pages = []
    for path in paths:
        run("pdftoppm", "-r", "50", "-gray", "-png", path, path.with_suffix(""))
        pages += sorted(folder.glob(f"{path.stem}-[0-9]*.png"))
    columns, rows = SHEET
    for start in range(0, len(pages), columns * rows):
        chosen = [Image.open(page) for page in pages[start : start + columns * rows]]
        width, height = chosen[0].size
        sheet = Image.new("L", (columns * (width + 6), rows * (height + 6)), 120)
        for index, image in enumerate(chosen):
            sheet.paste(image, (index % columns * (width + 6), index // columns * (height + 6)))
        sheet.save(folder / f"sheet-{start // (columns * rows) + 1:02d}.png")
    for page in pages:
        page.unlink()
