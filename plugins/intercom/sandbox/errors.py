"""Intercom's error envelope and the texts its clients match on (Intercom API 2.16, error codes)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from flask import Response


class ApiError(Exception):
    """An answer of Intercom's that is not a success.

    Args:
        status: HTTP status.
        code: `errors[0].code`.
        message: `errors[0].message`.
        headers: further response headers, such as `Link` for a merged contact.
        data: `errors[0].data`, such as the permissions that a token lacks.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message
        self.headers, self.data = dict(headers or {}), data

    def response(self) -> Response:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        body = {"type": "error.list", "request_id": str(uuid.uuid4()), "errors": [error]}
        return Response(json.dumps(body), self.status, self.headers, mimetype="application/json")


def bad_parameter(message: str) -> ApiError:
    return ApiError(400, "parameter_invalid", message)


def not_found(message: str = "Resource Not Found", code: str = "not_found") -> ApiError:
    return ApiError(404, code, message)


def contact_not_found() -> ApiError:
    """The text of `/contacts/{id}/…`; the contact itself answers "Contact Not Found"."""
    return not_found("User Not Found")


def company_not_found() -> ApiError:
    return not_found("Company Not Found", "company_not_found")


def unauthorized(code: str = "unauthorized") -> ApiError:
    return ApiError(401, code, "Access Token Invalid")


def bad_version(message: str) -> ApiError:
    return ApiError(400, "intercom_version_invalid", message)


def plan_restricted() -> ApiError:
    return ApiError(403, "api_plan_restricted", "Active subscription needed.")
