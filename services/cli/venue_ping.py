"""Whether the simulated venue answers: its ports stand in `run/venue_sim.json`."""

import http.client
import json

from shared.runtime.paths import DataDir

TIMEOUT_S = 2.0


def venue_answers(data: DataDir) -> bool:
    """Return whether the control port of the simulated venue answers."""
    try:
        port = json.loads((data.run / "venue_sim.json").read_bytes())["control"]["port"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", "/sim/status")
            return connection.getresponse().status == 200
        finally:
            connection.close()
    except (OSError, ValueError, KeyError, http.client.HTTPException):
        return False
