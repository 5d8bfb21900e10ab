"""Generated help center: nested collections, articles with pictures, some translated, some drafts."""

from __future__ import annotations

from typing import Any

from plugins.intercom.sandbox.generate.dice import Dice
from plugins.intercom.sandbox.generate.plan import Plan
from plugins.intercom.sandbox.generate.workspace import ADMIN_IDS

SITE = "https://help.mainstem-demo.example"
# name, description, number of the collection that it is in
COLLECTIONS = (
    ("Getting started", "The first hour", None), ("Billing", "Invoices, cards, refunds", None),
    ("Shipping", "Parcels and returns", None), ("Developers", None, None), ("Invoices", "Find and correct them", 1),
    ("Refunds", None, 1), ("Returns abroad", None, 2), ("Customs", "Papers and duties", 6),
)  # fmt: skip
TITLES = (
    ("Invite your team", 0), ("Choose your plan", 0), ("Set up two-step login", 0), ("Import your customers", 0),
    ("Read your invoice", 4), ("Change the address on an invoice", 4), ("Pay by bank transfer", 1),
    ("Ask for a refund", 5), ("When does a refund arrive?", 5), ("Track a parcel", 2), ("Send something back", 2),
    ("Returns from outside the EU", 6), ("Customs forms explained", 7), ("Webhooks: a first example", 3),
    ("API keys and how to rotate them", 3), ("Rate limits", 3), ("Dark mode", 0), ("Delete your data", None),
    ("Keyboard shortcuts", 0), ("What changed in autumn", None),
)  # fmt: skip
FRENCH = {"Ask for a refund": "Demander un remboursement", "Track a parcel": "Suivre un colis"}


def collections(plan: Plan) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for number, (name, about, parent) in enumerate(COLLECTIONS):
        collection_id = str(170 + number)
        made[collection_id] = {
            "id": collection_id,
            "workspace_id": plan.workspace,
            "name": name,
            "url": f"{SITE}/en/collections/{collection_id}",
            "order": number if number % 2 else str(number),
            "created_at": plan.born + 3_600 * number,
            "updated_at": plan.changed(plan.now - 86_400 * (40 - number)),
            "description": about,
            "icon": "bookmark",
            "parent_id": None if parent is None else str(170 + parent),
            "help_center_id": 84 if parent is None else None,
        }
    return made


def articles(plan: Plan) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for number, (title, collection) in enumerate(TITLES):
        dice, article_id = Dice(plan.seed, 50, number), str(4_500 + number)
        created = plan.born + 86_400 * number * 7
        updated = plan.now - 86_400 * (len(TITLES) - number) - dice.below(80_000)
        draft = number in (16, 19)
        url = None if draft else f"{SITE}/en/articles/{article_id}"
        made[article_id] = {
            "id": article_id,
            "type": "article",
            "workspace_id": plan.workspace,
            "parent_ids": [] if collection is None else [170 + collection],
            "tags": {"type": "tag.list", "tags": []},
            "title": title,
            "description": f"{title}, step by step" if dice.chance(0.7) else "",
            "body": _body(title, number),
            "author_id": int(ADMIN_IDS[number % len(ADMIN_IDS)]),
            "state": "draft" if draft else "published",
            "created_at": created,
            "updated_at": plan.changed(updated),
            "url": url,
        }
        if title in FRENCH:
            made[article_id] |= _translated(made[article_id], FRENCH[title])
    return made


def statistics(plan: Plan, article_id: str) -> dict[str, Any]:
    dice = Dice(plan.seed, 51, int(article_id) if article_id.isdigit() else 0)
    happy = dice.below(100)
    return {
        "type": "article_statistics",
        "views": dice.below(9_000),
        "conversations": dice.below(60),
        "reactions": dice.below(300),
        "happy_reaction_percentage": happy,
        "neutral_reaction_percentage": (100 - happy) // 2,
        "sad_reaction_percentage": 100 - happy - (100 - happy) // 2,
    }


def help_center(plan: Plan) -> dict[str, Any]:
    return {
        "id": "84",
        "workspace_id": plan.workspace,
        "created_at": plan.born,
        "updated_at": plan.born + 60,
        "identifier": "mainstem-demo",
        "website_turned_on": True,
        "display_name": "Mainstem demo help",
        "url": SITE,
        "custom_domain": None,
    }


def _body(title: str, number: int) -> str:
    picture = f'<div class="intercom-container"><img src="https://downloads.example/i/o/{number}/shot.png"></div>'
    steps = "<ol><li><p>Open <b>Settings</b>.</p></li><li><p>Choose what you need.</p></li></ol>"
    minutes = f"<p>This takes about {2 + number % 5} minutes.</p>"
    extra = '<p><a href="https://help.mainstem-demo.example/en/">More help</a> · naïve café ☕</p>'
    return f"<h1>{title}</h1>{minutes}{picture if number % 2 else ''}{steps}{extra}"


def _translated(article: dict[str, Any], title: str) -> dict[str, Any]:
    base = {"type": "article_content", "author_id": article["author_id"], "state": article["state"]}
    times = {"created_at": article["created_at"], "updated_at": article["updated_at"]}
    english = {**base, **times, "title": article["title"], "description": article["description"],
               "body": article["body"], "url": article["url"]}  # fmt: skip
    french = {**base, **times, "title": title, "description": "", "body": f"<h1>{title}</h1><p>Voici comment.</p>",
              "url": (article["url"] or "").replace("/en/", "/fr/")}  # fmt: skip
    content = {"type": "article_translated_content", "en": english, "fr": french}
    return {"default_locale": "en", "translated_content": content}
