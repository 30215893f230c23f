"""What the routes of definitions do, by kind and key, or with a folder of them at once."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from starlette.exceptions import HTTPException

from journeys.api.paging import Cursors, Paged
from journeys.changes import changes, coming
from journeys.definitions import Draft, Fault, Refused, key_of, parse
from journeys.filling import Filler
from journeys.impact import shown
from journeys.life import WAITING
from journeys.playbook import Playbook
from journeys.playbooks import Playbooks
from journeys.preview import TOKENS, WATCHED
from journeys.rehearsal import SAMPLE, Trials
from journeys.store.fillings import filling_json
from journeys.store.library import Library
from journeys.store.reads.page import Page, seal, unseal
from journeys.texts import reuse, unreadable
from plays.play import Live
from signals.instant import Instant, iso


class How(NamedTuple):
    """How definitions are made live. `token` is a dry run's, `sample` how many accounts a dry run looks at."""

    current: bool = False
    live: Live = "pin"
    token: str | None = None
    wait: bool = True
    sample: int = SAMPLE


class Shelf:
    """Definitions for the API. `fill_soon` has this process bring the accounts to what was made live."""

    def __init__(
        self,
        library: Library,
        playbooks: Playbooks,
        filler: Filler,
        trials: Trials,
        clock: Callable[[], Instant],
        fill_soon: Callable[[], None],
    ) -> None:
        self._library, self._playbooks, self._filler, self._trials = library, playbooks, filler, trials
        self._clock, self._fill_soon = clock, fill_soon

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────

    def page(self, kind: str, asked: Paged, live: bool = False) -> Page:
        """A part of the list of a kind, by key; with `live` only what counts, in the version that does."""
        with Cursors():
            after = "" if asked.cursor is None else unseal(kind, asked.cursor, [str])[0]
        rows = [row for row in self._library.list(kind, live) if row["key"] > after]
        part = rows[: asked.limit]
        more = len(rows) > asked.limit
        return {"items": part, "next": seal(kind, [part[-1]["key"]]) if more else None}

    def one(self, kind: str, key: str) -> dict[str, Any]:
        """The newest version. Raises 404."""
        return self.versions(kind, key)[0]

    def versions(self, kind: str, key: str) -> list[dict[str, Any]]:
        """Every version, newest first. Raises 404."""
        found = self._library.versions(kind, key)
        if not found:
            raise HTTPException(404, f"there is no {kind}/{key}")
        return found

    def progress(self) -> dict[str, Any]:
        """How far the live definitions have reached the accounts. Raises 404 before the first activation."""
        filling = self._filler.progress()
        if filling is None:
            raise HTTPException(
                404, "nothing has been made live yet, so there is nothing to bring accounts to"
            )
        return {**filling_json(filling), "made": shown(filling.made)}

    def reuse(self) -> dict[str, Any]:
        """The content reuse of what is live."""
        playbook = self._playbooks()
        return reuse([one for variants in playbook.contents.values() for one in variants], playbook.blocks)

    def audited(self, asked: Paged, **which: str | None) -> Page:
        """Who changed what, newest first."""
        with Cursors():
            return self._library.audited(asked.limit, asked.cursor, **which)

    # ── drafts ─────────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, kind: str, key: str, body: Any, actor: str) -> dict[str, Any]:
        """Keep a draft. Raises Refused."""
        named = isinstance(body, dict) and "key" not in body and kind not in ("stages", "policies")
        draft = parse(kind, {**body, "key": key} if named else body)
        bare = key_of(kind, {"key": draft.body.get("key")})
        if key not in (draft.key, bare):
            raise Refused([Fault(kind, key, f"the body's key is {draft.key!r}", "/key")])
        faults = list(unreadable(draft))
        if faults:
            raise Refused(faults)
        self._library.put([draft], self._clock(), actor)
        return self.one(kind, draft.key)

    def faults(self, kind: str, key: str) -> list[Fault]:
        """What would be wrong if the newest version became live."""
        return self._playbooks.check([self.newest(kind, key)])

    def approve(self, kind: str, key: str, seen: str | None, actor: str) -> dict[str, Any]:
        """Approve the content of the newest version. Raises 404, and NotNow where it is not the one that was seen."""
        if not self._library.approve(kind, key, seen, self._clock(), actor):
            raise HTTPException(404, f"there is no {kind}/{key}")
        return self.one(kind, key)

    # ── making live ────────────────────────────────────────────────────────────────────────────────────────────

    def rehearse(self, kind: str, key: str, how: How) -> dict[str, Any]:
        """What activating the newest version would do, and the token of what was seen. Raises Refused."""
        return {**self.one(kind, key), **self._rehearsed([self.newest(kind, key)], how)}

    def _rehearsed(self, wanted: Sequence[Draft], how: How) -> dict[str, Any]:
        faults = [fault for fault in self._playbooks.check(wanted) if fault.blocking]
        if faults:
            raise Refused(faults)
        token = self._playbooks.token(wanted, how.current, how.live)
        book = self._playbooks.with_these(wanted, how.current, live=how.live)
        total, counts = self._trials.rehearse(self._playbooks(), book, self._clock(), how.sample)
        return {"accounts": total, "would": shown(counts), "token": token}

    def activate(self, kind: str, key: str, how: How, actor: str) -> dict[str, Any]:
        """Make the newest version live and bring every account to it. Raises Refused, and NotNow for an old token."""
        wanted = [self.newest(kind, key)]
        self._activate(wanted, how, actor)
        return {**self.one(kind, key), **self.filled(how.wait)}

    def _activate(self, wanted: Sequence[Draft], how: How, actor: str) -> None:
        self._playbooks.activate(wanted, self._clock(), how.current, how.token, how.live, actor)

    def set_status(
        self, kind: str, key: str, status: str, actor: str, reason: str | None = None, wait: bool = True
    ) -> dict[str, Any]:
        """Pause, resume, stop or archive what is live. Raises 404, and 409 where it is not in a state for it.

        A play that stands still when it is archived ends its live journeys: they would stand for ever.
        """
        found = self.one(kind, key)
        ends = status == "stopped" or (status == "archived" and found["status"] in ("paused", "stopped"))
        if not self._library.set_status(kind, key, status, self._clock(), actor, reason, ends):
            raise HTTPException(409, f"{kind}/{key} is {found['status']}: it cannot become {status}")
        self._playbooks.changed()
        meant = (one for one in self.versions(kind, key) if one["status"] == status)  # a draft may be newer
        return {**next(meant, found), **self.filled(wait)}

    def filled(self, wait: bool) -> dict[str, Any]:
        """How far the accounts have been brought to the live definitions, all where this is to wait, and what that made."""
        if not wait:
            self._fill_soon()
        filling = self._filler.finish(self._clock) if wait else self._filler.progress()
        return {} if filling is None else {"filling": filling_json(filling), "made": shown(filling.made)}

    # ── a folder at once ───────────────────────────────────────────────────────────────────────────────────────

    def apply(
        self, drafts: Sequence[Draft], activate: bool, dry_run: bool, how: How, actor: str
    ) -> dict[str, Any]:
        """Keep these as drafts, or make them live together; answers what changed. Raises Refused and NotNow."""
        newest = self._library.newest()
        changed = {"changes": changes(drafts, newest, activate)}
        wanted = [draft for draft in coming(drafts, newest) if draft.status in WAITING]
        if dry_run:
            return {**changed, **(self._rehearsed(wanted, how) if activate else {})}
        kept = self._library.put(drafts, self._clock(), actor)
        if not activate:
            return changed
        wanted = [draft for draft in kept if draft.status in WAITING]
        if wanted:
            self._activate(wanted, how, actor)
        return {**changed, **self.filled(how.wait)}

    # ── one account ────────────────────────────────────────────────────────────────────────────────────────────

    def preview(self, kind: str, key: str, account: str, at: Instant | None) -> dict[str, Any]:
        """What the newest version says of an account. Raises 404, 422 for kinds that say nothing of one, Refused."""
        if kind not in WATCHED:
            detail = f"{kind} say nothing of an account by themselves: previews are of {', '.join(WATCHED)}"
            raise HTTPException(422, detail)
        draft = self.newest(kind, key)
        book = self._playbooks.with_these([draft], plays=False)
        now = self._clock()
        told = self._trials.preview(
            account, book, kind, draft.model.key if kind in TOKENS else kind, at or now, now
        )
        if told is None:
            raise HTTPException(404, f"there is no account {account!r}")
        about = {"kind": kind, "key": key, "version": draft.version, "account": account, "at": iso(at or now)}
        return {**about, **told}

    def text(self, key: str) -> tuple[Draft, Playbook]:
        """The newest version of a content, and the definitions it would be among. Raises 404, Refused."""
        draft = self.newest("content", key)
        return draft, self._playbooks.around_text(draft)

    def newest(self, kind: str, key: str) -> Draft:
        """The newest version of one definition. Raises 404."""
        found = self.one(kind, key)
        draft = parse(kind, found["body"])
        return Draft(kind, key, draft.body, draft.model, None, found["version"], found["status"])
