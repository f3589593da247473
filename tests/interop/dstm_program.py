"""
The DSTM client as a program: runs dstm_checks.py over given transports and prints a JSON report.

    python dstm_program.py twisted|asyncio < cases.json

Cases and report are those of autobahn_program.py.
"""

import json
import logging
import sys

import dstm_checks
from autobahn_program import OnAsyncio, OnTwisted, run

if __name__ == "__main__":
    logging.getLogger().addHandler(logging.NullHandler())
    frameworks = {"twisted": OnTwisted, "asyncio": OnAsyncio}
    print(json.dumps(run(frameworks[sys.argv[1]](), json.load(sys.stdin), dstm_checks)))
