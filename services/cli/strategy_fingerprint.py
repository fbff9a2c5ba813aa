"""One run of the conformance desk in a process of its own; prints what it came to as one hash.

`quotemesh strategy check` starts two of these under different hash seeds and compares them. Usage:
`python -m services.cli.strategy_fingerprint '[KIND, PARAMS, SYMBOL, SEED, DATA]'`.
"""

import json
import sys

from services.strategy.conformance import Candidate, fingerprint
from services.strategy.shell_own import allow_own_strategies
from shared.runtime.paths import DataDir


def main() -> int:
    """Print the fingerprint of the run that the argument names."""
    kind, params, symbol, seed, data = json.loads(sys.argv[1])
    allow_own_strategies(DataDir(data))
    sys.stdout.write(fingerprint(Candidate(kind, params, symbol), seed) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
