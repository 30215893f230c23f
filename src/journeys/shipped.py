"""The shipped library: signals, segments, stages from `signals/library`, plays, content and blocks from `plays/library`."""

from functools import lru_cache
from pathlib import Path

import plays
import signals
from journeys.definitions import Draft
from journeys.reading import read_folder
from signals.sources import mapped
from signals.sources.mapped import Mapper

FOLDERS = (Path(signals.__file__).parent / "library", Path(plays.__file__).parent / "library")


@lru_cache(maxsize=1)
def shipped() -> tuple[Draft, ...]:
    """Every shipped definition."""
    return tuple(draft for folder in FOLDERS for draft in read_folder(folder))


@lru_cache(maxsize=1)
def shipped_mappers() -> dict[str, Mapper]:
    """How webhooks are read where no mapping of that name is live."""
    return {draft.key: mapped.compile(draft.model) for draft in shipped() if draft.kind == "mappings"}
