"""What a fenced rendering may take (guarantees "Templates 1.3.7")."""

MEMORY = 256 * 1024 * 1024
"""Bytes of address space of the whole child, the interpreter's own among them."""
CPU = 1
"""Seconds of processor time of one rendering."""
WALL = 2.0
"""Seconds until an answer; then the child is killed."""
WORDS = 4
"""Bytes of a length on the pipe."""
START = 30.0
"""Seconds for a child to stand ready."""
