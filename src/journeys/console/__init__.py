"""The console: server-rendered pages for the people who look after customers.

app.include_router(console.router(database, clock, templates_dir))
"""

from journeys.console.pages import router
from journeys.console.texts import Texts

__all__ = ["Texts", "router"]
