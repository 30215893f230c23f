"""Scenario files: plays told as stories and run by the live code on a virtual clock (interfaces.md §6)."""
