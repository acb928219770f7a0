"""Reads OpenMetrics pages with the official parser and tells what they say.

usage: openmetrics.py FOLDER

For every page `N.txt` in the folder it prints one line of JSON: `{"error": text}`, or `{"families": [[name, type, unit,
help, [[sample, {label: value}, the value's bits in hex]]]]}`. The line after the last page's holds what the library makes
of each name in `names.json`: `{scheme: {name: escaped}}`.
"""

import json
import pathlib
import struct
import sys

from prometheus_client.openmetrics import exposition, parser


def read(text):
    try:
        return {
            "families": [
                [
                    family.name,
                    family.type,
                    family.unit,
                    family.documentation,
                    [
                        [sample.name, sample.labels, struct.pack(">d", float(sample.value)).hex()]
                        for sample in family.samples
                    ],
                ]
                for family in parser.text_string_to_metric_families(text)
            ]
        }
    except Exception as error:
        return {"error": repr(error)}


folder = pathlib.Path(sys.argv[1])
for page in sorted(folder.glob("*.txt"), key=lambda path: int(path.stem)):
    print(json.dumps(read(page.read_bytes().decode())))
names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
schemes = ["underscores", "dots", "values"]
print(json.dumps({scheme: {name: exposition.escape_metric_name(name, scheme) for name in names} for scheme in schemes}))
