"""An upstream of no particular kind: any path answers; for benches and tests of the client."""

from sandbox.upstreams.base import Reply, Request, Site, as_json


def respond(request: Request) -> Reply:
    """Answer one call; some paths misbehave on purpose."""
    path = request.path
    if path.startswith("/redirect/"):
        left = int(path.rsplit("/", 1)[1])
        return 302, {"Location": f"/redirect/{left - 1}" if left > 1 else "/end"}, b""
    if path.startswith("/elsewhere"):
        return 302, {"Location": "http://elsewhere.invalid/"}, b""
    if path.startswith("/status/"):
        return int(path.rsplit("/", 1)[1]), {}, b"as asked"
    if path.startswith("/large"):
        return 200, {}, b"x" * 2_000_000
    return as_json({"ok": True, "n": request.number})


SITE = Site("generic", respond)
