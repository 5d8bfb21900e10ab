"""``mainstem plugins new``: writes a package that is a whole data source, sandbox and tests included."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from core.host.manifests import KEY

OBJECTS = ("people", "organizations", "conversations", "articles")
AUTHS = ("token", "oauth")
PAGINATIONS = ("cursor", "page", "link", "offset")
FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "src/{package}/__init__.py": "init.py",
    "src/{package}/plugin.py": "plugin.py",
    "src/{package}/sandbox.py": "sandbox.py",
    "src/{package}/py.typed": "",
    "tests/test_contract.py": "test_contract.py",
}
"""Files of the package, and the template of each."""


class ScaffoldError(Exception):
    """The package cannot be written; the message names the choice and the mend."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the new plugin shall do.

    Attributes:
        name: ``[a-z][a-z0-9_]*``, the plugin's name.
        auth: ``"token"`` or ``"oauth"``.
        pagination: ``"cursor"``, ``"page"``, ``"link"`` or ``"offset"``.
        objects: Among :data:`OBJECTS`.
        webhooks: Changes come by webhook as well.
    """

    name: str
    auth: str = "token"
    pagination: str = "cursor"
    objects: tuple[str, ...] = ("people",)
    webhooks: bool = False

    @property
    def package(self) -> str:
        """Name of the Python package."""
        return f"mainstem_{self.name}"


def write(folder: Path, choices: Choices) -> list[Path]:
    """Write the package.

    Args:
        folder: To be made; may exist if it is empty.
        choices: What it shall do.

    Returns:
        The files, relative to ``folder``.

    Raises:
        ScaffoldError: A choice is not among those allowed, or the folder is in use.
    """
    check(folder, choices)
    environment = Environment(
        loader=PackageLoader("core.kit"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (it writes Python)
    )
    kept = [key for key in OBJECTS if key in choices.objects]
    values = {
        "name": choices.name,
        "package": choices.package,
        "cls": "".join(part.capitalize() for part in choices.name.split("_")),
        "title": choices.name.replace("_", " ").capitalize(),
        "upper": choices.name.upper(),
        "auth": choices.auth,
        "pagination": choices.pagination,
        "webhooks": choices.webhooks,
        "objects": kept,
        **{key: key in kept for key in OBJECTS},
    }
    written = []
    for pattern, template in FILES.items():
        file = Path(pattern.format(package=choices.package))
        text = environment.get_template(f"{template}.j2").render(values) if template else ""
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(re.sub(r"\n{4,}", "\n\n\n", text), encoding="utf-8")
        written.append(file)
    return written


def check(folder: Path, choices: Choices) -> None:
    """Check that the package can be written.

    Raises:
        ScaffoldError: A choice is not among those allowed, or the folder is in use.
    """
    if not KEY.fullmatch(choices.name):
        raise ScaffoldError(f"{choices.name!r} is no plugin name: small letters, digits and _, such as my_vendor")
    for what, value, allowed in (
        ("--auth", (choices.auth,), AUTHS),
        ("--pagination", (choices.pagination,), PAGINATIONS),
        ("--objects", choices.objects, OBJECTS),
    ):
        if not value or not set(value) <= set(allowed):
            raise ScaffoldError(f"{what}: choose among {', '.join(allowed)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ScaffoldError(f"{folder} is in use: name another folder with --dir")
