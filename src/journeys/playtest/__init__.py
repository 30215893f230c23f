"""Back-testing plays: what a play would have done over the stored history, beside the plays that are live.

| room | what it does |
|---|---|
| `basis` | the play, the live plays beside it and all they stand on, compiled once |
| `words` | what the people of one account said of being written to |
| `post` | the messages of one account, judged as they fall due by the dispatcher's own judge |
| `course` | one account lives through its history, by `react`, on a virtual clock |
| `tally` | journeys, messages, tasks, holds and collisions, counted |
| `report` | the answer as plain data |

No room does I/O: histories come as an iterator, one account at a time, and nothing is kept of an account but sums. So a
person who belongs to several accounts is met at each of them as if they belonged to that one alone: a cap that two
accounts would have filled together counts as free, and what is reported as held is the least that would have been.
The whole service's pace (channel rate, brake, kill switch) is not played, and feeds are taken to have spoken.
"""
