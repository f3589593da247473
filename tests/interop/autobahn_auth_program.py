"""
An Autobahn client that joins by every method, as a program; it prints a JSON report.

    python autobahn_auth_program.py twisted|asyncio auth|tls < cases.json

Cases and report are those of autobahn_program.py; the checks are those of autobahn_auth_checks.py or
autobahn_tls_checks.py.
"""

import json
import logging
import sys

import autobahn_auth_checks
import autobahn_tls_checks
from autobahn_program import OnAsyncio, OnTwisted, run

if __name__ == "__main__":
    logging.getLogger().addHandler(logging.NullHandler())
    frameworks = {"twisted": OnTwisted, "asyncio": OnAsyncio}
    checks = {"auth": autobahn_auth_checks, "tls": autobahn_tls_checks}[sys.argv[2]]
    print(json.dumps(run(frameworks[sys.argv[1]](), json.load(sys.stdin), checks)))
