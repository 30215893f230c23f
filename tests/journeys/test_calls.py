"""Calls of other systems on their way out: one id for all attempts, judged like messages, waiting for nobody."""

from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from builders import START, attributes, event, person, play
from channels.port import Call, Outcome
from journeys.rounds import LEASE
from journeys.settings import Settings
from journeys.store.tables import decisions, renderings
from mailroom import TO_ADMIN, Dies, House
from signals.instant import HOUR, MINUTE, SECOND, Instant

WHO = {
    "webhook": {
        "endpoint": "crm",
        "data": {"who": "{{ account.name }}", "n": [1, "{{ event.data.n }}"], "x": None},
    }
}
DONE = {"attribute": "account.status", "is": "done"}


def house(*steps: dict[str, Any], **body: Any) -> House:
    policies = body.pop("policies", {})
    made = House(play(steps=list(steps), **body), **policies)
    made.happens(person("ann", roles=["admin"]), attributes(name="Acme", status="new"))
    made.happens(event("go", n="N1"))
    return made


def statuses(made: House) -> list[str]:
    """Every message as `channel status:reason`."""
    return sorted(
        f"{one.channel} {one.status.value}" + (f":{one.reason.value}" if one.reason else "")
        for one in made.messages()
    )


def settle(made: House, now: Instant) -> None:
    made.dispatcher.run(now)


def test_a_call_carries_its_data_rendered_and_what_it_is_about() -> None:
    made = house(WHO)
    settle(made, START)
    (call,) = made.calls
    (message,) = made.messages()
    body = orjson.loads(call.content)
    assert (call.endpoint, call.id) == ("crm", message.id)
    assert body["data"] == {"who": "Acme", "n": [1, "N1"], "x": None}
    assert body["type"] == "journey.webhook"
    assert body["timestamp"] == "2026-03-02T09:00:00Z"
    assert (body["account"], body["play"], body["journey"]) == ("acme", "rescue", message.journey)
    assert made.count(renderings, message=message.id) == 1


def test_no_message_waits_for_a_call_but_the_journeys_end_does() -> None:
    made = house(WHO, TO_ADMIN)
    made.calls.answers = "temporary"
    settle(made, START)
    assert statuses(made) == ["email sent", "webhook queued:temporary"]
    assert made.messages()[0].next_attempt_at == START + MINUTE
    made.calls.answers = "ok"
    settle(made, START + MINUTE)
    assert statuses(made) == ["email sent", "webhook sent"]


def test_a_call_in_doubt_is_made_again_under_the_same_id() -> None:
    made = house(WHO)
    made.calls.answers = "silent"
    settle(made, START)
    made.calls.answers = "ok"
    settle(made, START + MINUTE)
    assert statuses(made) == ["webhook sent"]
    assert len(made.calls) == 2
    assert len({call.id for call in made.calls}) == 1


def test_a_call_whose_process_died_is_made_again_and_a_mail_is_not() -> None:
    made = house(WHO, TO_ADMIN)
    post = made.calls.post

    def dies(call: Call) -> Outcome:
        post(call)
        raise Dies

    made.calls.post = dies  # type: ignore[method-assign]  # the process ends in the middle of the call
    try:
        settle(made, START)
    except Dies:
        made.calls.post = post  # type: ignore[method-assign]
    assert made.dispatcher.rescue(START + LEASE) == 2
    assert statuses(made) == ["email in_doubt", "webhook queued:temporary"]
    settle(made, START + LEASE + MINUTE)
    assert statuses(made) == ["email in_doubt", "webhook sent"]


def test_a_call_dies_with_its_journey() -> None:
    made = house(WHO, {"wait": {"for": "9d"}}, exit=DONE)
    made.happens(attributes(START + SECOND, status="done"), now=START + SECOND)
    settle(made, START + HOUR)
    assert statuses(made) == ["webhook cancelled:journey_ended"]
    assert len(made.calls) == 0


def test_the_kill_switch_holds_calls_too_and_quiet_hours_and_holds_do_not() -> None:
    made = house(
        WHO, policies={"quiet_hours": {"from": "08:00", "to": "20:00"}, "contact_cap": {"per_day": 1}}
    )
    made.switch(True, START)
    settle(made, START)
    assert statuses(made) == ["webhook held:sending_stopped"]
    made.switch(False, START + MINUTE)
    settle(made, START + MINUTE)
    assert statuses(made) == ["webhook sent"]


def test_data_that_cannot_be_made_fail_and_say_which_fact() -> None:
    made = house({"webhook": {"endpoint": "crm", "data": {"x": "{{ account.nothing }}"}}})
    settle(made, START)
    (message,) = made.messages()
    assert (message.status.value, message.reason and message.reason.value) == ("failed", "missing_fact")
    assert message.detail == "account.nothing"


def test_data_over_their_size_fail() -> None:
    made = house({"webhook": {"endpoint": "crm", "data": {"x": "y" * 70_000}}})
    settle(made, START)
    assert statuses(made) == ["webhook failed:too_large"]


def test_the_decision_on_a_call_names_no_person() -> None:
    made = house(WHO)
    settle(made, START)
    with made.database.read() as connection:
        wanted = sa.select(decisions.c.contact).where(decisions.c.subject == "send")
        assert connection.execute(wanted).scalars().all() == [None]


def test_a_calls_rate_is_its_own() -> None:
    steps = [WHO, WHO, TO_ADMIN]
    made = house(*steps, policies={"channel_rate": {"webhook": 1, "email": None}})
    settle(made, START)
    assert statuses(made) == ["email sent", "webhook held:rate", "webhook sent"]
    settle(made, START + SECOND)
    assert statuses(made) == ["email sent", "webhook sent", "webhook sent"]


URL, SECRET = "https://crm.example.com/in", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


def test_endpoints_and_networks_are_settings_and_no_secret_is_shown() -> None:
    body = orjson.dumps({"crm": {"url": URL, "secret": SECRET}}).decode()
    made = Settings(_env_file=None, webhooks=body, webhook_networks="10.1.2.0/24, 10.2.0.0/16")  # type: ignore[arg-type, call-arg]  # as the environment gives them
    assert made.webhooks["crm"].authority == "crm.example.com"
    assert made.webhook_networks == ["10.1.2.0/24", "10.2.0.0/16"]
    assert "0123456789" not in repr(made) + repr(made.webhooks)


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhooks": "nonsense"},
        {
            "webhooks": orjson.dumps(
                {"crm": {"url": "https://crm.example.com:22/", "secret": SECRET}}
            ).decode()
        },
        {"webhook_networks": "10.1.2.0/99"},
    ],
)
def test_endpoints_that_cannot_be_called_are_no_settings(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings(_env_file=None, **wrong)  # type: ignore[arg-type]  # as the environment gives them
