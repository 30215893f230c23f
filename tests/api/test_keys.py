"""API keys: who may ask what, and where keys never show (guarantees API2, API5, I24)."""

import base64
import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from api.house import House
from api.routes import HOOKS, PUBLIC, SCOPE, SEGMENT, TOKEN
from api.tale import tell
from journeys.store.keys import SCOPES

FILLED = {
    "account": "acme",
    "contact": "acme.ann",
    "kind": "plays",
    "key": "rescue",
    "verb": "comment",
    "switch": "start",
    "hold_id": "none",
    "journey": "none",
    "message": "none",
    "task": "none",
}


@pytest.fixture(scope="module")
def asked(shared: House) -> House:
    """A service with something in it to be asked for."""
    tell(shared)
    return shared


def routes(found: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Every method and path of an application, those of its routers among them."""
    for route in found:
        if hasattr(route, "original_router"):
            yield from routes(route.original_router.routes)
        else:
            path = re.sub(r":\w+\}", "}", route.path)
            yield from ((method, path) for method in route.methods - {"HEAD"})


def console(asked: House) -> set[tuple[str, str]]:
    """The console's pages: read with a key as password."""
    known = {*SCOPE, *TOKEN, *PUBLIC}
    return {
        (method, path)
        for method, path in routes(asked.app.routes)
        if (method, path) not in known and method == "GET" and not path.startswith("/v1/")
    }


def test_every_route_says_who_may_ask_it(asked: House) -> None:
    """A new route has to be entered in `api/routes.py`; one that is gone, taken out."""
    assert set(routes(asked.app.routes)) - console(asked) == {*SCOPE, *SEGMENT, *HOOKS, *TOKEN, *PUBLIC}


def test_the_more_particular_route_stands_before_the_general_one(asked: House) -> None:
    """`/v1/{kind}` matches every list: were it first, accounts would be definitions."""
    paths = [path for _, path in routes(asked.app.routes)]
    assert paths.index("/v1/{kind}") > max(paths.index(path) for _, path in SCOPE if "{kind}" not in path)


@pytest.mark.parametrize("route", SCOPE, ids=" ".join)
def test_only_its_scope_opens_a_route(asked: House, route: tuple[str, str]) -> None:
    method, path = route[0], route[1].format(**FILLED)
    for scope in SCOPES:
        status = asked.call(method, path, scope=scope).status_code
        if scope in (SCOPE[route], "admin"):
            assert status not in (401, 403), scope
        else:
            assert status == 403, scope


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer jk_wrong",
        "Bearer null",
        "Basic {basic}",
        "Token {key}",
        "{key}",
        "Bearer {key}x",
        "Bearer {cut}",
        "Bearer {lower}",
    ],
)
@pytest.mark.parametrize("route", SCOPE, ids=" ".join)
def test_no_route_opens_without_a_whole_key(asked: House, route: tuple[str, str], header: str | None) -> None:
    key = asked.key("admin")
    basic = base64.b64encode(f"x:{key}".encode()).decode()
    headers = {}
    if header is not None:
        said = header.format(key=key, cut=key[:-1], lower=key.lower(), basic=basic)
        headers["authorization"] = said
    answer = asked.http.request(route[0], route[1].format(**FILLED), headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_key_in_the_address_opens_nothing(asked: House) -> None:
    assert asked.http.get("/v1/accounts", params={"key": asked.key("admin")}).status_code == 401
    assert asked.http.get("/v1/accounts", params={"access_token": asked.key("admin")}).status_code == 401


def test_a_bad_body_without_a_key_is_told_about_the_key(asked: House) -> None:
    answer = asked.http.put("/v1/accounts/acme", content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 401


def test_a_revoked_key_fails_at_once(house: House) -> None:
    key = house.parts.keys.create("old", ["csm"], house.clock())
    headers = {"authorization": f"Bearer {key}"}
    assert house.http.get("/v1/accounts", headers=headers).status_code == 200
    (row,) = [row for row in house.parts.keys.list() if row["name"] == "old"]
    assert house.parts.keys.revoke(row["id"], house.clock())
    assert house.http.get("/v1/accounts", headers=headers).status_code == 401
    assert not house.parts.keys.revoke(row["id"], house.clock())


def test_two_keys_of_one_name_let_a_client_change_over(house: House) -> None:
    old, new = (house.parts.keys.create("crm", ["csm"], house.clock()) for _ in range(2))
    house.parts.keys.revoke(house.parts.keys.list()[0]["id"], house.clock())
    status = [
        house.http.get("/v1/accounts", headers={"authorization": f"Bearer {key}"}).status_code
        for key in (old, new)
    ]
    assert sorted(status) == [200, 401]


def test_a_key_has_32_random_bytes_and_is_kept_as_a_hash_only(house: House) -> None:
    key = house.parts.keys.create("crm", ["csm"], house.clock())
    assert len(base64.urlsafe_b64decode(key.removeprefix("jk_") + "=")) == 32
    house.close()
    kept = b"".join(path.read_bytes() for path in house.folder.iterdir())
    assert key.encode() not in kept
    assert key[8:].encode() not in kept


@pytest.mark.parametrize("scopes", [[], ["root"], ["csm", "everything"]])
def test_a_scope_that_does_not_exist_makes_no_key(house: House, scopes: list[str]) -> None:
    with pytest.raises(ValueError, match="scopes are"):
        house.parts.keys.create("crm", scopes, house.clock())


@pytest.mark.slow
def test_no_key_is_ever_logged(asked: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "jk_canary_of_a_wrong_key"
    for scope in SCOPES:
        for method, path in SCOPE:
            asked.call(method, path.format(**FILLED), scope=scope)
            asked.http.request(method, path.format(**FILLED), headers={"authorization": f"Bearer {wrong}"})
    assert wrong not in caplog.text
    assert not [scope for scope in SCOPES if asked.key(scope) in caplog.text]


# ── the console ────────────────────────────────────────────────────────────────────────────────────────────────


def basic(name_and_key: str) -> dict[str, str]:
    """A Basic authorization header."""
    return {"authorization": f"Basic {base64.b64encode(name_and_key.encode()).decode()}"}


def test_every_page_of_the_console_asks_for_a_key_of_a_csm(asked: House) -> None:
    pages = console(asked)
    assert ("GET", "/") in pages
    for _, path in pages:
        page = path.format(**FILLED)
        assert asked.http.get(page).status_code == 401, page
        assert asked.http.get(page, headers=basic(f"ann:{asked.key('ingest')}")).status_code == 401, page
        assert asked.http.get(page, headers=basic("ann:jk_wrong")).status_code == 401, page
        assert asked.http.get(page, headers=basic(f"ann:{asked.key('csm')}")).status_code in (200, 404), page


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic /w==", "Basic bm9jb2xvbg==", "Bearer x"])
def test_a_sign_in_that_is_none_is_401(asked: House, header: str) -> None:
    answer = asked.http.get("/", headers={"authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")


def test_pages_are_shut_to_frames_scripts_and_caches(asked: House) -> None:
    for _, path in console(asked):
        headers = asked.http.get(path.format(**FILLED), headers=basic(f"ann:{asked.key('csm')}")).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy.replace("style-src 'unsafe-inline'", "")
        assert "frame-ancestors" in policy


def test_answers_with_data_are_kept_by_nobody(asked: House) -> None:
    for path in ("/v1/accounts", "/v1/nonsense", "/v1/plays/rescue"):
        headers = asked.call("GET", path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
