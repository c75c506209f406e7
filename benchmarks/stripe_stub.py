"""A stub that responds to each new checkout immediately, at minimal cost, so that the benchmark measures our own work and not Stripe's."""

import asyncio
import json
import sys
from uuid import uuid4


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            _, _, rest = head.lower().partition(b"content-length: ")
            await reader.readexactly(int(rest.partition(b"\r\n")[0] or 0))
            body = _session() if head.startswith(b"POST") else b"{}"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    except asyncio.IncompleteReadError:
        writer.close()


def _session() -> bytes:
    """An open session with an id that is unique across runs."""
    number = uuid4().hex
    session = {"id": f"cs_test_{number}", "object": "checkout.session", "status": "open", "payment_status": "unpaid", "metadata": {}}
    return json.dumps(
        {**session, "url": f"http://127.0.0.1/c/{number}", "amount_total": 5000, "currency": "cad", "livemode": False}
    ).encode()


async def _main(port: int) -> None:
    async with await asyncio.start_server(_serve, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
