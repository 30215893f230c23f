"""How does it reach a person? Messages, judgement, rendering, adapters, tasks and their clocks, receipts."""
