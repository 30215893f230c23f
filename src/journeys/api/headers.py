"""Headers every answer has: browsers are not to guess types, to frame, or to keep what a key has opened (API8)."""

from journeys.api.body import App, Message, Receive, Scope, Send

_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_DATA = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class SafeHeaders:
    """Adds them where a route has not said otherwise; those of data only under `/v1/`."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = _ALWAYS + (_DATA if scope["path"].startswith("/v1/") else ())

        async def safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", []))
                names = {name.lower() for name, _ in given}
                message["headers"] = [*given, *(pair for pair in wanted if pair[0] not in names)]
            await send(message)

        await self._app(scope, receive, safely)
