"""Answers with the vendor's published example payloads instead of generated ones.

The folder holds one JSON file per operation: `method`, `path` and `responses`, a list of `{status, name,
value}`. Lists that the vendor published empty are filled with the published single objects, and an object
asked for by id carries this id, so that links lead somewhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask import Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from plugins.intercom.sandbox.replies import json_body, reply

READING = ("/contacts/search", "/conversations/search", "/tickets/search", "/companies/list")
OUTSIDE = ("/_sandbox", "/oauth", "/auth")


class Examples:
    """The published 200 answers of all reading operations."""

    def __init__(self, folder: Path) -> None:
        """Raises ValueError when the folder holds no example files."""
        self.values: dict[str, Any] = {}
        rules = []
        for file in sorted(folder.glob("*.json")):
            document = json.loads(file.read_text(encoding="utf-8"))
            path, method = document.get("path", ""), document.get("method", "")
            value = next((one["value"] for one in document.get("responses", ()) if str(one["status"]) == "200"), None)
            if value is None or not (method == "GET" or path in READING):
                continue
            self.values[file.stem] = value
            rule = path.replace("{", "<").replace("}", ">")
            rules.append(Rule(rule, methods=[method], endpoint=file.stem))
        if not self.values:
            raise ValueError(f"examples: no example files in {folder}")
        self._map = Map(rules)

    def answer(self) -> Response | None:
        """The published answer to the current request; None where there is none."""
        if request.path.startswith(OUTSIDE):
            return None
        try:
            operation, args = self._map.bind("").match(request.path, method=request.method)
        except HTTPException:
            return None
        if operation in ("ListContacts", "SearchContacts"):
            return reply(self._contacts(operation))
        if operation == "scrollOverAllCompanies" and request.args.get("scroll_param"):
            return reply({**self.values[operation], "data": []})
        value = self.values[operation]
        wanted = list(args.values())
        if len(wanted) == 1 and isinstance(value, dict) and "id" in value and request.path.endswith(wanted[0]):
            return reply({**value, "id": wanted[0]})
        if isinstance(value, dict) and isinstance(value.get("pages"), dict) and value["pages"].get("next"):
            value = {**value, "pages": {**value["pages"], "next": None, "total_pages": 1}}
        return reply(value)

    def _contacts(self, operation: str) -> dict[str, Any]:
        """The vendor's lists of contacts are empty; the published contacts stand in, each once."""
        shown = {
            value["id"]: value
            for value in (self.values.get(name) for name in ("ShowContact", "ShowContactByExternalId"))
            if value
        }
        wanted = _ids(json_body().get("query")) if operation == "SearchContacts" else None
        if wanted is not None and shown:
            sample = next(iter(shown.values()))
            shown = {one: shown.get(one, {**sample, "id": one}) for one in wanted}
        page = {"type": "pages", "page": 1, "per_page": 50, "total_pages": 1}
        return {"type": "list", "data": list(shown.values()), "total_count": len(shown), "pages": page}


def _ids(query: Any) -> list[str] | None:
    """The ids that a search asks for, when it asks by id."""
    if not isinstance(query, dict):
        return None
    if query.get("field") == "id":
        value = query.get("value")
        return [str(one) for one in (value if isinstance(value, list) else [value])]
    children = query.get("value")
    found = map(_ids, children) if isinstance(children, list) else ()
    return next((ids for ids in found if ids is not None), None)
