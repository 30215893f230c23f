"""Where is each customer, and who runs it? Journeys, engine, store, service, API, console, CLI."""
