"""Benchmarks: ratios measured in one run against a fixed floor or a peer (performance.md). `make bench F=pipeline`."""
