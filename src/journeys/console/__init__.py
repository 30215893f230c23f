"""The console: server-rendered pages for the people who look after customers.

app.include_router(console.router(database, clock, templates_dir))
"""

from journeys.console.pages import router

__all__ = ["router"]
