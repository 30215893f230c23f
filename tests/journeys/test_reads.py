"""What people see of the store: the shapes, the filters, the pages, and why something did or did not happen."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from journeys.store.database import Database
from journeys.store.reads import coming, everyday, overview, people, reach, timeline, why
from journeys.store.reads.page import BadCursor, Page, seal, unseal
from journeys.store.reads.sentences import sentence
from journeys.store.reads.wording import evidence_line
from journeys.store.tables import events, tasks
from signals.instant import DAY, HOUR, parse_instant
from story import ACME, EVIL, MONDAY, NOW, told


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path_factory.mktemp('reads') / 'story.db'}", durable=False)
    told(made)
    yield made
    made.close()


@pytest.fixture
def connection(database: Database) -> Iterator[sa.Connection]:
    with database.read() as open_connection:
        yield open_connection


def walked(read: Callable[[str | None], Page]) -> list[dict[str, Any]]:
    """All items of all pages."""
    items, cursor = [], None
    for _ in range(1_000):
        page = read(cursor)
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            return items
    raise AssertionError("the pages have no end")


def ids(page: Page) -> list[str]:
    return [item["id"] for item in page["items"]]


# ── accounts ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_account_is_shown_with_people_roles_segments_stage_and_evidence(connection: sa.Connection) -> None:
    account = people.account(connection, ACME, NOW)
    assert account is not None
    assert (account["id"], account["name"], account["stage"]) == (ACME, "Acme Works", "adoption")
    assert account["segments"] == ["at_risk", "enterprise"]
    assert account["tags"] == ["at_risk"]
    assert account["attributes"]["open_tickets"] == 3
    ann = next(person for person in account["contacts"] if person["name"] == "Ann Lee")
    assert ann["email"] == "ann@acme.example.com"
    assert [(role["role"], role["until"]) for role in ann["roles"]] == [("champion", None)]
    spike = next(signal for signal in account["open_signals"] if signal["signal"] == "ticket_spike")
    assert (spike["severity"], spike["since"]) == ("critical", "2026-03-02T09:20:00Z")
    assert spike["evidence"][0]["saw"] == 3


def test_an_unknown_account_is_none(connection: sa.Connection) -> None:
    assert people.account(connection, "nobody", NOW) is None


@pytest.mark.parametrize(
    ("narrowed", "expected"),
    [
        ({}, [ACME, EVIL]),
        ({"q": "WORKS"}, [ACME]),
        ({"q": "ann lee"}, [ACME]),
        ({"q": "bob@evil.example"}, [EVIL]),
        ({"q": "  "}, [ACME, EVIL]),
        ({"q": "%"}, []),
        ({"q": "a_me"}, []),
        ({"segment": "at_risk"}, [ACME, EVIL]),
        ({"segment": "vip"}, []),
        ({"stage": "adoption"}, [ACME, EVIL]),
        ({"stage": "churned"}, []),
        ({"tag": "at_risk"}, [ACME, EVIL]),
        ({"tag": "enterprise"}, []),
        ({"signal": "detractor"}, [ACME, EVIL]),
        ({"signal": "champion_left"}, []),
        ({"owner": "nadia.brandt"}, [ACME, EVIL]),
        ({"owner": "hana.mori"}, []),
        ({"band": "red"}, [ACME, EVIL]),
        ({"band": "green"}, []),
        ({"q": "works", "signal": "detractor", "tag": "at_risk"}, [ACME]),
    ],
)
def test_accounts_are_narrowed_by_every_filter(
    connection: sa.Connection, narrowed: dict[str, str], expected: list[str]
) -> None:
    assert ids(people.accounts(connection, NOW, **narrowed)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("tag", [None, "at_risk"])
def test_pages_of_accounts_hold_each_account_once(connection: sa.Connection, tag: str | None) -> None:
    found = walked(lambda cursor: people.accounts(connection, NOW, tag=tag, limit=1, cursor=cursor))
    assert [account["id"] for account in found] == [ACME, EVIL]


def test_a_page_asks_the_same_number_of_questions_whatever_its_size(database: Database) -> None:
    def questions(read: Callable[[sa.Connection], object]) -> int:
        asked: list[str] = []
        with database.read() as connection:
            sa.event.listen(connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
            read(connection)
        return len(asked)

    for read, most in (
        (lambda limit: lambda connection: people.accounts(connection, NOW, limit=limit), 4),
        (lambda limit: lambda connection: reach.list_messages(connection, limit=limit), 1),
        (lambda limit: lambda connection: why.decisions(connection, limit=limit), 2),
        (lambda limit: lambda connection: timeline.timeline(connection, ACME, limit=limit), 12),
    ):
        assert questions(read(1)) <= questions(read(100)) == most


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_a_page_of_no_or_too_many_items_is_refused(connection: sa.Connection, limit: int) -> None:
    with pytest.raises(ValueError, match="1 to 200"):
        people.accounts(connection, NOW, limit=limit)
    with pytest.raises(ValueError, match="1 to 200"):
        timeline.timeline(connection, ACME, limit=limit)


# ── cursors ────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(-(10**15), 10**15), st.text(max_size=40).filter(lambda text: text.isprintable()))
def test_a_cursor_names_its_place_exactly(at: int, key: str) -> None:
    assert unseal("things", seal("things", (at, key)), (int, str)) == [at, key]


@given(st.data())
def test_a_cursor_with_any_character_changed_is_refused(data: st.DataObject) -> None:
    cursor = seal("things", (1_772_000_000_000_000, "acme"))
    place = data.draw(st.integers(0, len(cursor) - 2))  # the last one has spare bits
    other = data.draw(st.sampled_from("ABCabc019-_.é%").filter(lambda sign: sign != cursor[place]))
    with pytest.raises(BadCursor):
        unseal("things", cursor[:place] + other + cursor[place + 1 :], (int, str))


@pytest.mark.parametrize("garbage", ["", "x", "abc", "é", "A" * 4_000, "====", "AAAAAAAAAAAAAAAA", "\x00"])
def test_garbage_is_no_cursor(garbage: str) -> None:
    with pytest.raises(BadCursor):
        unseal("things", garbage, (int, str))


def test_a_cursor_of_another_list_is_refused(connection: sa.Connection) -> None:
    cursor = people.accounts(connection, NOW, limit=1)["next"]
    with pytest.raises(BadCursor):
        why.decisions(connection, cursor=cursor)


def test_an_instant_no_clock_can_show_is_refused() -> None:
    with pytest.raises(BadCursor):
        unseal("things", seal("things", (2**63 - 1, "x")), (int, str))


# ── journeys, messages, tasks ──────────────────────────────────────────────────────────────────────────────────


def test_journeys_are_found_by_account_play_and_status(connection: sa.Connection) -> None:
    found = reach.list_journeys(connection, account=ACME)["items"]
    assert {journey["play"] for journey in found} == {"calm-the-storm", "welcome-back-detractor"}
    assert ids(reach.list_journeys(connection, play="calm-the-storm", status="completed")) == []
    one = found[0]
    assert reach.one_journey(connection, one["id"]) == one
    assert reach.one_journey(connection, "none") is None
    assert set(one) >= {"id", "account", "play", "version", "status", "reason", "step", "wakes_at", "arm"}


def test_a_sent_message_is_shown_word_for_word(connection: sa.Connection) -> None:
    sent = reach.list_messages(connection, account=ACME, status="sent")["items"]
    assert [message["subject"] for message in sent] == ["Acme Works: about your open tickets"]
    whole = reach.one_message(connection, sent[0]["id"])
    assert whole is not None
    assert "several tickets" in whole["rendering"]["text"]
    assert "<strong" in whole["rendering"]["html"]
    assert whole["class"] == "service"


def test_a_held_message_says_until_when_and_has_not_been_rendered(connection: sa.Connection) -> None:
    held = reach.list_messages(connection, account=ACME, status="held", reason="contact_cap")["items"]
    assert [message["content"] for message in held] == ["after-care"]
    assert parse_instant(held[0]["next_attempt_at"]) > MONDAY + 12 * HOUR
    whole = reach.one_message(connection, held[0]["id"])
    assert whole is not None
    assert whole["rendering"] is None
    assert reach.one_message(connection, "none") is None


def test_tasks_stand_in_the_order_in_which_they_breach(database: Database, tmp_path: Path) -> None:
    with database.write() as connection:
        rows = connection.execute(sa.select(tasks)).mappings().all()
        late = sa.update(tasks).where(tasks.c.account == EVIL)
        connection.execute(late.values(first_touch_by=MONDAY, breached=True))
        assert [task["account"] for task in reach.list_tasks(connection)["items"]] == [EVIL, ACME]
        connection.execute(late.values(status="snoozed"))
        assert [task["account"] for task in reach.list_tasks(connection)["items"]] == [ACME, EVIL]
        assert overview.task_counts(connection, MONDAY)["paused"] == 1
        connection.execute(late.values(status="closed"))
        found = walked(lambda cursor: reach.list_tasks(connection, limit=1, cursor=cursor))
        assert [task["account"] for task in found] == [ACME, EVIL]
        for row in rows:
            connection.execute(sa.update(tasks).where(tasks.c.id == row["id"]).values(**row))


def test_tasks_are_found_by_owner_queue_deadline_and_breach(connection: sa.Connection) -> None:
    assert len(reach.list_tasks(connection, owner="nadia.brandt")["items"]) == 2
    assert reach.list_tasks(connection, owner="")["items"] == []
    assert reach.list_tasks(connection, breached=True)["items"] == []
    assert reach.list_tasks(connection, due_before=MONDAY)["items"] == []
    assert len(reach.list_tasks(connection, due_before=MONDAY + 30 * DAY)["items"]) == 2
    assert len(reach.list_tasks(connection, due_after=MONDAY)["items"]) == 2
    assert reach.list_tasks(connection, due_after=MONDAY + 30 * DAY)["items"] == []
    assert reach.task_owners(connection) == ["nadia.brandt"]
    one = reach.list_tasks(connection, account=ACME)["items"][0]
    assert one["title"] == "Call Acme Works about their tickets"
    assert reach.one_task(connection, one["id"]) == one
    assert reach.one_task(connection, "none") is None


# ── the time line ──────────────────────────────────────────────────────────────────────────────────────────────


def line_of(connection: sa.Connection, limit: int = 200, **narrowed: Any) -> list[dict[str, Any]]:
    return walked(lambda cursor: timeline.timeline(connection, ACME, limit=limit, cursor=cursor, **narrowed))


def test_the_time_line_tells_everything_newest_first(connection: sa.Connection) -> None:
    rows = line_of(connection)
    assert {row["kind"] for row in rows} == set(timeline.KINDS)
    instants = [parse_instant(row["at"]) for row in rows]
    assert instants == sorted(instants, reverse=True)
    titles = [row["title"] for row in rows]
    for title in (
        "Ticket spike",
        "Entered at risk",
        "Started calm the storm",
        "Mail to Ann Lee",
        "Ticket opened",
    ):
        assert title in titles


def test_the_line_shows_who_came_to_hold_which_role(connection: sa.Connection) -> None:
    began = [row for row in line_of(connection, kinds=["role"]) if row["title"] == "Ann Lee became champion"]
    assert [row["refs"] for row in began] == [{"role": "champion", "contact": f"{ACME}.ann"}]


def test_fourteen_logins_of_a_day_are_one_row(connection: sa.Connection) -> None:
    used = [row for row in line_of(connection) if row["title"] == "Used the product"]
    assert len(used) == 7
    assert used[0]["detail"] == "login ×14, report viewed · 2 people"
    assert used[0]["refs"]["events"] == 15


def test_a_milestone_is_no_everyday(connection: sa.Connection) -> None:
    assert "Milestone reached" in [row["title"] for row in line_of(connection)]


def test_what_a_row_made_true_is_not_told_twice(connection: sa.Connection) -> None:
    decisions = line_of(connection, kinds=["decision"])
    assert decisions
    assert {row["status"] for row in decisions}.isdisjoint({"started", "sent", "created"})
    assert "Ann Lee has had 1 of 1 messages today" in decisions[0]["title"]


def test_each_row_leads_to_what_it_is_about(connection: sa.Connection) -> None:
    for row in line_of(connection):
        if row["kind"] in ("message", "task", "journey", "decision", "signal", "segment"):
            assert row["kind"] in row["refs"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_of_any_size_tell_the_same_line(connection: sa.Connection, limit: int) -> None:
    assert line_of(connection, limit) == line_of(connection)


@pytest.mark.parametrize("read", [1, 14, 20, 31])
def test_a_line_read_in_small_parts_loses_no_day(
    connection: sa.Connection, monkeypatch: pytest.MonkeyPatch, read: int
) -> None:
    whole = line_of(connection)
    monkeypatch.setattr(everyday, "READ", read)
    parts = line_of(connection)
    assert [(row["at"], row["title"]) for row in parts] == [(row["at"], row["title"]) for row in whole]


@pytest.mark.parametrize("kind", timeline.KINDS)
def test_the_line_can_be_narrowed_to_one_kind(connection: sa.Connection, kind: str) -> None:
    only = line_of(connection, kinds=[kind])
    assert only == [row for row in line_of(connection) if row["kind"] == kind]


def test_what_comes_next_is_the_timer_that_rings_first(connection: sa.Connection) -> None:
    ahead = coming.coming(connection, ACME, MONDAY + 13 * HOUR)
    assert [one["at"] for one in ahead] == sorted(one["at"] for one in ahead)
    held = [one["title"] for one in ahead if one["kind"] == "message"]
    assert held == ["“after care” to Ann Lee is judged again (held: contact cap)"]
    assert coming.coming(connection, ACME, parse_instant("2030-01-01T00:00:00Z")) == []


# ── why ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_message_held_for_the_cap_is_explained_in_words(connection: sa.Connection) -> None:
    answer = why.explain(connection, ACME, play="welcome-back-detractor", contact=f"{ACME}.ann")
    said = [one["sentence"] for one in answer["decisions"]]
    assert said == [
        "started welcome-back-detractor (version 1): every check passed",
        "not sent yet: Ann Lee has had 1 of 1 messages today",
    ]
    assert answer["summary"].endswith(said[-1])


def test_an_explanation_reaches_up_to_an_instant(connection: sa.Connection) -> None:
    before = why.explain(connection, ACME, at=MONDAY)
    assert before["decisions"] == []
    assert before["summary"] == "nothing has been decided about acme: no trigger of any play has come up"
    assert "and no-such-play" in why.explain(connection, ACME, play="no-such-play")["summary"]


def test_an_explanation_about_a_person_keeps_what_was_decided_about_the_account(
    connection: sa.Connection,
) -> None:
    about = {one["subject"] for one in why.explain(connection, ACME, contact="somebody else")["decisions"]}
    assert about == {"start", "task"}


def test_decisions_are_found_by_everything_they_name(connection: sa.Connection) -> None:
    held = why.decisions(connection, outcome="held", account=ACME)["items"]
    assert len(held) == 1
    for name in ("id", "contact", "play", "journey", "message", "subject", "reason"):
        found = why.decisions(connection, account=ACME, outcome="held", **{name: held[0][name]})
        assert found["items"] == held


def decided(subject: str, outcome: str, reason: str | None, *checks: tuple[str, bool, Any]) -> dict[str, Any]:
    made = [{"check": check, "passed": passed, "saw": saw} for check, passed, saw in checks]
    about = {"play": "care", "version": 2, "contact": "ann"}
    return {"subject": subject, "outcome": outcome, "reason": reason, "checks": made, **about}


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (decided("start", "started", None), "started care (version 2): every check passed"),
        (
            decided("start", "started", "holdout"),
            "started care (version 2) in the holdout group: it runs, but nothing of it reaches anyone",
        ),
        (
            decided("start", "not_started", "already_live", ("already_live", False, "j1")),
            "did not start care (version 2): the account is already going through it",
        ),
        (
            decided("start", "not_started", "re_entry", ("re_entry", False, MONDAY)),
            "did not start care (version 2): it may not start again so soon, it last ended at 2026-03-02T00:00:00Z",
        ),
        (
            decided(
                "start",
                "not_started",
                "audience",
                (
                    "audience",
                    False,
                    [{"condition": {"is": "pro", "attribute": "account.plan"}, "saw": "free"}],
                ),
            ),
            "did not start care (version 2): the account is not in its audience (saw account.plan: free (is pro))",
        ),
        (
            decided("start", "not_started", "brand_new_reason"),
            "did not start care (version 2): brand new reason",
        ),
        (decided("send", "sent", None), "sent to Ann Lee: every check passed"),
        (
            decided(
                "send",
                "held",
                "contact_cap",
                ("contact_cap", False, {"today": 0, "per_day": 1, "last_7d": 3, "per_7d": 3}),
            ),
            "not sent yet: Ann Lee has had 3 of 3 messages in the last 7 days",
        ),
        (
            decided(
                "send",
                "held",
                "quiet_hours",
                ("quiet_hours", False, {"zone": "Europe/Berlin", "local": "2026-03-02T23:45:00+01:00"}),
            ),
            "not sent yet: it is quiet hours for Ann Lee, 23:45 in Europe/Berlin",
        ),
        (
            decided("send", "expired", "contact_cap", ("validity", False, {"expires_at": "2026-03-02"})),
            "not sent, its time ran out: Ann Lee has had as many messages as allowed",
        ),
        (
            decided("send", "suppressed", "unsubscribed", ("consent", False, {})),
            "not sent: Ann Lee has unsubscribed from this",
        ),
        (
            decided("send", "cancelled", "journey_ended", ("journey", False, {"goal": True})),
            "not sent, cancelled: the goal of its journey is met",
        ),
        (
            decided("send", "failed", "missing_fact", ("content", False, {"fails": "no account.name"})),
            "not sent, it failed: its content could not be made: no account.name",
        ),
        (
            decided("send", "not_sent", "role_vacant", ("role", False, "exec_sponsor")),
            "not sent: nobody at the account is exec sponsor",
        ),
        (
            decided("send", "tested", None, ("test", True, {"to": "me@example.com", "content": "hello"})),
            "only tried: hello would go to Ann Lee, who got nothing of it",
        ),
        (decided("task", "created", None), "a task was made by care"),
        (decided("offer", "made", "kind_word"), "offer made: kind word"),
        (
            decided("offer", "made", None, ("half", False, {"why": "service_fault"}), ("pause", True, None)),
            "care offered pause; passed over: half (we are at fault: no discount)",
        ),
        (
            decided("offer", "not_made", "limit", ("half", False, {"why": "limit"})),
            "no offer was made: half (made as often as it may be)",
        ),
        (decided("offer", "withheld", "control", ("pause", True, None)), "pause was withheld: control"),
    ],
)
def test_a_decision_is_said_in_one_sentence(decision: dict[str, Any], said: str) -> None:
    assert sentence(decision, "Ann Lee") == said


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (
            {"condition": {"gte": 3, "in": "1w", "count": ["support.ticket_opened"]}, "saw": 4},
            "support.ticket_opened: 4 (≥ 3, in 1w)",
        ),
        (
            {
                "condition": {"lte": -0.5, "in": "2w", "against": "8w", "change": ["product.login"]},
                "saw": -0.5333,
            },
            "change product.login: −53% (against 8w, in 2w, ≤ −50%)",
        ),
        (
            {"condition": {"attribute": "account.plan", "is": "pro"}, "saw": "free", "negated": True},
            "not account.plan: free (is pro)",
        ),
        (
            {"condition": {"role": "champion", "vacant": True}, "saw": "nobody"},
            "role champion: nobody (vacant)",
        ),
        (
            {"condition": {"change": "product.login", "gte": 1, "in": "2w", "min": 0.5}, "negated": True},
            "not change product.login (≥ +100%, in 2w, min 0.5)",
        ),
        ({"date": "2026-12-01T00:00:00Z", "before_days": 90}, "90 days before 2026-12-01"),
    ],
)
def test_evidence_is_said_in_one_line(evidence: dict[str, Any], said: str) -> None:
    assert evidence_line(evidence) == said


# ── the overview, dead letters ─────────────────────────────────────────────────────────────────────────────────


def test_the_overview_counts_what_there_is(connection: sa.Connection) -> None:
    counts = overview.overview(connection, NOW)
    assert counts["accounts"] == 2
    assert counts["dead_letters"] == 3
    assert {row["signal"]: row["accounts"] for row in counts["open_signals"]}["ticket_spike"] == 2
    assert {(row["status"], row["reason"]): row["messages"] for row in counts["messages"]} == {
        ("sent", None): 2,
        ("held", "contact_cap"): 2,
    }
    assert sum(counts["tasks"].values()) == 2
    assert counts["events"] == connection.execute(sa.select(sa.func.count()).select_from(events)).scalar()


def test_accounts_that_need_a_look_show_their_worst_signal_first(connection: sa.Connection) -> None:
    shown = overview.attention(connection, 1)
    assert len(shown) == 1
    assert shown[0]["signals"][0]["severity"] == "critical"


def test_activity_is_counted_by_day_with_today_last(connection: sa.Connection) -> None:
    days = overview.activity(connection, MONDAY + 20 * HOUR, 8, ACME)
    assert len(days) == 8
    assert days[:7] == [15] * 7
    assert days[7] >= 4
    assert overview.activity(connection, MONDAY + 20 * HOUR, 8)[0] == 30


def test_a_dead_letter_shows_bytes_that_are_no_text(connection: sa.Connection) -> None:
    newest = overview.dead(connection, limit=1)
    assert ids(newest) == ["dead-2"]
    assert newest["items"][0]["value"] == "<img src=x onerror=alert(1)>\ufffd\x00"
    assert newest["items"][0]["size"] == 30
    found = walked(lambda cursor: overview.dead(connection, limit=1, cursor=cursor))
    assert [one["id"] for one in found] == ["dead-2", "dead-1", "dead-0"]
    assert overview.dead(connection, reason="tombstone")["items"] == []


@pytest.mark.postgres
def test_postgresql_answers_the_same(database: Database, postgres_url: str) -> None:
    def answers(connection: sa.Connection) -> list[Any]:
        return [
            people.accounts(connection, NOW, q="ann", tag="at_risk", limit=1),
            people.choices(connection),
            reach.list_messages(connection, limit=1),
            reach.list_tasks(connection, due_before=NOW + 30 * DAY, limit=1),
            why.explain(connection, ACME),
            line_of(connection, 3),
            coming.coming(connection, ACME, NOW),
            overview.overview(connection, NOW),
            overview.attention(connection, 5),
            overview.activity(connection, NOW, 8, ACME),
            overview.dead(connection, limit=2),
        ]

    other = Database(postgres_url)
    try:
        told(other)
        with other.read() as theirs, database.read() as ours:
            for here, there in zip(answers(ours), answers(theirs), strict=True):
                assert here == there
    finally:
        other.close()
