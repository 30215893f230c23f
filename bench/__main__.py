"""Runs the figures asked for (all where none is named): a table for people, one JSON object a line for machines."""

import json
import sys

from bench import backtest, conditions, journeys, pipeline, state_size, timeflips

FIGURES = {
    "pipeline": pipeline.run,
    "conditions": conditions.run,
    "backtest": backtest.run,
    "journeys": journeys.run,
    "timeflips": timeflips.run,
    "state": state_size.run,
}


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - FIGURES.keys())
    if unknown:
        print(f"no figure {', '.join(unknown)}; there are {', '.join(FIGURES)}", file=sys.stderr)
        return 2
    for name in names or FIGURES:
        for figure in FIGURES[name]():
            print(json.dumps(figure))
            goal = f" (goal {figure['goal']})" if figure.get("goal") is not None else ""
            print(f"  {figure['figure']:<24} {figure['value']:>8} {figure['unit']}{goal}", file=sys.stderr)
    return 0


sys.exit(main(sys.argv[1:]))
