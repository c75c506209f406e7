"""Security headers of responses that are no pages: those of the webhook, and those that the front gives before the app is asked."""

HSTS = "max-age=31536000; includeSubDomains"


def bare_headers(*, is_https: bool) -> dict[str, str]:
    """Headers that keep browsers from storing and embedding the response, and from guessing its type."""
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return {**headers, "Strict-Transport-Security": HSTS} if is_https else headers
