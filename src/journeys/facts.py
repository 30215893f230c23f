"""Facts for judgement, assembled from what bulk loading found and what the account's state knows. Pure."""

from collections.abc import Iterable
from typing import cast

from channels.facts import Facts, Rival, RivalState, SuppressionCause
from channels.message import UNCAPPED, Message, MessageClass
from journeys.engine import moment_of
from journeys.playbook import Playbook
from journeys.state import AccountState
from journeys.store.consent import suppression_keys
from journeys.store.sending import Charge, Ledger
from plays.recipients import lanes
from plays.steps import MessageStep, WaitStep
from signals.attributes import contact_value, zone
from signals.conditions import Moment, Node
from signals.instant import SECOND, Instant
from signals.operators import MISSING
from signals.profile import Profile, is_open


def facts_for(
    message: Message,
    state: AccountState | None,
    ledger: Ledger,
    playbook: Playbook,
    now: Instant,
) -> Facts:
    """The world as this message needs it. A state that is gone (erased) is a closed contact."""
    journey = None if state is None else state.journey(message.journey)
    contact = None if state is None else state.profile.contacts.get(message.contact)
    play = None if journey is None else playbook.version(journey.play, journey.version)
    seen = None if state is None or journey is None else (state.profile, now, journey, playbook.feeds)
    moment = None if seen is None else moment_of(*seen)
    control = playbook.in_control(message.account)
    mine = _others(ledger.charges_by_contact.get(message.contact, []), message)
    house = _others(ledger.charges_by_account.get(message.account, []), message)
    shadow = control or message.arm_control
    topic, channel = _consent(ledger.consents.get(message.contact, []), message)
    return Facts(
        journey_live=journey is not None,
        contact_open=contact is not None and (is_open(contact) or contact.id in ledger.at_home),
        readable=True,
        suppression=_suppression(ledger, message),
        topic_consent=topic,
        channel_consent=channel,
        exit_holds=False if play is None else _holds(play.exit, moment),
        goal_holds=False if play is None else _holds(play.goal, moment),
        sending_stopped=ledger.stopped,
        play_paused=play is not None and play.paused,
        account_holds=() if state is None else playbook.holds_on(state.profile, now),
        last_same_content_at=max(
            (c.at for c in mine if (c.content, c.channel) == (message.content, message.channel)), default=None
        ),
        rivals=_rivals(message, mine, ledger, state, playbook, now),
        contact_sends=tuple(c.at for c in mine if c.control is shadow and _charges(c)),
        account_sends=tuple(c.at for c in house if c.control is shadow and _charges(c)),
        last_other_contact_send_at=max(
            (c.at for c in house if c.control is shadow and _charges(c) and _gap_counts(c, message)),
            default=None,
        ),
        zones=_zones(state, message, playbook, now),
        last_release_at=max((c.released_at for c in house if c.released_at is not None), default=None),
        rate_next_at=_rate_next_at(message, ledger, playbook, now),
        control=control,
    )


def hold_ends(profile: Profile, now: Instant, otherwise: Instant | None) -> Instant | None:
    """When the account's dated holds end by themselves, where that is sooner than `otherwise`."""
    ends = [
        until for opened, closed, until, *_ in profile.holds.values() if opened > closed and until is not None
    ]
    coming = [until for until in ends if until > now]
    return min([*coming, *([otherwise] if otherwise is not None else [])], default=None)


def _others(charges: Iterable[Charge], message: Message) -> list[Charge]:
    """The charges of all messages but this one."""
    return [charge for charge in charges if charge.message != message.id]


def _holds(node: Node | None, moment: Moment | None) -> bool | None:
    """Whether the journey's condition holds; where there is none, it does not."""
    return False if node is None or moment is None else node.test(moment)[0]


def _suppression(ledger: Ledger, message: Message) -> SuppressionCause | None:
    """Why this address, or this person under whatever address, is written to no more."""
    keys = suppression_keys(message.contact, message.address)
    found = (ledger.suppressed[key] for key in keys if key in ledger.suppressed)
    return cast("SuppressionCause | None", next(found, None))


