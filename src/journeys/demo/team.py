"""The fictional team that looks after the customer base, in the shape of the `team` policy (definitions.md)."""

from typing import Any

from signals.instant import DAY, Instant, iso

_DAYS = ["mon", "tue", "wed", "thu", "fri"]


def _member(key: str, name: str, role: str, manager: str | None, zone: str) -> dict[str, Any]:
    return {
        "id": key,
        "name": name,
        "email": f"{key}@example.com",
        "manager": manager,
        "role": role,
        "calendar": {"zone": zone, "days": _DAYS, "hours": ["09:00", "17:00"], "holidays": None},
        "absent": [],
        "capacity": 1.0,
    }


TEAM: list[dict[str, Any]] = [
    _member("nadia.brandt", "Nadia Brandt", "csm", "ingrid.solheim", "Europe/Berlin"),
    _member("tomas.ribeiro", "Tomás Ribeiro", "csm", "ingrid.solheim", "Europe/Lisbon"),
    _member("priya.menon", "Priya Menon", "csm", "ingrid.solheim", "Asia/Kolkata"),
    _member("grace.whitlock", "Grace Whitlock", "csm", "ingrid.solheim", "America/New_York"),
    _member("diego.navarro", "Diego Navarro", "csm", "ingrid.solheim", "America/Los_Angeles"),
    _member("hana.mori", "Hana Mori", "csm", "ingrid.solheim", "Asia/Tokyo"),
    _member("ingrid.solheim", "Ingrid Solheim", "manager", "marcus.adeyemi", "Europe/Berlin"),
    _member("marcus.adeyemi", "Marcus Adeyemi", "director", None, "Europe/London"),
]
"""Six CSMs, their manager and the director; nobody absent."""

OWNERS: dict[str, tuple[str, ...]] = {
    "americas": ("grace.whitlock", "diego.navarro"),
    "europe": ("nadia.brandt", "tomas.ribeiro"),
    "east": ("priya.menon", "hana.mori"),
}
"""The CSMs by the part of the world whose accounts they own. Nobody owns a household: its tasks go by load."""


def team(today: Instant) -> list[dict[str, Any]]:
    """`TEAM` with the holidays of the year ending `today`: one over and one that lasts until next week."""
    absences = {"tomas.ribeiro": (-100, -86), "hana.mori": (-3, 8)}
    return [member | {"absent": _absent(absences.get(member["id"]), today)} for member in TEAM]


def _absent(days: tuple[int, int] | None, today: Instant) -> list[dict[str, str]]:
    if days is None:
        return []
    return [{"from": iso(today + days[0] * DAY), "until": iso(today + days[1] * DAY)}]
