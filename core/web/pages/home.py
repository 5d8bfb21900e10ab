"""The first page: what needs attention, what is going on, how it grows."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from core.services import home
from core.services.counting import numbers_of, series
from core.web.access import mainstem
from core.web.database import session

blueprint = Blueprint("home", __name__)

PEOPLE_DAYS, ACTIVITY_DAYS = 30, 14


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Show it."""
    host = mainstem().host
    sources = home.sources(session())
    numbers = numbers_of(session(), host, sources)
    return render_template(
        "home.html",
        matters=home.attention(session(), host),
        running=home.running(mainstem(), session()),
        people=series((each.people_days for each in numbers.values()), PEOPLE_DAYS),
        activities=series((each.activity_days for each in numbers.values()), ACTIVITY_DAYS),
        numbers=[numbers[source.id] for source in sources],
        sources=sources,
    )
