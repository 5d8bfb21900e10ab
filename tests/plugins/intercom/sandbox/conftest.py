"""A sandbox and a client that speaks to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from plugins.intercom.sandbox import Sandbox, SandboxOptions


class Api:
    """Asks a sandbox in this process as a client with a token and a pinned version would."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.store = sandbox, sandbox.store
        self.client: FlaskClient = sandbox.app.test_client()
        self.headers = {"Authorization": f"Bearer {self.store.token}", "Intercom-Version": "2.16"}

    def ask(self, method: str, path: str, **more: Any) -> TestResponse:
        headers = {**self.headers, **more.pop("headers", {})}
        return self.client.open(path, method=method, headers=headers, **more)

    def get(self, path: str, **query: Any) -> Any:
        response = self.ask("GET", path, query_string=query)
        assert response.status_code == 200, (path, response.status_code, response.text)
        return response.json

    def post(self, path: str, body: Any = None) -> Any:
        response = self.ask("POST", path, json=body)
        assert response.status_code == 200, (path, response.status_code, response.text)
        return response.json

    def behind(self, name: str, **query: Any) -> Any:
        """What `/_sandbox/…` tells."""
        return self.client.get(f"/_sandbox/{name}", query_string=query).json

    def refused(self, method: str, path: str, **more: Any) -> tuple[int, str, str]:
        """Status, code and message of an error."""
        response = self.ask(method, path, **more)
        assert response.json is not None, response.text
        error = response.json["errors"][0]
        return response.status_code, error["code"], error["message"]

    def search(self, kind: str, query: Any, **more: Any) -> Any:
        sort = more.pop("sort", {"field": "updated_at", "order": "ascending"})
        return self.post(f"/{kind}/search", {"query": query, "sort": sort, "pagination": more})

    def pages(self, path: str, name: str = "data", **query: Any) -> Iterator[list[dict[str, Any]]]:
        """Every page of a cursor-style GET list."""
        while True:
            body = self.get(path, **query)
            yield body[name]
            if "next" not in body["pages"]:
                return
            query["starting_after"] = body["pages"]["next"]["starting_after"]

    def searched(self, kind: str, query: Any, per_page: int = 150) -> Iterator[list[dict[str, Any]]]:
        """Every page of a search, oldest change first."""
        after: dict[str, Any] = {}
        while True:
            body = self.search(kind, query, per_page=per_page, **after)
            yield body["conversations" if kind == "conversations" else "tickets" if kind == "tickets" else "data"]
            if "next" not in body["pages"]:
                return
            after = {"starting_after": body["pages"]["next"]["starting_after"]}

    def rows(self, path: str, name: str = "data", **query: Any) -> list[dict[str, Any]]:
        return [row for page in self.pages(path, name, **query) for row in page]

    def scroll(self) -> list[dict[str, Any]]:
        body = self.get("/companies/scroll")
        found = list(body["data"])
        while body["data"]:
            body = self.get("/companies/scroll", scroll_param=body["scroll_param"])
            found += body["data"]
        return found


def make(**options: Any) -> Api:
    options.setdefault("rpm", 0)
    return Api(Sandbox(SandboxOptions(**options)))


@pytest.fixture(scope="module")
def api() -> Api:
    """A workspace of usual size that the tests of a module share and do not change."""
    return make()


@pytest.fixture
def small() -> Api:
    """A small workspace to be changed."""
    return make(people=60, conversations=60, companies=12)


def now() -> int:
    return int(time.time())
