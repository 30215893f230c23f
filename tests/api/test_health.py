"""What an operator's machines ask, and what the application says about itself."""

import re
import sqlite3
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.house import House
from api.routes import HOOKS, SCOPE, SEGMENT_TOLD, TOKEN
from api.tale import tell


def test_a_service_in_order_is_ready(house: House) -> None:
    assert house.http.get("/healthz").json() == {"status": "ok"}
    answer = house.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "trouble": {}, "stale_feeds": []})


def test_a_database_of_another_version_is_named(house: House) -> None:
    with house.database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'older'")
    answer = house.http.get("/readyz")
    assert answer.status_code == 503
    assert re.fullmatch(
        r"on version older, needs \w+: run journeys migrate", answer.json()["trouble"]["database"]
    )
    assert house.http.get("/healthz").status_code == 200


def test_a_database_that_cannot_be_read_is_named_and_no_word_of_it_gets_out(house: House) -> None:
    house.parts.close()
    (house.folder / "journeys.db").write_bytes(b"this is no database" * 100)
    answer = house.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["trouble"] == {"database": "does not answer: DatabaseError"}
    assert house.http.get("/v1/accounts", headers={"authorization": "Bearer jk_x"}).status_code == 503


def test_a_table_that_is_gone_is_503_and_not_500(house: House) -> None:
    headers = house.signed("csm")
    with sqlite3.connect(house.folder / "journeys.db") as connection:
        connection.execute("DROP TABLE decisions")
    connection.close()
    answer = house.http.get("/v1/decisions", headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "decisions" not in answer.json()["detail"]


def metrics(house: House) -> dict[str, float]:
    """What /metrics says, by name and label."""
    answer = house.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        sample.name + "".join(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_metrics_are_prometheus_text_and_count_what_there_is(house: House) -> None:
    before = metrics(house)
    tell(house)
    after = metrics(house)
    assert before["journeys_accounts"] == 0
    assert (after["journeys_accounts"], after["journeys_tasks_open"], after["journeys_messagessent"]) == (
        1,
        1,
        2,
    )
    house.ok("POST", "/v1/sending/stop")
    assert metrics(house)["journeys_sending_stopped"] == 1


def test_metrics_name_nobody(told: House) -> None:
    assert not re.search(r"acme|ann|example\.com", told.http.get("/metrics").text, re.IGNORECASE)


# ── the document ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def document(shared: House) -> Any:
    return shared.http.get("/openapi.json").json()


def test_the_document_is_openapi_3_1_and_valid(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    validator = pytest.importorskip("jsonschema_rs")
    for schema in document["components"]["schemas"].values():
        validator.meta.validate({"$defs": document["components"]["schemas"], **schema})


def test_every_route_is_documented_and_none_that_is_not_there(document: Any) -> None:
    told = {(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs}
    assert told == {*SCOPE, *SEGMENT_TOLD, *HOOKS, *TOKEN}


def references(node: Any) -> set[str]:
    """Every reference of a document."""
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_every_reference_leads_somewhere(document: Any) -> None:
    for reference in references(document):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_every_operation_says_what_it_is_for_and_how_it_fails(document: Any) -> None:
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            assert operation["description"]
            theirs = (verb.upper(), path) in SEGMENT_TOLD  # Segment's libraries read Segment's answers
            fault = "application/json" if theirs else "application/problem+json"
            assert fault in operation["responses"]["default"]["content"]
            assert "422" not in operation["responses"]


def test_every_writing_operation_documents_its_body(document: Any) -> None:
    bodiless = {"lint", "preview", "activate", "pause", "resume", "stop", "archive", "exit", "{switch}"}
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            if verb in ("put", "post") and path.rsplit("/", 1)[1] not in bodiless:
                assert operation["requestBody"]["content"], path


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/v1/nonsense", 404),
        ("GET", "/v1/events", 404),
        ("DELETE", "/v1/events", 405),
        ("TRACE", "/v1/accounts", 405),
        ("POST", "/v1/events/", 404),
        ("GET", "/v1/accounts/", 404),
        ("POST", "/healthz", 405),
    ],
)
def test_what_is_not_there_is_a_problem_and_no_redirect(
    shared: House, method: str, path: str, status: int
) -> None:
    answer = shared.call(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    if status == 405:
        assert answer.headers["allow"]
