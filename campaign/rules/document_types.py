"""What kind of document somebody has sent, by its content: whatever its name and the browser say."""

PDF, PNG, JPEG = "application/pdf", "image/png", "image/jpeg"
EXTENSIONS = {PDF: "pdf", PNG: "png", JPEG: "jpg"}
# Readers look for the end of a PDF in its last kilobyte (ISO 32000-1, annex H, note 18).
_END_OF_PDF_WITHIN = 1024


def media_type_of(content: bytes) -> str | None:
    """The media type of a PDF, PNG or JPEG that has both its beginning and its end; None for anything else."""
    if content.startswith(b"%PDF-") and b"%%EOF" in content[-_END_OF_PDF_WITHIN:]:
        return PDF
    if content.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR") and b"IEND\xaeB`\x82" in content:
        return PNG
    if content.startswith(b"\xff\xd8\xff") and b"\xff\xd9" in content[3:]:
        return JPEG
    return None
