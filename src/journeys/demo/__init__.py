"""The demo's fictional customer base: who they are, how they live through a year, and what was planted in it.

Everything here is invented and follows from a seed: the same day and seed give the same year, byte for byte.
"""
