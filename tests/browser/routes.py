"""The address of every page of the admin, found by its routes: a page that is new is among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import AnyConverter, Rule

NO_PAGES = {"static", "plugins.icon", "health.healthz", "health.readyz", "sources.log", "sources.progress"}
"""What is no page but a file, or a part of a page."""

ONWARD = {"connect.callback", "connect.accept", "setup.resume", "auth.login"}
"""What leads whoever is logged in to another page."""


def pages(app: Flask) -> list[Rule]:
    """Return the routes by which a page is shown."""
    rules = [rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    return [rule for rule in rules if rule.endpoint not in NO_PAGES | ONWARD]


def addresses(app: Flask, client: FlaskClient, ids: Mapping[str, Sequence[object]]) -> dict[str, str]:
    """Return the address of every page by its name, such as ``edit.ask-fields``.

    Args:
        app: The admin.
        client: Who is logged in there.
        ids: What stands for the argument ``sources.id`` of a route, ``plugin`` of any; the first that shows a page is
            taken, as it may depend on the state of what it shows. A route without any is left out.
    """
    found: dict[str, str] = {}
    for rule in pages(app):
        for name, path in _candidates(app, rule, ids):
            if name not in found and client.get(path).status_code == 200:
                found[name] = path
    return found


def _candidates(app: Flask, rule: Rule, ids: Mapping[str, Sequence[object]]) -> Iterator[tuple[str, str]]:
    names = sorted(rule.arguments)
    choices: list[Sequence[object]] = []
    for name in names:
        converter = rule._converters[name]
        if isinstance(converter, AnyConverter):
            choices.append(sorted(converter.items))
        else:
            choices.append(ids.get(f"{rule.endpoint.partition('.')[0]}.{name}", ids.get(name, ())))
    for values in product(*choices):
        keys = [str(value) for name, value in zip(names, values, strict=True) if name == "key"]
        given = dict(zip(names, values, strict=True))
        with app.test_request_context():
            yield "-".join([rule.endpoint, *keys]), app.url_for(rule.endpoint, **given)  # type: ignore[arg-type]
