"""Webhooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from core.contract.errors import Forged
from core.contract.types import Delivery, WebhookRequest
from core.kit.rule import Broken, NotApplicable, rule
from core.kit.tables import Snapshot, difference, tables
from core.kit.trial import Trial
from core.kit.world import World


def delivered(trial: Trial) -> tuple[World, list[WebhookRequest]]:
    """Return a world that has just changed, and the requests that its vendor sends.

    Raises:
        NotApplicable: The plugin has no webhooks.
        Broken: Its sandbox sends none.
    """
    if not trial.manifest.webhooks:
        raise NotApplicable("the manifest has no webhooks")
    world = trial.world()
    make = getattr(world.sandbox, "deliveries", None)
    if make is None:
        raise Broken("the sandbox has no method deliveries(): see CallingSandbox")
    requests = [
        WebhookRequest({name.lower(): value for name, value in request.headers.items()}, request.body)
        for request in make()
    ]
    if len(requests) < 3:
        raise Broken("the sandbox's deliveries() returns fewer than three")
    return world, requests


def _verified(world: World, requests: Iterable[WebhookRequest]) -> list[Delivery]:
    source = world.source()
    return [source.verify_webhook(request=request, environment=world.environment) for request in requests]


@rule("needed", breaks="`Delivery.id` is made anew for each delivery.", after=("connects",))
def genuine(trial: Trial) -> None:
    """Genuine deliveries are taken, each for its account, and one event has one id.

    The host finds the data source by `Delivery.account`, and drops what it has by `Delivery.id`.
    """
    world, requests = delivered(trial)
    seen = set()
    for request, again in zip(_verified(world, requests), _verified(world, requests), strict=True):
        if request.account != world.connected.remote_id:
            raise Broken(f"a delivery is for account {request.account!r}; connected is {world.connected.remote_id!r}")
        if not request.id or request.id != again.id:
            raise Broken("one delivery has two ids: take the vendor's id of the event, or one made of the body")
        if request.id in seen:
            raise Broken(f"two events have the id {request.id!r}")
        seen.add(request.id)


@rule("needed", breaks="A delivery without a signature is taken.", after=("genuine",))
def forged(trial: Trial) -> None:
    """A delivery that is not the vendor's raises Forged, whatever is in it.

    The webhook's address is open to the internet.
    """
    world, requests = delivered(trial)
    for request in requests:
        wrong = {name: f"{value[:-1]}{'0' if value[-1:] != '0' else '1'}" for name, value in request.headers.items()}
        tries: dict[str, tuple[WebhookRequest, Mapping[str, str]]] = {
            "without headers": (replace(request, headers={}), world.environment),
            "with a changed body": (replace(request, body=request.body + b" "), world.environment),
            "with changed headers": (replace(request, headers=wrong), world.environment),
            "with no body": (replace(request, body=b""), world.environment),
            "signed with another secret": (request, {**world.environment, **_other_secrets(trial, world)}),
        }
        for what, (changed, environment) in tries.items():
            try:
                found = world.source().verify_webhook(request=changed, environment=environment)
            except Forged:
                continue
            except Exception as error:
                raise Broken(f"a delivery {what} raises {type(error).__name__}, not Forged") from error
            if not found.ignorable:
                raise Broken(f"a delivery {what} is taken as genuine")


def _other_secrets(trial: Trial, world: World) -> dict[str, str]:
    secret = [variable.name for variable in trial.manifest.environment if variable.secret]
    return {name: "another" for name in secret if name in world.environment}


@rule(
    "needed",
    breaks="A late `updated` after a `deleted` brings the person back from the body.",
    after=("genuine", "typed"),
)
def any_order(trial: Trial) -> None:
    """Deliveries may come twice, late, in another order or some of them only; in the end the tables say the same.

    No vendor promises more. So a body is a hint: what it names is fetched again.
    """
    world, requests = delivered(trial)
    told = [delivery for delivery in _verified(world, requests) if not delivery.ignorable]
    expected = _applied(trial, world, [told])
    orders: dict[str, list[list[Delivery]]] = {
        "twice": [told, told],
        "in reverse, one by one": [[delivery] for delivery in reversed(told)],
        "first some, then all": [told[1::2], told],
    }
    for what, batches in orders.items():
        if found := difference(expected, _applied(trial, world, batches)):
            raise Broken(f"deliveries come {what}, and {found}")


def _applied(trial: Trial, world: World, batches: Sequence[Sequence[Delivery]]) -> Snapshot:
    pages = [world.source().read_webhooks(account=world.account, deliveries=batch) for batch in batches]
    with tables(trial.policy, trial.filled) as database:
        database.apply(pages)
        return database.snapshot()


@rule("needed", breaks="An unknown topic ends in a KeyError, and the batch with it.", after=("genuine",))
def unknown_topics(trial: Trial) -> None:
    """Deliveries about unknown topics, or with a body of another shape, are passed over.

    Vendors add topics without notice; one of them must not stop the others of its batch.
    """
    world, requests = delivered(trial)
    told = _verified(world, requests)
    odd = [
        replace(told[0], id="odd-1", topic="no.such.topic"),
        replace(told[0], id="odd-2", topic="no.such.topic", body={}),
        replace(told[0], id="odd-3", body={}),
        replace(told[0], id="odd-4", body=[None]),
    ]
    for delivery in odd:
        try:
            page = world.source().read_webhooks(account=world.account, deliveries=[delivery])
        except Exception as error:
            what = f"topic {delivery.topic!r} and body {delivery.body!r:.30}"
            raise Broken(f"a delivery with {what} raises {type(error).__name__}: {error}") from error
        if delivery.topic == "no.such.topic" and (page.deleted or page.merged):
            raise Broken(f"the unknown topic {delivery.topic!r} deletes or merges")
