"""A local imitation of Intercom: API 2.16, OAuth, rate limits, webhooks and faults.

>>> from plugins.intercom.sandbox import Sandbox, SandboxOptions
>>> sandbox = Sandbox(SandboxOptions(people=20))
>>> token = sandbox.credentials["access_token"]
>>> reply = sandbox.app.test_client().get("/me", headers={"Authorization": f"Bearer {token}"})
>>> reply.json["app"]["region"]
'EU'
"""

from __future__ import annotations

from plugins.intercom.sandbox.app import Sandbox, SandboxOptions

__all__ = ["Sandbox", "SandboxOptions"]
