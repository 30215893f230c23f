"""What customers write to support: a small grammar of openings, problems, wishes and closings in three tones."""

from random import Random

TOPICS: dict[str, tuple[str, ...]] = {
    "login": (
        "the sign-in page sends me back to itself after I enter my password",
        "two people in our team cannot log in since this morning",
        "single sign-on stopped working for half of our users",
    ),
    "export": (
        "the CSV export stops at 10,000 rows",
        "the export of last month's figures has the columns in the wrong order",
        "our scheduled export did not arrive today",
    ),
    "integration": (
        "the connection to our CRM drops every few hours",
        "new records are not synchronised any more",
        "the calendar integration shows events twice",
    ),
    "performance": (
        "the dashboard takes almost a minute to load",
        "everything is very slow in the afternoon",
        "the search keeps spinning and then gives up",
    ),
    "permissions": (
        "a colleague can see projects she should not see",
        "I cannot give our new team lead edit rights",
        "guests are asked for a licence although they only read",
    ),
    "reports": (
        "the weekly report shows last week's numbers twice",
        "the totals in the report and on the dashboard differ",
        "a report I built yesterday is gone",
    ),
    "notifications": (
        "nobody in the team gets notifications any more",
        "I am getting the same reminder five times a day",
        "mentions do not reach people on their phones",
    ),
    "api": (
        "the API answers 500 for about one call in twenty",
        "our token was rejected although it has not expired",
        "the webhook is sent twice for every update",
    ),
    "billing": (
        "the last invoice lists two seats that we gave up",
        "we need our VAT number on the invoice",
        "I would like to pay by bank transfer from next month on",
    ),
    "data_import": (
        "the import fails at row 312 without saying why",
        "dates from our spreadsheet come out a day early",
        "names with accents are broken after the import",
    ),
}
"""Topics of companies, with problems as clauses."""

BOX_TOPICS: dict[str, tuple[str, ...]] = {
    "delivery": (
        "the box was due on Tuesday and has not come",
        "the tracking page has not moved for four days",
        "the driver left the box at the wrong house",
    ),
    "damaged_item": (
        "two jars in the box were broken",
        "one bag was open when it arrived",
        "the fruit was not fresh this time",
    ),
    "address": (
        "we are moving and need the next box at the new address",
        "the house number on the label is wrong",
    ),
    "gift": (
        "the card for my sister's gift was missing",
        "I would like the gift box to arrive before Friday",
    ),
    "subscription_change": (
        "we would like a smaller box every month",
        "I want to pause over the summer",
        "can we have every box a week later",
    ),
}
"""Topics of households."""

_OPENINGS = {
    "warm": (
        "Hi there, I hope you are having a good week!",
        "Hello, thanks for the quick help last time.",
        "Good morning and thank you for looking after us so well.",
        "Hi team, we love working with you.",
        "Hello again, it is a pleasure to write to you.",
    ),
    "neutral": ("Hello,", "Hi,", "Hello team,", "Good afternoon,", ""),
    "cold": (
        "",
        "This is urgent.",
        "To whom it may concern.",
        "I am really disappointed.",
        "Not good enough.",
    ),
}
_LINKS = {
    "warm": ("One small thing:", "Just so you know:", "Nothing dramatic:", "When you have a minute:"),
    "neutral": ("Our case:", "A question:", "We would like to report this:", "This is about the following:"),
    "cold": ("Again:", "Still not solved:", "For the third time:", "As I have told you already:"),
}
_WISHES = {
    "warm": (
        "Could you have a look when you find a moment?",
        "Is there something we can do on our side?",
        "Happy to share a screenshot or jump on a call.",
        "No hurry, whenever it suits you.",
    ),
    "neutral": (
        "Could you check this?",
        "What do you need from us?",
        "Please let us know how to go on.",
        "When can we expect an answer?",
    ),
    "cold": (
        "This is not acceptable.",
        "I expect an answer today.",
        "If this cannot be fixed we will look elsewhere.",
        "I am tired of explaining the same thing.",
    ),
}
_COLD_AT_WORK = (
    "We are losing hours every day because of this.",
    "My director is asking why we pay for this.",
    "Half of the team has stopped using it.",
)
_CLOSINGS = {
    "warm": ("Thanks so much, {me}", "Many thanks and have a great day! {me}", "Cheers, {me} :)"),
    "neutral": ("Best regards, {me}", "Thanks, {me}", "Regards, {me}"),
    "cold": ("{me}", "Waiting for your answer. {me}", "Regards."),
}
_ANSWERS = {
    "warm": (
        "Wonderful, it works again. Thank you for being so fast!",
        "That did it, you are great. Thanks a lot!",
        "Perfect, thank you for explaining it so patiently.",
    ),
    "neutral": ("It works now, thank you.", "Confirmed, the ticket can be closed.", "OK, that solves it."),
    "cold": (
        "It works for now. It should not have taken this long.",
        "Fine. Please make sure it does not happen again.",
        "Solved, but only after we had explained everything twice.",
    ),
}
PRAISE = (
    "Saves us a day every week.",
    "The team enjoys using it.",
    "Great support, good product.",
    "Does what it promises.",
)
BLAME = (
    "Too many open tickets for too long.",
    "We still do not get what we were promised.",
    "Nobody answers when it matters.",
    "Too expensive for what we use of it.",
)


def problem(rng: Random, topic: str, tone: str, me: str) -> str:
    """What somebody named `me` writes about a topic, in a `warm`, `neutral` or `cold` tone."""
    at_work = topic in TOPICS
    clauses = TOPICS[topic] if at_work else BOX_TOPICS[topic]
    wishes = _WISHES[tone] + (_COLD_AT_WORK if at_work and tone == "cold" else ())
    parts = (
        rng.choice(_OPENINGS[tone]),
        f"{rng.choice(_LINKS[tone])} {rng.choice(clauses)}.",
        rng.choice(wishes),
        rng.choice(_CLOSINGS[tone]).format(me=me),
    )
    return " ".join(part for part in parts if part)


def answer(rng: Random, tone: str) -> str:
    """What they write when the problem is solved."""
    return rng.choice(_ANSWERS[tone])
