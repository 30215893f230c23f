"""What happened, and what does it mean? Events, profiles, conditions, signals, segments, health, feeds."""
