"""Whose value stands, and who is who."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.contract.fields import SYSTEM_FIELDS
from core.contract.types import Manifest, MergePolicy
from core.services.configuration import SECTIONS
from core.web.steps.question import Form, Sections, Setup


def read_merge(setup: Setup, form: Form) -> Sections:
    """Read strategy and merge keys."""
    strategy = form.get("strategy", "overwrite_existing")
    section: dict[str, Any] = {
        "strategy": strategy,
        "existing_only": "existing_only" in form and strategy != "ignore",
    }
    for kind, key in SECTIONS.items():
        if setup.has(kind):
            keys = [form.get(f"{key}.key1", ""), form.get(f"{key}.key2", "")]
            section[key] = {"keys": list(dict.fromkeys(filter(None, keys))), "mode": form.get(f"{key}.mode", "any")}
    return {"merge": section}


def view_merge(setup: Setup) -> Mapping[str, Any]:
    """Return the merge keys of each kind, the chosen ones or those that the plugin proposes."""
    choices = setup.choices
    kinds = []
    for kind, key in SECTIONS.items():
        if setup.has(kind):
            policy = choices.matching.get(kind) or setup.policies.get(kind, MergePolicy())
            offered = [spec for spec in SYSTEM_FIELDS[kind] if spec.identifier]
            keys = [*policy.keys, "", ""][:2]
            label = " and ".join(spec.label for spec in setup.manifest.objects if spec.kind == kind)
            shown = {"key": key, "kind": kind, "label": label, "offered": offered}
            kinds.append({**shown, "keys": keys, "mode": policy.mode})
    return {"kinds": kinds, "allowed": consent_in_words(setup.manifest)}


def consent_in_words(manifest: Manifest) -> str:
    """Return what people who come in are taken to have allowed."""
    email, sms = (manifest.permission_defaults.get(channel) for channel in ("email", "sms"))
    allowed = f"New people are {'' if email else 'not '}subscribed to email and {'' if sms else 'not '}to SMS"
    return f"{allowed}, unless they unsubscribed there. Who is already here keeps what they allowed."
