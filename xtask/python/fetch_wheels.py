"""Download the wheels of a requirement and of its dependencies, so that an interruption loses one file at most.

A cancelled pip keeps nothing but the content of its cache. Many mirrors forbid caching, and not all of them state the
dependencies of a wheel before it is downloaded. Therefore each wheel is downloaded without its dependencies, moved into
the folder when it is complete, and its metadata is read there. The `pip install --no-index` that follows checks that the
versions are compatible.

Usage: python fetch_wheels.py FOLDER TEMPORARY REQUIREMENT [ARGUMENTS OF pip download]
Exit code 3 if this Python's pip cannot be used in this way; pip's own code if a download fails.
"""

import shutil
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

try:
    from pip._vendor.packaging.requirements import Requirement
    from pip._vendor.packaging.tags import sys_tags
    from pip._vendor.packaging.utils import canonicalize_name, parse_wheel_filename
except ImportError:
    sys.exit(3)

TAGS = frozenset(sys_tags())


def find(folder, requirement):
    """The wheel in the folder that meets a requirement in this Python, or None."""
    for wheel in sorted(folder.glob("*.whl")):
        name, version, _, tags = parse_wheel_filename(wheel.name)
        right = name == canonicalize_name(requirement.name)
        if right and requirement.specifier.contains(version, prereleases=True) and not TAGS.isdisjoint(tags):
            return wheel
    return None


def needs(wheel, extras):
    """The dependencies of a wheel in this Python, with the requested extras."""
    with zipfile.ZipFile(wheel) as archive:
        entry = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(archive.read(entry).decode())
    for line in metadata.get_all("Requires-Dist", []):
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def is_large(requirement):
    """Libtorch and the CUDA libraries have tens to hundreds of megabytes each, the other packages a few."""
    name = canonicalize_name(requirement.name)
    return name in ("torch", "triton") or name.startswith("nvidia-")


def download(folder, temporary, requirements, arguments):
    """Fetch some wheels and move them into the folder."""
    shutil.rmtree(temporary, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "download"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(temporary), *arguments]
    # Markers have been evaluated, and extras have no effect without dependencies.
    code = subprocess.call(command + [f"{requirement.name}{requirement.specifier}" for requirement in requirements])
    if code != 0:
        sys.exit(code)
    for wheel in temporary.glob("*.whl"):
        wheel.replace(folder / wheel.name)


def fetch(folder, temporary, first, arguments):
    """Download a requirement and its dependencies, level by level."""
    folder.mkdir(parents=True, exist_ok=True)
    level, seen = [first], set()
    while level:
        missing = [requirement for requirement in level if find(folder, requirement) is None]
        batches = [[requirement] for requirement in missing if is_large(requirement)]
        batches.append([requirement for requirement in missing if not is_large(requirement)])
        for batch in filter(None, batches):
            download(folder, temporary, batch, arguments)
        following = []
        for requirement in level:
            wheel = find(folder, requirement)
            for need in needs(wheel, requirement.extras) if wheel else ():
                if str(need) not in seen:
                    seen.add(str(need))
                    following.append(need)
        level = following


fetch(Path(sys.argv[1]), Path(sys.argv[2]), Requirement(sys.argv[3]), sys.argv[4:])
