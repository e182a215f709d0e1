"""What an extra of a distribution asks for, what of it is not installed, and the command that installs that."""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "accel-ops"
"""This library's name to pip. The name `accel` on the public index is another project's."""

SOURCE = "in the folder of accel's sources"


def asked(extra: str, owner: str = DISTRIBUTION) -> list[Requirement]:
    """What an extra asks for on this machine, the extras of its own distribution that it names followed.

    Raises PackageNotFoundError where the owner's metadata are not installed.
    """
    return _asked(extra, distribution(owner))


def _asked(extra: str, owner: Distribution) -> list[Requirement]:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: list[Requirement] = []
    for text in owner.requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}) or not marker.evaluate({"extra": extra}):
            continue
        if canonicalize_name(requirement.name) == canonicalize_name(owner.name):
            found += [below for name in sorted(requirement.extras) for below in _asked(name, owner)]
        else:
            found.append(requirement)
    return found


def missing(extra: str, owner: str = DISTRIBUTION) -> list[Requirement]:
    """What of `asked` is not installed, or in a version that the extra does not take."""
    return [requirement for requirement in asked(extra, owner) if not _installed(requirement)]


def _installed(requirement: Requirement) -> bool:
    try:
        return requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False


def remedy(extra: str, *names: str, owner: str = DISTRIBUTION) -> str:
    """The command that installs what is missing of an extra, or of the named packages of it; where nothing is, the one
    that installs them anew. It names the packages themselves, so that it never takes another project's `accel`."""
    try:
        wanted = [requirement for requirement in asked(extra, owner) if not names or requirement.name in names]
    except (PackageNotFoundError, ImportError):  # run from source, or installed without what accel depends on
        return f'pip install ".[{extra}]" {SOURCE}'
    if not wanted:
        return f"none: the extra {extra!r} of {owner} has nothing for this machine"
    lacking = [requirement for requirement in wanted if not _installed(requirement)]
    return command(lacking) if lacking else command(wanted, "--force-reinstall", "--no-deps")


def command(requirements: list[Requirement], *options: str) -> str:
    """A line for pip."""
    quoted = (f'"{requirement.name}{requirement.specifier}"' for requirement in requirements)
    return " ".join(("pip install", *options, *quoted))
