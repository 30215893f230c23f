"""The HTTP API: routes, keys, problems (interfaces.md §3)."""
