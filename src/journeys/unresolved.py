"""Why an event cannot be given to anybody, or cannot make two ids one: said so that a person can mend it."""

from collections.abc import Iterable

from journeys.naming import ACCOUNT, CONTACT, Outside, named_outside
from signals.event import Event
from signals.problem import Problem


def homeless(event: Event, homes: Iterable[str]) -> Problem:
    """Why the event belongs to no account."""
    known = sorted(homes)
    if known:
        detail = f"contact {event.contact!r} belongs to {', '.join(known)}: name the account in the event"
        return Problem(422, "ambiguous_account", detail, "/account")
    outside = next(iter(_outsiders(event)), None)
    if outside is not None:
        said = f"{outside.source} calls it {outside.external!r}, which is linked to no {outside.kind} of ours"
        detail = f"{said}: link it with external: {{{outside.source}: …}}, and send the event again"
        return Problem(422, "no_account", detail, f"/data/{outside.kind}_external")
    return Problem(422, "no_account", "the event names neither an account nor a contact we know", "/account")


def _outsiders(event: Event) -> list[Outside]:
    return [found for kind in (ACCOUNT, CONTACT) if (found := named_outside(event, kind)) is not None]


def external_taken(outside: Outside, known: str) -> Problem:
    """Another account or contact is called so already."""
    detail = (
        f"{outside.kind} {known!r} is what {outside.source} calls {outside.external!r}: merge the two instead"
    )
    return Problem(409, "external_taken", detail, f"/data/external/{outside.source}")


def address_taken(who: str, other: str) -> Problem:
    """Somebody else is known by the address, and this contact had another."""
    detail = (
        f"contact {other!r} is known by this address, and {who!r} had another: nobody is merged by guessing; "
        "send crm.contact_merged where they are one person"
    )
    return Problem(409, "address_taken", detail, "/data/attributes/email")


def nothing_to_merge(event: Event, kind: str) -> Problem:
    """A merge that does not say what becomes what."""
    detail = f"{event.type} needs the {kind} that stays, and data.from, the id that becomes it"
    return Problem(422, "invalid", detail, "/data/from")


def circle(event: Event, told: str) -> Problem:
    """A merge of something into what it has become, or into itself."""
    detail = f"{told!r} cannot become {event.contact or event.account!r}: it is what that has become"
    return Problem(409, "merge_circle", detail, "/data/from")


def two_people(event: Event, told: str) -> Problem:
    """A shared browser or session makes nobody one person."""
    detail = (
        f"{told!r} and {event.contact!r} have different addresses: a shared browser makes nobody one person; "
        "send crm.contact_merged where they are"
    )
    return Problem(409, "address_taken", detail, "/data/from")
