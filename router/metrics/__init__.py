"""What a router tells monitoring: its counters as metrics, and whether it is well."""
