"""Print one line for each pinned package that this Python lacks or has in another version.

Usage: python check_pins.py REQUIREMENTS
"""

import sys
from importlib import metadata

try:
    from packaging.requirements import Requirement
except ImportError:
    from pip._vendor.packaging.requirements import Requirement

with open(sys.argv[1], encoding="utf-8") as file:
    lines = [line.split("#")[0].strip() for line in file]

for requirement in map(Requirement, filter(None, lines)):
    if requirement.marker and not requirement.marker.evaluate():
        continue
    try:
        installed = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        print(f"{requirement.name} is missing")
        continue
    if not requirement.specifier.contains(installed, prereleases=True):
        print(f"{requirement.name} is {installed}, pinned {requirement.specifier}")
