"""What do we do, and for whom? Plays, content, offers, experiments, lint."""