def _charges(charge: Charge) -> bool:
    return charge.channel not in UNCAPPED and charge.cls != MessageClass.TRANSACTIONAL.value


def _gap_counts(charge: Charge, message: Message) -> bool:
    """The role gap is between people, and not within one step of one journey."""
    same_step = (charge.journey, charge.step, charge.visit) == (message.journey, message.step, message.visit)
    return charge.contact != message.contact and not same_step


def _consent(said: list[tuple[str, str, bool]], message: Message) -> tuple[bool | None, bool | None]:
    """What the person said of the topic (all topics counts) and of the whole channel."""
    topic: bool | None = None
    whole: bool | None = None
    for channel, about, allowed in said:
        if channel != message.channel:
            continue
        if about == "*":
            whole = allowed
        elif about == "":
            topic = False if not allowed else topic
        elif about == message.topic and topic is not False:
            topic = allowed
    return topic, whole


def _zones(
    state: AccountState | None, message: Message, playbook: Playbook, now: Instant
) -> tuple[object, ...]:
    if state is None:
        return (playbook.zone,)
    contact = state.profile.contacts.get(message.contact)
    own = contact_value(state.profile, contact, ("timezone",), now) if contact is not None else MISSING
    return (None if own is MISSING else own, zone(state.profile), playbook.zone)


def _rate_next_at(message: Message, ledger: Ledger, playbook: Playbook, now: Instant) -> Instant | None:
    """When the channel has room again: at most `rate` in any second, one every 1/rate seconds below one."""
    rate = playbook.policies.channel_rate.of(message.channel)
    recent = ledger.channel_charges.get(message.channel, [])
    if rate is None or not recent:
        return None
    if rate < 1:
        return recent[-1] + int(SECOND / rate)
    return recent[-int(rate)] + SECOND if len(recent) >= int(rate) else None


def _rivals(
    message: Message,
    mine: list[Charge],
    ledger: Ledger,
    state: AccountState | None,
    playbook: Playbook,
    now: Instant,
) -> tuple[Rival, ...]:
    window = playbook.policies.arbitration_window
    if window is None:
        return ()
    queued = [
        Rival(
            id=other.id,
            priority=other.priority,
            marketing=other.cls is MessageClass.MARKETING,
            state=RivalState.QUEUED,
            at=other.next_attempt_at or other.due_at,
        )
        for other in ledger.queued.get(message.contact, [])
        if other.id != message.id and other.status.value == "queued"
    ]
    sent = [
        Rival(
            id=c.message, priority=c.priority, marketing=c.cls == "marketing", state=RivalState.SENT, at=c.at
        )
        for c in mine
        if c.at > now - window
    ]
    return (*queued, *sent, *_coming(message, state, playbook, now, now + window))


def _coming(
    message: Message, state: AccountState | None, playbook: Playbook, now: Instant, horizon: Instant
) -> list[Rival]:
    """Messages that running timed waits of the account will make for this person within the window."""
    found: list[Rival] = []
    for journey in [] if state is None else state.journeys:
        if journey.id == message.journey or journey.step is None or journey.waiting_since is None:
            continue
        ops = playbook.version(journey.play, journey.version).program.ops
        op = ops[journey.step]
        body = op.body
        if not isinstance(body, WaitStep) or body.for_ is None or op.until is not None or op.next is None:
            continue
        at, following = journey.waiting_since + body.for_, ops[op.next].body
        if now < at <= horizon and isinstance(following, MessageStep) and state is not None:
            people = {
                lane.contact.id for lane in lanes(following, state.profile, now) if lane.contact is not None
            }
            if message.contact in people:
                play = playbook.version(journey.play, journey.version).play
                marketing = (following.cls or play.cls or "marketing") == "marketing"
                found.append(
                    Rival(
                        id=None, priority=journey.priority, marketing=marketing, state=RivalState.DUE, at=at
                    )
                )
    return found
