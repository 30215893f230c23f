"""The demo's customer base: what the pipeline is given, and the answer key to it."""

import subprocess
import sys
from collections import defaultdict
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

import pytest

from journeys.demo.base import OPENING, TEAM, CustomerBase, customer_base, team
from journeys.demo.stories import KINDS, Beat, Story
from signals.event import ID_PATTERN, Event, encode, named, pack, unpack
from signals.instant import DAY, HOUR, MINUTE, SECOND, parse_instant

TODAY = parse_instant("2026-11-20T15:30:00Z")

PLANTED = {
    "value_milestone": 30,
    "contract_approaching": 26,
    "usage_drop": 18,
    "payment_failed": 16,
    "stalled_adoption": 14,
    "ticket_spike": 13,
    "champion_left": 13,
    "expansion_ready": 12,
    "frequency_mismatch": 12,
    "detractor": 12,
    "cancel_intent": 12,
    "exec_disengaged": 11,
    "repeat_issue": 10,
    "onboarding_stalled": 9,
    "high_ltv_bad_experience": 7,
}


@pytest.fixture(scope="module")
def base() -> CustomerBase:
    return customer_base(TODAY)


@pytest.fixture(scope="module")
def events(base: CustomerBase) -> list[Event]:
    return list(base.events())


@pytest.fixture(scope="module")
def by_account(events: list[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        found[event.account or ""].append(event)
    return found


def digest(base: CustomerBase) -> str:
    told = blake2b(digest_size=16)
    for event in base.events():
        told.update(encode(event) + b"\n")
    return told.hexdigest()


def beats(base: CustomerBase, kind: str) -> list[tuple[Story, Beat]]:
    return [(story, beat) for story in base.stories.values() for beat in story.beats if beat.kind == kind]


def within(told: list[Event], beat: Beat, *types: str) -> list[Event]:
    return [event for event in told if event.type in types and beat.at <= event.time <= beat.until]


def uses(told: list[Event], start: int, end: int) -> int:
    return sum(event.type == "product.feature_used" and start <= event.time < end for event in told)


# the base as a whole


def test_three_hundred_accounts_live_through_the_year_that_ends_today(
    base: CustomerBase, events: list[Event]
) -> None:
    assert len(base.companies) == 300
    assert len(events) == len(base) >= 150_000
    assert base.end == parse_instant("2026-11-20")
    assert base.start == parse_instant("2025-11-20")
    assert all(base.start <= event.time < base.end for event in events)


def test_events_come_in_order_of_time_as_if_received_at_once(events: list[Event]) -> None:
    assert all(earlier.time <= later.time for earlier, later in pairwise(events))
    assert all(event.timed and event.received_at == event.time for event in events)


def test_every_event_has_an_id_and_a_source_of_its_own_kind(events: list[Event]) -> None:
    assert len({(event.source, event.id) for event in events}) == len(events)
    assert len({event.id for event in events}) == len(events)
    assert {event.source for event in events} == {f"demo/{event.type.partition('.')[0]}" for event in events}


def test_all_four_domains_speak_and_the_product_the_most(base: CustomerBase) -> None:
    domains: dict[str, int] = defaultdict(int)
    for kind, count in base.counts().items():
        domains[kind.partition(".")[0]] += count
    assert set(domains) == {"product", "crm", "support", "billing", "survey"}
    assert min(domains[name] for name in ("crm", "support", "billing")) >= 3_000
    assert domains["product"] > len(base) / 2


def test_an_event_survives_the_log(events: list[Event]) -> None:
    assert all(unpack(pack(named(event))).event == event for event in events[::997])


def test_a_reader_who_changes_an_event_changes_nobody_elses(base: CustomerBase) -> None:
    next(event for event in base.events() if event.type == "product.feature_used").data["feature"] = "changed"
    assert all(event.data.get("feature") != "changed" for event in base.events())


# who they are


def test_every_address_is_at_example_com_and_belongs_to_one_person(
    base: CustomerBase, events: list[Event]
) -> None:
    told = {
        (event.contact, event.data["attributes"]["email"])
        for event in events
        if event.type == "crm.contact_updated" and "attributes" in event.data
    }
    addresses = [address for _, address in told]
    assert len(addresses) == len(set(addresses)) == sum(len(company.people) for company in base.companies)
    for address in addresses + [member["email"] for member in TEAM]:
        assert address.isascii()
        assert address.rpartition("@")[2] == "example.com" or address.endswith(".example.com")


def test_nothing_else_in_an_event_names_an_address(events: list[Event]) -> None:
    texts = [event.data["text"] for event in events if "text" in event.data]
    assert not any("@" in text or "http" in text for text in texts)


def test_accounts_have_three_to_twelve_people_in_roles(base: CustomerBase) -> None:
    for company in base.companies:
        held = {role for person in company.people for role in person.roles}
        assert 3 <= len(company.people) <= 12
        assert held >= {"admin", "champion", "finance", "user"} or company.frame.line == "saas"
        assert held >= {"admin", "champion", "finance", "exec_sponsor"} or company.frame.line == "commerce"


def test_ids_need_no_quoting_and_no_two_are_alike(base: CustomerBase) -> None:
    keys = [company.id for company in base.companies]
    keys += [person.id for company in base.companies for person in company.people]
    assert len(keys) == len(set(keys))
    assert all(ID_PATTERN.fullmatch(key) for key in keys)


def test_a_fifth_are_households_with_a_monthly_box(base: CustomerBase) -> None:
    boxes = [company for company in base.companies if company.frame.line == "commerce"]
    assert len(boxes) == 60
    assert {(box.frame.plan, box.frame.interval, box.owner) for box in boxes} == {("box", "month", None)}


def test_owners_are_csms_of_the_team(base: CustomerBase) -> None:
    csms = {member["id"] for member in TEAM if member["role"] == "csm"}
    assert len(csms) == 6
    assert {company.owner for company in base.companies} - {None} == csms


def test_every_member_of_the_team_reports_to_another_up_to_the_director() -> None:
    members = {member["id"]: member for member in team(TODAY)}
    assert [member["role"] for member in TEAM].count("manager") == 1
    for member in members.values():
        assert member["manager"] in members or member["role"] == "director"
        for absence in member["absent"]:
            assert parse_instant(absence["from"]) < parse_instant(absence["until"])


# what is told of them


def test_everybody_is_introduced_and_subscribed(
    base: CustomerBase, by_account: dict[str, list[Event]]
) -> None:
    for company in base.companies:
        told = by_account[company.id]
        described = next(event for event in told if event.type == "crm.account_updated")
        assert described.data["attributes"]["name"] == company.name
        assert described.data["attributes"]["timezone"] == company.timezone
        subscribed = [event.data for event in told if event.type == "billing.subscription_started"]
        assert len(subscribed) == 1
        assert {"plan", "mrr", "interval", "started_at"} <= set(subscribed[0])


def test_only_annual_contracts_carry_a_renewal_and_it_lies_ahead(events: list[Event]) -> None:
    for event in events:
        if event.type.startswith("billing.subscription_") and "interval" in event.data:
            assert ("renews_at" in event.data) == (event.data["interval"] == "year")
            if "renews_at" in event.data:
                assert parse_instant(event.data["renews_at"]) > event.time


def test_older_accounts_are_told_of_in_the_opening_and_new_ones_are_not(
    base: CustomerBase, by_account: dict[str, list[Event]]
) -> None:
    for company in base.companies:
        first = by_account[company.id][0]
        assert (first.time < base.start + OPENING) == (company.frame.joined < 0)


def test_tickets_are_solved_after_they_were_opened_and_scored_after_that(events: list[Event]) -> None:
    order: dict[str, list[str]] = defaultdict(list)
    for event in events:
        if "ticket" in event.data:
            order[event.data["ticket"]].append(event.type)
    for types in order.values():
        assert types[0] == "support.ticket_opened"
        if "support.csat_received" in types:
            assert types.index("support.csat_received") > types.index("support.ticket_solved")


def test_customers_write_in_many_ways(events: list[Event]) -> None:
    texts = [event.data["text"] for event in events if event.type == "support.message_received"]
    assert len(set(texts)) > len(texts) / 4
    assert any("Thanks so much" in text for text in texts)
    assert any("not acceptable" in text for text in texts)


def test_work_is_done_on_working_days_and_more_towards_the_end(
    base: CustomerBase, events: list[Event]
) -> None:
    used = [event.time for event in events if event.type == "product.feature_used"]
    weekend = sum((time // DAY + 4) % 7 in (0, 6) for time in used)  # 1970-01-01 was a Thursday, day 4
    assert weekend < len(used) / 8
    middle = base.start + (base.end - base.start) // 2
    assert sum(time >= middle for time in used) > sum(time < middle for time in used)


def test_nothing_happens_in_an_account_after_it_ended(by_account: dict[str, list[Event]]) -> None:
    ended = 0
    for told in by_account.values():
        times = [event.time for event in told if event.type == "billing.subscription_cancelled"]
        ended += len(times)
        assert len(times) <= 1
        assert not times or times[0] >= told[-1].time - SECOND
    assert 10 <= ended <= 30


# what was planted


def test_each_kind_is_planted_as_often_as_the_docs_say(base: CustomerBase) -> None:
    planted = base.planted()
    assert {kind: planted[kind] for kind in PLANTED} == PLANTED
    assert set(planted) == set(KINDS)


def test_most_accounts_are_healthy_and_several_have_two_stories(base: CustomerBase) -> None:
    assert set(base.stories) == {company.id for company in base.companies}
    assert sum(story.healthy for story in base.stories.values()) > 150
    assert sum(len(set(story.kinds) - {"healthy"}) == 2 for story in base.stories.values()) >= 20


def test_stories_begin_within_the_year(base: CustomerBase) -> None:
    for story in base.stories.values():
        for beat in story.beats:
            assert base.start <= beat.at < base.end
            assert beat.at <= beat.until
            assert beat.until <= base.end or beat.kind == "contract_approaching"


def test_there_is_fresh_trouble_on_the_last_day(base: CustomerBase) -> None:
    fresh = [beat for story in base.stories.values() for beat in story.beats if beat.at > base.end - 30 * DAY]
    assert len({beat.kind for beat in fresh}) >= 8


SIGNS = {
    "ticket_spike": ["support.ticket_opened", "support.message_received"],
    "repeat_issue": ["support.ticket_opened"],
    "champion_left": ["crm.contact_left"],
    "payment_failed": ["billing.payment_failed"],
    "cancel_intent": ["product.cancel_page_viewed", "billing.cancel_flow_started"],
    "detractor": ["survey.nps_received"],
    "expansion_ready": ["crm.contact_updated", "crm.account_updated"],
    "value_milestone": ["product.milestone_reached"],
    "exec_disengaged": ["product.report_viewed"],
    "high_ltv_bad_experience": ["support.ticket_opened"],
}


@pytest.mark.parametrize("kind", SIGNS)
def test_a_story_begins_with_its_events(
    kind: str, base: CustomerBase, by_account: dict[str, list[Event]]
) -> None:
    for story, beat in beats(base, kind):
        told = by_account[story.account]
        assert any(event.time == beat.at and event.type in SIGNS[kind] for event in told)
        for sign in SIGNS[kind]:
            assert any(
                event.type == sign and beat.at <= event.time <= beat.at + 15 * MINUTE for event in told
            )


def test_a_spike_is_three_to_six_tickets_in_a_week_one_of_them_pressing(
    base: CustomerBase, by_account: dict[str, list[Event]]
) -> None:
    for story, beat in beats(base, "ticket_spike"):
        opened = within(by_account[story.account], beat, "support.ticket_opened")
        assert 3 <= len(opened) == beat.size <= 6
        assert beat.until - beat.at < 7 * DAY
        assert {"high", "urgent"} & {event.data["priority"] for event in opened}


def test_nobody_else_opens_three_tickets_in_a_fortnight(
    base: CustomerBase, by_account: dict[str, list[Event]]
) -> None:
    for account, told in by_account.items():
        opened = [event.time for event in told if event.type == "support.ticket_opened"]
        crowded = any(third - first < 14 * DAY for first, third in zip(opened, opened[2:], strict=False))
        assert crowded == ("ticket_spike" in base.stories[account].kinds)


def test_an_issue_comes_back_within_a_week_on_the_same_topic(
    base: CustomerBase, by_account: dict[str, list[Event]]
) -> None:
    for story, beat in beats(base, "repeat_issue"):
        opened = within(by_account[story.account], beat, "support.ticket_opened")
        assert len(opened) == 2
        assert len({event.data["topic"] for event in opened}) == 1
        assert beat.until - beat.at < 7 * DAY


def test_usage_falls_where_a_fall_was_planted(base: CustomerBase, by_account: dict[str, list[Event]]) -> None:
    for story, beat in beats(base, "usage_drop"):
        told, low = by_account[story.account], beat.at + 14 * DAY
        usual = uses(told, beat.at - 56 * DAY, beat.at) / 4
        assert uses(told, low, low + 14 * DAY) <= usual * (1 - beat.size + 0.15)


def test_a_stalled_account_is_not_activated_within_fourteen_days_and_all_others_are(
    base: CustomerBase, by_account: dict[str, list[Event]]
) -> None:
    for company in base.companies:
        told = by_account[company.id]
        reached = [
            event.time
            for event in told
            if event.type == "product.milestone_reached" and event.data["milestone"] == "activated"
        ]
        deadline = told[0].time + 14 * DAY
        late = deadline <= base.end and (not reached or reached[0] >= deadline)
        assert late == ("stalled_adoption" in base.stories[company.id].kinds)


def test_a_rescued_account_activates_and_a_churned_one_leaves(
    base: CustomerBase, by_account: dict[str, list[Event]]
) -> None:
    last = {"rescued": "product.milestone_reached", "churned": "billing.subscription_cancelled"}
    outcomes = set()
    for story, beat in beats(base, "stalled_adoption"):
        outcomes.add(beat.outcome)
        if beat.outcome in last:
            types = {event.type for event in by_account[story.account] if event.time == beat.until}
            assert last[beat.outcome] in types
    assert outcomes == {"rescued", "churned", "open"}


def test_an_interrupted_onboarding_is_silent_in_the_product(
    base: CustomerBase, by_account: dict[str, list[Event]]
) -> None:
    for story, beat in beats(base, "onboarding_stalled"):
        silent = [
            event
            for event in by_account[story.account]
            if beat.at < event.time < beat.until and event.type.startswith("product.")
        ]
        assert silent == []
        assert beat.until - beat.at > 9 * DAY


def test_a_champion_who_left_does_nothing_more_and_some_are_followed(
    base: CustomerBase, by_account: dict[str, list[Event]]
) -> None:
    outcomes = []
    for story, beat in beats(base, "champion_left"):
        told = by_account[story.account]
        leaver = next(event.contact for event in told if event.type == "crm.contact_left")
        assert max(event.time for event in told if event.contact == leaver) == beat.at
        named = [
            event for event in told if "champion" in event.data.get("roles", []) and event.time > beat.at
        ]
        assert bool(named) == (beat.outcome == "replaced")
        outcomes.append(beat.outcome)
    assert set(outcomes) == {"replaced", "vacant"}


def test_the_sponsor_is_not_seen_while_disengaged(
    base: CustomerBase, by_account: dict[str, list[Event]]
) -> None:
    for story, beat in beats(base, "exec_disengaged"):
        told = by_account[story.account]
        sponsor = next(event.contact for event in told if event.time == beat.at and event.contact)
        seen = [event for event in told if event.contact == sponsor]
        until = beat.until - 5 * MINUTE if beat.outcome == "returned" else beat.until
        assert not [event for event in seen if beat.at < event.time < until]
        assert [event for event in seen if beat.at - 20 * DAY < event.time < beat.at - HOUR]


def test_a_failed_payment_is_paid_or_the_account_lapses(
    base: CustomerBase, by_account: dict[str, list[Event]]
) -> None:
    for story, beat in beats(base, "payment_failed"):
        told = by_account[story.account]
        failed = within(told, beat, "billing.payment_failed")
        invoice = failed[0].data["invoice"]
        assert [event.data["attempt"] for event in failed] == list(range(1, len(failed) + 1))
        assert {event.data["decline"] for event in failed} <= {"soft", "hard"}
        paid = [
            event.time
            for event in told
            if event.type == "billing.invoice_paid" and event.data["invoice"] == invoice
        ]
        assert paid == ([beat.until] if beat.outcome == "recovered" else [])
        assert (told[-1].type == "billing.subscription_cancelled") or beat.outcome != "lapsed"


def test_a_household_out_of_rhythm_skips_or_bunches(
    base: CustomerBase, by_account: dict[str, list[Event]]
) -> None:
    for story, beat in beats(base, "frequency_mismatch"):
        sign = "billing.order_skipped" if beat.outcome == "skipped" else "billing.order_placed"
        assert len(within(by_account[story.account], beat, sign)) == beat.size >= 2


def test_a_low_score_is_followed_by_a_good_one_or_by_none(
    base: CustomerBase, by_account: dict[str, list[Event]]
) -> None:
    for story, beat in beats(base, "detractor"):
        after = [
            event.data["score"]
            for event in by_account[story.account]
            if event.type == "survey.nps_received" and event.time >= beat.at
        ]
        assert after[0] == beat.size <= 6
        assert [score >= 8 for score in after[1:]] == ([True] if beat.outcome == "recovered" else [])


def test_contracts_renew_on_the_planted_day(base: CustomerBase, by_account: dict[str, list[Event]]) -> None:
    ends = {"renewed": "billing.subscription_renewed", "cancelled": "billing.subscription_cancelled"}
    for story, beat in beats(base, "contract_approaching"):
        assert beat.until - beat.at == 180 * DAY
        if beat.outcome in ends:
            found = [event for event in by_account[story.account] if event.type == ends[beat.outcome]]
            assert any(beat.until <= event.time < beat.until + DAY for event in found)
        else:
            assert beat.until >= base.end


def test_a_late_box_comes_late_and_is_scored_one(
    base: CustomerBase, by_account: dict[str, list[Event]]
) -> None:
    for story, beat in beats(base, "high_ltv_bad_experience"):
        told = by_account[story.account]
        placed = max(
            event.time for event in told if event.type == "billing.order_placed" and event.time < beat.at
        )
        came = [
            event.time for event in told if event.type == "billing.order_delivered" and event.time > placed
        ]
        assert not came or came[0] - placed > 10 * DAY


# the same again


def test_the_same_seed_gives_the_same_year_and_another_seed_another() -> None:
    small = digest(customer_base(TODAY, accounts=40))
    assert digest(customer_base(TODAY, accounts=40)) == small
    assert digest(customer_base(TODAY + 8 * HOUR, accounts=40)) == small
    assert digest(customer_base(TODAY, seed=7, accounts=40)) != small


def test_the_year_does_not_hang_on_the_process_that_writes_it() -> None:
    program = (
        "from journeys.demo.base import customer_base; from signals.event import encode; from hashlib import blake2b; "
        f"told = blake2b(b''.join(encode(e) + b'\\n' for e in customer_base({TODAY}, accounts=20).events()), "
        "digest_size=16); print(told.hexdigest())"
    )
    source = str(Path(__file__).parents[2] / "src")
    environment = {"PYTHONHASHSEED": "4711", "PYTHONPATH": source}
    answer = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert answer.stdout.decode().strip() == digest(customer_base(TODAY, accounts=20))


def test_another_day_shifts_the_year() -> None:
    later = customer_base(TODAY + 100 * DAY, accounts=40)
    assert later.start == customer_base(TODAY, accounts=40).start + 100 * DAY
    assert all(later.start <= event.time < later.end for event in later.events())


@pytest.mark.parametrize("accounts", [1, 7, 33])
def test_small_bases_are_whole_too(accounts: int) -> None:
    base = customer_base(TODAY, seed=accounts, accounts=accounts)
    assert len(base.stories) == len(base.companies) == accounts
    assert len(base) > 0


def test_no_accounts_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="at least one account, not 0"):
        customer_base(TODAY, accounts=0)


def test_a_story_that_was_not_planted_is_refused_in_words(base: CustomerBase) -> None:
    story = next(story for story in base.stories.values() if story.kinds == ("healthy",))
    with pytest.raises(KeyError, match="has no usage_drop planted; it has healthy"):
        story.beat("usage_drop")
