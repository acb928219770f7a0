"""Writes records with the published client library: one JSON object a line on stdin, {"kind", "metric", "value", "timestamp", "tags"}.

The kinds are the client's methods (count, gauge, rate, set, histogram) and "timed", which lets the client measure a time
of its own. Prints how many records the client says it has stored.
"""

import json
import sys

from chouette_iot_client import ChouetteClient, timed


def write(line):
    kind, metric, tags = line["kind"], line["metric"], line.get("tags")
    if kind == "timed":
        with timed(metric, tags, use_ms=line.get("use_ms", False)):
            pass
        return []
    return [getattr(ChouetteClient, kind)(metric, line["value"], line.get("timestamp"), tags)]


futures = []
for text in sys.stdin:
    futures.extend(write(json.loads(text)))
for executor in ChouetteClient.executors.values():
    executor.shutdown(wait=True)
print(sum(1 for future in futures if future.result() is not None))
