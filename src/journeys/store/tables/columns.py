"""What tables are made of: the one MetaData, and columns that mean the same on both databases."""

from datetime import UTC
from typing import Any

import orjson
import sqlalchemy as sa

from signals.instant import from_datetime, to_datetime


class InstantType(sa.types.TypeDecorator[int]):
    """Microseconds inside, `timestamptz` on PostgreSQL, UTC text on SQLite (which has no zones: 0.4 of ecosystem §2.2)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        moment = to_datetime(value)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> int | None:
        if value is None:
            return None
        return from_datetime(value.replace(tzinfo=UTC) if value.tzinfo is None else value)


class BytesType(sa.LargeBinary):
    """Bytes as they are: both drivers take and give them, and wrapping each in a memoryview costs more than the rest."""

    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> None:
        return None

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> None:
        return None


class JsonType(sa.types.TypeDecorator[Any]):
    """Plain data as JSON text on both databases: written and read by orjson, and costing no parse to store."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else orjson.loads(value)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Text, Int, Big, Flag, Bytes, At, Json = (
    sa.Text,
    sa.Integer,
    sa.BigInteger,
    sa.Boolean,
    BytesType,
    InstantType,
    JsonType,
)


def column(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    """A column that always has a value."""
    return sa.Column(name, kind, nullable=False, **options)


def maybe(name: str, kind: Any) -> sa.Column[Any]:
    """A column that may be empty."""
    return sa.Column(name, kind, nullable=True)
