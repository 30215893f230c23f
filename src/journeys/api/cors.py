"""Pages of any origin may post to a few paths, with a key and never with a cookie (Fetch standard, "CORS protocol")."""

from collections.abc import Iterable

from journeys.api.body import App, Message, Receive, Scope, Send

_OPEN = (b"access-control-allow-origin", b"*")
_PREFLIGHT = [
    _OPEN,
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, X-Retry-Count"),
    (b"access-control-max-age", b"86400"),
    (b"content-length", b"0"),
]


class Cors:
    """Answers what a browser asks before it posts, and lets the page read every answer, errors too.

    `paths` are meant exactly, those that end in `/` with all that is below them.
    """

    def __init__(self, app: App, paths: Iterable[str]) -> None:
        self._app = app
        self._paths = frozenset(paths)
        self._below = tuple(path for path in self._paths if path.endswith("/"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http" or not self._meant(scope["path"]):
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and _asks_before(scope):
            await send({"type": "http.response.start", "status": 204, "headers": _PREFLIGHT})
            await send({"type": "http.response.body", "body": b""})
            return

        async def openly(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), _OPEN]
            await send(message)

        await self._app(scope, receive, openly)

    def _meant(self, path: str) -> bool:
        return path in self._paths or path.startswith(self._below)


def _asks_before(scope: Scope) -> bool:
    return any(name == b"access-control-request-method" for name, _ in scope["headers"])
