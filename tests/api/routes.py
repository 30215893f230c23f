"""Who may do what: every route of the application with the one scope it asks for (guarantees API5).

A route that is not in this table fails `test_keys`. `admin` may do everything.
"""

READS = (
    "/v1/accounts",
    "/v1/accounts/{account}",
    "/v1/accounts/{account}/timeline",
    "/v1/accounts/{account}/explain",
    "/v1/accounts/{account}/health",
    "/v1/journeys",
    "/v1/journeys/{journey}",
    "/v1/messages",
    "/v1/messages/{message}",
    "/v1/tasks",
    "/v1/tasks/{task}",
    "/v1/decisions",
)
SCOPE: dict[tuple[str, str], str] = {
    ("POST", "/v1/events"): "ingest",
    **{("GET", path): "csm" for path in READS},
    ("GET", "/v1/dead"): "admin",
    ("PUT", "/v1/accounts/{account}"): "csm",
    ("PUT", "/v1/contacts/{contact}"): "csm",
    ("POST", "/v1/accounts/{account}/holds"): "csm",
    ("DELETE", "/v1/accounts/{account}/holds/{hold_id}"): "csm",
    ("POST", "/v1/tasks/{task}/{verb}"): "csm",
    ("POST", "/v1/journeys/{journey}/exit"): "marketer",
    ("POST", "/v1/sending/{switch}"): "admin",
    ("POST", "/v1/definitions"): "marketer",
    ("GET", "/v1/definitions/progress"): "marketer",
    ("GET", "/v1/definitions/reuse"): "marketer",
    ("POST", "/v1/signals/{key}/backtest"): "marketer",
    ("POST", "/v1/plays/{key}/backtest"): "marketer",
    ("GET", "/v1/audit"): "marketer",
    ("POST", "/v1/plays/{key}/test"): "marketer",
    ("GET", "/v1/schemas/{kind}"): "marketer",
    ("GET", "/v1/{kind}"): "marketer",
    ("GET", "/v1/{kind}/{key}"): "marketer",
    ("PUT", "/v1/{kind}/{key}"): "marketer",
    ("POST", "/v1/content/{key}/preview"): "marketer",
    ("POST", "/v1/content/{key}/test"): "marketer",
    ("GET", "/v1/{kind}/{key}/versions"): "marketer",
    **{
        ("POST", f"/v1/{{kind}}/{{key}}/{verb}"): "marketer"
        for verb in ("lint", "preview", "approve", "activate", "pause", "resume", "stop", "archive")
    },
}
"""Documented routes and their scopes."""

SEGMENT = {
    ("POST", f"/v1/{name}")
    for name in (
        *("track", "identify", "group", "page", "screen", "alias", "batch", "import"),
        *("t", "i", "g", "p", "s", "a", "b"),
    )
}
"""Routes for Segment's libraries, with a key of scope ingest in Segment's places (`test_segment`)."""

SEGMENT_TOLD = {
    (method, path) for method, path in SEGMENT if len(path) > len("/v1/x") and path != "/v1/import"
}
"""Those of them that are documented; the others are their short forms."""

HOOKS = {("POST", "/v1/hooks/{source}"), ("POST", "/v1/hooks/generic/{name}")}
"""Routes a vendor's signature opens, and no key (`test_hooks`)."""

TOKEN = {("GET", "/v1/inapp/{contact}")}
"""Documented routes a customer's signed token opens, and no key."""

PUBLIC = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/docs/oauth2-redirect"),
    ("GET", "/redoc"),
    ("GET", "/u/{token}"),
    ("POST", "/u/{token}"),
    ("GET", "/p/{token}"),
    ("POST", "/p/{token}/{stop}"),
    ("GET", "/static/{file}"),
    ("GET", "/v1/projects/{write_key}/settings"),
}
"""Routes that ask for no key: machines of the operator, signed links, the pages' own files."""
