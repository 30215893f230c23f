"""Where things are kept: tables, and the SQL on them. Set-based: no query per event, no query per account."""
