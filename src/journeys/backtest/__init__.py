"""Back-testing: what a signal would have said over the stored history, and how often it would have been right.

| room | what it does |
|---|---|
| `question` | what is asked: outcome, window, population; a sweep of one value of the definition |
| `trial` | the definitions a signal stands on, compiled; one account lives through its history by `react` |
| `shares` | rates whose trials come in groups (accounts), with intervals that know it |
| `score` | firings, precision, recall, lead time, and beside them what chance gives |
| `report` | the answer as plain data |

Everything here is pure. Histories come as an iterator, one account at a time (`journeys.store.reads.history`).
"""
