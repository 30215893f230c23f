"""What people see: read-only queries that answer plain data in the shapes of interfaces.md §3.

Every function takes a connection and asks a fixed number of questions, whatever the number of rows.

| room | what it reads |
|---|---|
| `page` | cursors and pages |
| `people` | accounts and the people at them |
| `reach` | journeys, messages, tasks |
| `why` | decisions and explanations; `sentences` puts them in words |
| `timeline` | one line of everything at an account; `everyday` rolls up what is routine; `coming` is the future |
| `overview` | counts, what needs a look, activity, dead letters |
"""
