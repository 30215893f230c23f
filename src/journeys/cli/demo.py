"""`journeys demo`: a year of a fictional customer base, then the console on it. It mails nobody."""

from pathlib import Path
from typing import Annotated, Any

import typer

from journeys.bootstrap import DEMO_SECRET, Parts, forget
from journeys.cli.common import Json, app
from journeys.cli.output import bar, note, out, say, table, tell
from journeys.cli.run import listen, serve_app, url_of
from journeys.demo.base import customer_base
from journeys.demo.run import Replay, VirtualClock, replay, story_of, tables
from journeys.process import Engine
from journeys.settings import Settings
from journeys.store.schema import upgrade
from journeys.wall import wall_clock
from signals.instant import DAY


@app.command()
def demo(
    serve: Annotated[bool, typer.Option(help="Serve the console afterwards.")] = True,
    database: Annotated[Path, typer.Option(help="Where to keep it; it is made anew.")] = Path("demo.db"),
    host: str = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535)] = 8000,
    accounts: Annotated[int, typer.Option(help="How many accounts.", min=1)] = 300,
    json: Json = False,
) -> None:
    """Replay a year of a fictional customer base through the whole pipeline, say what happened, then serve it."""
    listening = listen(host, port) if serve else None  # before the minutes it takes, not after
    now = wall_clock()
    base = customer_base(now // DAY * DAY, accounts=accounts)
    forget(database)
    clock = VirtualClock(base.start)
    chosen = Settings(
        database_url=f"sqlite:///{database}", secret=DEMO_SECRET, smtp_url=None, kafka_bootstrap=[]
    )
    made = Parts(chosen, now=clock, durable=False)
    upgrade(made.database)
    with bar("a year of events", len(base)) as moved:
        done = replay(made, clock, base, now, moved)
    key = made.keys.create("demo", ["admin"], now)
    _tell(made, base, done, now)
    made.close()
    if listening is not None:
        made = Parts(chosen)
        with listening:
            note(
                f"Console on {url_of(listening)} · API key {key} · demo data, nobody is mailed · Ctrl-C ends"
            )
            serve_app(made, Engine(made), listening, open_console=True)
        made.close()


def _tell(made: Parts, base: Any, done: Replay, now: int) -> None:
    found = tables(made, now)
    story = story_of(made, base)
    body = {
        "events": done.events,
        "events_per_second": round(done.events_per_second),
        "seconds": round(done.seconds, 1),
        "accounts": done.accounts,
        "dead_letters": done.dead,
        "tables": {
            title: [dict(zip(columns, row, strict=True)) for row in rows]
            for title, (columns, rows) in found.items()
        },
        "story": story,
    }

    def human() -> None:
        tell(
            "",
            f"{done.events:,} events of {done.accounts} accounts in {done.seconds:.1f} s: "
            f"{done.events_per_second:,.0f} events/s through the whole pipeline, {done.dead} dead letters",
            "",
        )
        for title, (columns, rows) in found.items():
            table(title, columns, rows)
        out.print("One account's story, from event to mail", style="bold")
        tell(*(f"  {line}" for line in story), "")

    say(body, human)
