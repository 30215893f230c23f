"""The reading routes by their public door: scopes, shapes, pages, and what is refused how."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException

from journeys.api import reads
from journeys.store.database import Database
from story import ACME, EVIL, NOW, told

Scopes = set[str]
PATHS = [
    "/v1/accounts",
    f"/v1/accounts/{ACME}",
    f"/v1/accounts/{ACME}/timeline",
    f"/v1/accounts/{ACME}/explain",
    "/v1/journeys",
    "/v1/messages",
    "/v1/tasks",
    "/v1/decisions",
    "/v1/dead",
]
LISTS = [path for path in PATHS if path not in (PATHS[1], PATHS[3])]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path_factory.mktemp('reads-api') / 'story.db'}", durable=False)
    told(made)
    yield made
    made.close()


@pytest.fixture(scope="module")
def make(database: Database) -> Callable[[Scopes], TestClient]:
    """A client whose key has these scopes."""

    def client(scopes: Scopes) -> TestClient:
        def guard(scope: str) -> Callable[[], None]:
            def allowed() -> None:
                if scope not in scopes:
                    raise HTTPException(403, f"this needs the scope {scope}")

            return allowed

        app = FastAPI()
        app.include_router(reads.router(database, guard, lambda: NOW))
        return TestClient(app)

    return client


@pytest.fixture(scope="module")
def client(make: Callable[[Scopes], TestClient]) -> TestClient:
    return make({"csm", "admin"})


def get(client: TestClient, path: str, **query: Any) -> Any:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("path", PATHS)
def test_every_route_answers(client: TestClient, path: str) -> None:
    assert get(client, path)


@pytest.mark.parametrize("path", PATHS)
def test_no_route_answers_without_its_scope(make: Callable[[Scopes], TestClient], path: str) -> None:
    assert make(set()).get(path).status_code == 403


def test_dead_letters_are_for_operators(make: Callable[[Scopes], TestClient]) -> None:
    assert make({"csm"}).get("/v1/dead").status_code == 403
    assert make({"admin"}).get("/v1/dead").status_code == 200


@pytest.mark.parametrize("path", LISTS)
def test_a_list_can_be_walked_item_by_item(client: TestClient, path: str) -> None:
    whole, found, query = get(client, path, limit=200), [], {"limit": "1"}
    for _ in range(300):
        page = get(client, path, **query)
        found += page["items"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert found == whole["items"]
    assert whole["next"] is None


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["-1", "0", "201", "1e9", "1000000000", "many", "1.5", ""])
def test_a_limit_out_of_reach_is_422(client: TestClient, path: str, limit: str) -> None:
    assert client.get(path, params={"limit": limit}).status_code == 422


@pytest.mark.parametrize("path", PATHS)
def test_a_parameter_nobody_knows_is_422(client: TestClient, path: str) -> None:
    if path == f"/v1/accounts/{ACME}":
        pytest.skip("takes no parameters at all")
    assert client.get(path, params={"order_by": "password"}).status_code == 422


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("cursor", ["x", "AAAA", "é", "%00", "W10", "-" * 1_999])
def test_a_cursor_the_list_did_not_hand_out_is_400(client: TestClient, path: str, cursor: str) -> None:
    answer = client.get(path, params={"cursor": cursor})
    assert answer.status_code == 400
    assert "leave it away" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/accounts/nobody",
        "/v1/accounts/nobody/timeline",
        "/v1/accounts/nobody/explain",
        "/v1/journeys/none",
        "/v1/messages/none",
        "/v1/tasks/none",
    ],
)
def test_what_is_not_there_is_404_and_says_so(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("there is no ")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/accounts", {"q": "\x00"}),
        ("/v1/accounts", {"band": "purple"}),
        ("/v1/accounts", {"q": "x" * 256}),
        ("/v1/journeys", {"status": "happy"}),
        ("/v1/tasks", {"due_before": "yesterday"}),
        ("/v1/tasks", {"breached": "perhaps"}),
        ("/v1/decisions", {"subject": "weather"}),
        (f"/v1/accounts/{ACME}/explain", {"at": "2026-13-01T00:00:00Z"}),
        (f"/v1/accounts/{ACME}/timeline", {"kind": "rumour"}),
        ("/v1/messages/%00", {}),
    ],
)
def test_a_value_that_cannot_be_is_422(client: TestClient, path: str, query: dict[str, str]) -> None:
    assert client.get(path, params=query).status_code == 422


def test_a_list_is_narrowed_by_its_parameters(client: TestClient) -> None:
    assert [one["id"] for one in get(client, "/v1/accounts", q="works")["items"]] == [ACME]
    assert [one["id"] for one in get(client, "/v1/accounts", band="red")["items"]] == [ACME, EVIL]
    assert get(client, "/v1/accounts", band="green")["items"] == []
    kinds = {
        row["kind"] for row in get(client, f"/v1/accounts/{EVIL}/timeline", kind=["task", "signal"])["items"]
    }
    assert kinds == {"task", "signal"}
    assert {one["status"] for one in get(client, "/v1/messages", status="held")["items"]} == {"held"}


def test_a_message_is_answered_with_what_it_says(client: TestClient) -> None:
    sent = get(client, "/v1/messages", account=ACME, status="sent")["items"][0]
    assert "rendering" not in sent
    whole = get(client, f"/v1/messages/{sent['id']}")
    assert whole["rendering"]["subject"] == sent["subject"]
    assert whole["class"] == "service"


def test_an_explanation_answers_why_not(client: TestClient) -> None:
    answer = get(client, f"/v1/accounts/{ACME}/explain", play="welcome-back-detractor", contact=f"{ACME}.ann")
    assert answer["summary"].endswith("not sent yet: Ann Lee has had 1 of 1 messages today")


def test_the_shapes_are_documented(client: TestClient) -> None:
    document = get(client, "/openapi.json")
    shapes = document["components"]["schemas"]
    assert {"AccountResource", "DecisionResource", "Explanation", "TimelineRow"} <= set(shapes)
    assert "class" in shapes["MessageResource"]["properties"]
    assert {parameter["name"] for parameter in document["paths"]["/v1/accounts"]["get"]["parameters"]} == {
        "limit",
        "cursor",
        "segment",
        "stage",
        "tag",
        "signal",
        "band",
        "owner",
        "q",
    }
