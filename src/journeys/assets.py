"""Where templates and migrations lie: inside the wheel, or at the root of the checkout (editable install)."""

from pathlib import Path


def asset(name: str) -> Path:
    """The folder of that name. Raises FileNotFoundError saying where it was looked for."""
    inside = Path(__file__).parent / "_assets" / name
    beside = Path(__file__).parents[2] / name
    for place in (inside, beside):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"no folder {name} in {inside} or {beside}: the installation is incomplete")
