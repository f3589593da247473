"""How fast the router is, beside a bare reference on the same stack: ``python -m benchmarks.bench``."""
