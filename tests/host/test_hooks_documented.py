"""Every hook has an example that runs, and docs/hooks.md says what the specifications say."""

from __future__ import annotations

import inspect
import runpy
from pathlib import Path
from typing import Any

import pytest

from core.contract.hookspecs import HostSpecs, SourceSpecs

DOCS = Path(__file__).parents[2] / "docs"
GENERATOR = runpy.run_path(str(DOCS / "generate_hooks.py"))
HOOKS: dict[str, Any] = GENERATOR["hooks"](SourceSpecs) | GENERATOR["hooks"](HostSpecs)
PAGE = (DOCS / "hooks.md").read_text(encoding="utf-8")


def examples(documented: object) -> list[str]:
    found: list[str] = GENERATOR["examples"](documented)
    return found


@pytest.mark.parametrize("name", HOOKS)
def test_the_example_of_a_hook_runs_and_calls_it_through_a_host(name: str) -> None:
    [code] = examples(HOOKS[name])

    assert f"def {name}(self" in code
    assert "Host([" in code
    assert f".{name}(" in code or f'.tell("{name}"' in code
    assert "assert " in code
    exec(compile(code, f"example of {name}", "exec"), {"__name__": "example"})


def test_the_example_of_wrapping_runs() -> None:
    [code] = examples(SourceSpecs)

    exec(compile(code, "example of wrapping", "exec"), {"__name__": "example"})


def test_examples_are_found_only_where_they_are() -> None:
    def hook() -> None:
        """Do nothing.

        Example::

            one = 1

            assert one
        """

    assert examples(hook) == ["one = 1\n\nassert one\n"]
    assert examples(examples) == []


def test_the_page_is_up_to_date() -> None:
    assert GENERATOR["render"]() == PAGE, "docs/hooks.md is stale: run make docs"


@pytest.mark.parametrize("name", HOOKS)
def test_the_page_has_each_hook_with_its_signature_text_and_example(name: str) -> None:
    _, _, rest = PAGE.partition(f"\n### `{name}`\n")
    section, *_ = rest.split("\n### ")
    parameters = inspect.signature(HOOKS[name]).parameters.values()
    arguments = ", ".join(f"{one.name}: {one.annotation}" for one in parameters if one.name != "self")

    assert f"def {name}({arguments}) -> {inspect.signature(HOOKS[name]).return_annotation}\n" in section
    assert str(inspect.getdoc(HOOKS[name])).splitlines()[0].replace("``", "`") in section
    assert examples(HOOKS[name])[0] in section
    assert "::\n" not in section
    assert ":class:" not in section
