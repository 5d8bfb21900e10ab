"""The values that pass between the host and its plugins: frozen, and JSON-able except for :class:`Account`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from marshmallow import Schema

if TYPE_CHECKING:
    import requests

JSON: TypeAlias = Any
"""A value that ``json.dumps`` takes: None, bool, int, float, str, list or dict of these."""

Cursor: TypeAlias = JSON
"""Where a partition stands. Opaque to the host, which stores it and hands it back."""

Kind = Literal["person", "organization", "activity", "article", "collection"]
"""What an object of the vendor becomes here. An object of kind *activity* is nothing but its activities."""

FieldType = Literal["text", "integer", "decimal", "boolean", "date", "datetime", "list"]
Channel = Literal["email", "sms"]
Question = Literal["fields", "teams", "retention", "records", "merge"]
"""A step of the wizard."""


# --- what a plugin declares ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """An object of the vendor that can be imported, such as its contacts.

    Attributes:
        key: Name in records, partitions and configuration: ``"contact"``.
        label: Plural name for people: ``"Contacts"``.
        kind: What its records become in the customer database.
        required: The admin cannot deselect it.
        comes_with: Key of another object; this one is imported whenever that one is, and not offered by itself.
        exhaustive: A listing of all that ends without an error holds every one of them, although the vendor does not
            count them: what it does not hold is asked for by its id, and may turn out to be gone.
        description: One sentence for the wizard.
    """

    key: str
    label: str
    kind: Kind
    required: bool = False
    comes_with: str | None = None
    exhaustive: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field of an object, default or custom.

    Attributes:
        object: Key of the :class:`ObjectSpec` it belongs to.
        key: Stable name in :attr:`Record.fields`; for a field that only feeds a system field, in :attr:`Record.values`.
        label: Name for people.
        type: How values are checked and filtered.
        custom: Defined by the vendor's customer, not by the vendor.
        feeds: Key of the system field of the customer database that this one feeds, such as ``"email"``;
            None for a field kept under the data source's own name (``shop.plan``).
        options: The allowed values of a choice, if the vendor lists them.
        sample: A real value of the account, to help the admin choose. It may be left out once the account is connected:
            the one that is known stays.
    """

    object: str
    key: str
    label: str
    type: FieldType = "text"
    custom: bool = False
    feeds: str | None = None
    options: tuple[str, ...] = ()
    sample: JSON = None


@dataclass(frozen=True, slots=True)
class ActivitySpec:
    """A type of activity that this plugin brings.

    Attributes:
        key: ``"conversation_closed"``; unique within the plugin.
        label: ``"Conversation closed"``.
        object: Key of the object whose records carry it.
        icon: Name of a Tabler icon.
        attributes: The attributes it may carry, with their types.
    """

    key: str
    label: str
    object: str
    icon: str = "activity"
    attributes: Mapping[str, FieldType] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EnvVar:
    """An environment variable that the plugin reads; its value arrives in :attr:`Account.environment`.

    Attributes:
        name: ``"SHOP_API_URL"``.
        help: One sentence that ``mainstem doctor`` prints.
        default: Value when the variable is not set; None means that there is none.
        secret: Never show the value.
        kind: How the value is checked.
    """

    name: str
    help: str
    default: str | None = None
    secret: bool = False
    kind: Literal["text", "url"] = "text"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The vendor's published limit: ``requests`` in each slice of ``seconds``."""

    requests: int
    seconds: float


@dataclass(frozen=True)
class Manifest:
    """All that can be known of a plugin without calling it.

    Attributes:
        name: ``[a-z][a-z0-9_]*``; unique among the installed plugins; prefix of its fields.
        title: Name for people.
        category: Heading of the catalogue, such as ``"Customer support"``.
        description: What it imports, one sentence.
        needs: What the admin must have, one sentence each.
        icon: SVG markup of the vendor's mark, at most 4 kB.
        auth: ``"token"``: credentials are typed in; ``"oauth"``: the admin consents at the vendor;
            ``"oauth_or_token"``: either.
        credentials: marshmallow schema of what is typed in; ``metadata={"label", "help", "secret"}`` draws the form.
        consent_asks: Fields of ``credentials`` that are asked before consent, such as the vendor's subdomain.
        objects: What can be imported.
        activities: The types of activity it brings.
        environment: The variables it reads.
        webhooks: Changes arrive by webhook; otherwise only by resync.
        teams: :func:`import_team` gives teams and users.
        deletes: The vendor tells of deleted records.
        selective: The admin may choose records by conditions.
        past: :func:`plan_sync` heeds :attr:`Scope.past`; otherwise all of an object is read again when activities are
            to be kept for longer.
        max_accounts: How many data sources of this plugin may exist; None for any number.
        max_parallel: How many partitions may run side by side.
        rate_limit: The vendor's limit, before its headers say otherwise.
        steps: What the wizard asks, in this order, but for what the rest of the manifest makes senseless (teams without
            ``teams``); where a step is not named, what would be proposed there holds.
        permission_defaults: What a new person is subscribed to.
        retention_days: How long activities are kept unless the admin says otherwise.
        resync_minutes: How often an incremental sync runs unless the admin says otherwise.
    """

    name: str
    title: str
    category: str
    description: str
    objects: tuple[ObjectSpec, ...]
    credentials: type[Schema]
    needs: tuple[str, ...] = ()
    icon: str = ""
    auth: Literal["token", "oauth", "oauth_or_token"] = "token"
    consent_asks: tuple[str, ...] = ()
    activities: tuple[ActivitySpec, ...] = ()
    environment: tuple[EnvVar, ...] = ()
    webhooks: bool = False
    teams: bool = False
    deletes: bool = False
    selective: bool = False
    past: bool = False
    max_accounts: int | None = 1
    max_parallel: int = 4
    rate_limit: RateLimit | None = None
    steps: tuple[Question, ...] = ("fields", "teams", "retention", "records", "merge")
    permission_defaults: Mapping[Channel, bool] = field(default_factory=lambda: {"email": True, "sms": False})
    retention_days: int = 90
    resync_minutes: int = 60

    def object(self, key: str) -> ObjectSpec:
        """Return the object called ``key``.

        Raises:
            KeyError: There is none.
        """
        for spec in self.objects:
            if spec.key == key:
                return spec
        raise KeyError(key)


# --- which records are wanted -------------------------------------------------------------------------------------


Comparison = Literal[
    "has_value", "is", "starts_with", "ends_with", "contains",
    "at_least", "at_most", "above", "below", "from", "before", "other",
]  # fmt: skip
"""How a :class:`Condition` compares."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A field of a record compared with a value. Where the record has no value, it does not hold.

    Text is compared without regard to its case, but for the names of tags; space around a record's text is no part of
    it. What ``op`` means:

    - ``has_value``: there is one; an empty text, list or set of tags is none.
    - ``is``: of a text, number or boolean, the very same.
    - ``starts_with``, ``ends_with``: of a text.
    - ``contains``: a part of a text, an item of a list, or one of the tags.
    - ``at_least``, ``at_most``, ``above``, ``below``: of a number.
    - ``from``, ``before``: then or later, or earlier; of a date or moment.
    - ``other``: what is not told in these words, and may hold or not.

    More may be added: treat one that you do not know as ``other``.

    Attributes:
        key: Of the :class:`FieldSpec`; ``"tags"`` for the tags of a record.
        type: Of the field.
        op: How it is compared.
        value: What it is compared with: for ``from`` and ``before`` a datetime with a time zone, or a date if the field
            is of type date; None for what compares with nothing.
        negated: It holds wherever it would not hold otherwise, so also where the record has no value.
    """

    key: str
    type: FieldType | Literal["tags"]
    op: Comparison
    value: str | int | float | bool | date | None = None
    negated: bool = False


@dataclass(frozen=True, slots=True)
class AllOf:
    """Conditions that hold together; none at all hold for every record."""

    of: tuple[Conditions, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Conditions of which one holds at least; there is at least one."""

    of: tuple[Conditions, ...]


Conditions: TypeAlias = Condition | AllOf | AnyOf
"""Which records of an object the admin wants. Days such as "in the last week" are moments here already."""


# --- what a plugin is given ---------------------------------------------------------------------------------------


class Limiter(Protocol):
    """The rate limit of one account, shared by all that call the vendor for it."""

    def acquire(self) -> None:
        """Wait until one more request may be sent."""

    def observe(self, limit: int | None, remaining: int | None, reset: float | None) -> None:
        """Take in what the vendor's headers said: requests a slice, requests left, unix time of the slice's end."""


class Known(Protocol):
    """What the host already holds, so that a plugin need not fetch it again."""

    def __call__(self, object: str, versions: Mapping[str, datetime]) -> frozenset[str]:
        """Return the remote ids among ``versions`` whose stored update time is at least the one given."""


class Renew(Protocol):
    """Replaces secrets that no longer work, in the vault and for every worker at once."""

    def __call__(
        self, stale: Mapping[str, str], change: Callable[[Mapping[str, str]], Mapping[str, str]]
    ) -> Mapping[str, str]:
        """Return the secrets that hold now; from then on :attr:`Account.secrets` says the same.

        Of all workers one at a time calls ``change``, and only while ``stale`` is what is kept: whoever comes second
        is given what the first one brought. So a refresh token of one use is used once. What ``change`` returns is
        kept before anybody gets it; what it raises comes through.

        Args:
            stale: The secrets that the vendor refused, or that are about to expire: as they were before the request.
            change: Asks the vendor for what replaces the secrets that it is given; should take less than 30 seconds.

        Raises:
            Retry: Another worker has been asking the vendor for long.
            Reauthorise: Nothing is kept: the account is being connected, or was disconnected.
        """


@dataclass(frozen=True, slots=True)
class Account:
    """One data source as its plugin sees it.

    Attributes:
        id: Id of the data source; 0 while it is being connected.
        plugin: Name of the plugin.
        remote_id: The vendor's id of the account; "" until connected.
        settings: What :class:`Connected` said, not secret.
        secrets: What :class:`Connected` said, or what has replaced it since, secret; never in a log or a repr.
        renew: See :class:`Renew`.
        environment: Values of the manifest's variables that have one.
        objects: Keys of the selected objects, each with the selected field keys or None for all.
        redirect_uri: Where the vendor sends an admin back after consent.
        http: Session to use for every request: it counts, and tests mount the vendor's sandbox on it.
        limiter: To be asked before every request.
        known: See :class:`Known`.
        log: Logger that carries the data source's id.
    """

    id: int
    plugin: str
    remote_id: str
    settings: Mapping[str, JSON]
    secrets: Mapping[str, str] = field(repr=False)
    renew: Renew = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    objects: Mapping[str, frozenset[str] | None]
    redirect_uri: str
    http: requests.Session = field(repr=False)
    limiter: Limiter = field(repr=False)
    known: Known = field(repr=False)
    log: logging.Logger = field(repr=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run must read.

    Attributes:
        since: For each selected object the moment up to which everything was read before; None reads all of it.
        horizon: Activities before this moment are not wanted; None wants them all.
        past: For objects of which a longer past is wanted, the moment up to which their activities are missing:
            beside what ``since`` says, everything must be read that was changed since ``horizon`` and created before
            this moment. Only with :attr:`Manifest.past`.
        selection: For objects that are read whole, which of their records are wanted. Heeding it saves requests and is
            never required: the host looks at every record again. Whatever meets the conditions must be read; what does
            not may be. Of what changed since a moment everything is read, so that the host sees what meets them no
            longer. :func:`plugins.base.selecting.narrowed` helps to put it into a vendor's words, for the partition's
            ``start``. Only with :attr:`Manifest.selective`.
    """

    since: Mapping[str, datetime | None]
    horizon: datetime | None = None
    past: Mapping[str, datetime] = field(default_factory=dict)
    selection: Mapping[str, Conditions] = field(default_factory=dict)


# --- what connecting answers --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connected:
    """The credentials work.

    Attributes:
        remote_id: The vendor's id of the account; the host refuses the same one twice.
        name: The account's name for people.
        settings: What later calls need and may be shown (region, time zone, host).
        secrets: What later calls need and may not be shown (tokens).
    """

    remote_id: str
    name: str
    settings: Mapping[str, JSON] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Redirect:
    """The admin must consent at this address; the callback's query comes back as answers.

    Attributes:
        url: The vendor's consent page, without ``state``: the host adds its own and checks it.
        keep: Answers to be handed to ``connect`` again, with the callback's query, which cannot override
            them: they stay with the host, sealed.
    """

    url: str
    keep: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """The answers do not open the account.

    Attributes:
        errors: For each answer what is wrong and the mend; key ``""`` for what concerns them all.
    """

    errors: Mapping[str, str]


# --- what a sync brings -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ref:
    """Points to an object of the vendor, whether or not it has been imported yet."""

    object: str
    remote_id: str


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that happened.

    Attributes:
        type: Key of an :class:`ActivitySpec`.
        remote_id: The vendor's id of what it records, unique in the account among all activities; prefixed by its
            kind where ids of several kinds could meet: ``"part:123"``.
        occurred_at: When; with a time zone.
        people: Whom it concerns, the one it belongs to first.
        organization: Which organization it concerns.
        attributes: Flat: scalars and lists of strings. ``text`` is what was said, as plain text, and is shown as a
            quotation; ``url`` leads to it at the vendor, and is shown as a link.
    """

    type: str
    remote_id: str
    occurred_at: datetime
    people: tuple[Ref, ...] = ()
    organization: Ref | None = None
    attributes: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """One object of the vendor, mapped but not yet validated: the host checks every value.

    Attributes:
        object: Key of its :class:`ObjectSpec`.
        remote_id: The vendor's id, unique among the objects of this kind in the account.
        updated_at: The vendor's time of last change; a record older than the stored one changes nothing.
        created_at: The vendor's time of creation.
        values: Values of system fields by their keys (``email``, ``first_name``; see :mod:`core.contract.fields`).
        fields: Values of the vendor's fields by :attr:`FieldSpec.key`: scalars or lists of strings, never nested.
        tags: Names of its tags; None when this record does not tell.
        organizations: What a person belongs to, most recent first; None when this record does not tell.
        parent: The collection that holds an article or a collection.
        activities: What happened on it.
        permissions: What the person allows, as far as the vendor knows; only a new person takes it over.
        refused: Why parts of it, such as single activities, could not be mapped, each naming its part: the rest is
            taken, and the record is set aside besides.
        payload: What the vendor sent, kept when the record or a part of it is refused.
    """

    object: str
    remote_id: str
    updated_at: datetime | None = None
    created_at: datetime | None = None
    values: Mapping[str, JSON] = field(default_factory=dict)
    fields: Mapping[str, JSON] = field(default_factory=dict)
    tags: tuple[str, ...] | None = None
    organizations: tuple[Ref, ...] | None = None
    parent: Ref | None = None
    activities: tuple[Activity, ...] = ()
    permissions: Mapping[Channel, bool] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    payload: JSON = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An object that could not be mapped; it is set aside where an admin can see and retry it.

    Attributes:
        object: Key of its :class:`ObjectSpec`.
        remote_id: The vendor's id; "" when even that is missing.
        reason: What is wrong, naming the field.
        payload: What the vendor sent.
    """

    object: str
    remote_id: str
    reason: str
    payload: JSON = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of the vendor, and where to go on.

    Attributes:
        records: What it held, in any order.
        next: The cursor of the page that follows; None when the partition is finished.
        unchanged: How many objects were left out because :attr:`Account.known` had them, by object.
        merged: Pairs (gone, survivor) that the vendor merged.
        deleted: What the vendor no longer has.
        expected: The vendor's own count of the whole partition, if it tells.
        named: By object, whether names that its records needed, such as those of tags, could be looked up; an object is
            absent when none were needed. When they can be again, the host reads anew what went without them.
        roster: All users and teams, where webhooks told that they changed.
    """

    records: Sequence[Record | Refusal] = ()
    next: Cursor | None = None
    unchanged: Mapping[str, int] = field(default_factory=dict)
    merged: Sequence[tuple[Ref, Ref]] = ()
    deleted: Sequence[Ref] = ()
    expected: int | None = None
    named: Mapping[str, bool] = field(default_factory=dict)
    roster: Roster | None = None


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of a run that can be read by itself, in any order and beside the others.

    Attributes:
        object: Key of the object it reads.
        key: Tells it from the other partitions of the object.
        start: The cursor to begin with; must not be None when there is something to read.
        unbroken: The vendor does not let a reader pause between pages (a scroll that expires).
        narrowed: Records that do not meet :attr:`Scope.selection` are left out of it.
    """

    object: str
    key: str = "all"
    start: Cursor = field(default_factory=dict)
    unbroken: bool = False
    narrowed: bool = False


# --- teams, merging, retention, webhooks --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TeamUser:
    """A person who works in the vendor's tool."""

    remote_id: str
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Team:
    """A team of the vendor's tool; ``members`` holds remote ids of users."""

    remote_id: str
    name: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Roster:
    """All users and teams of an account, complete."""

    users: tuple[TeamUser, ...] = ()
    teams: tuple[Team, ...] = ()


MatchMode = Literal["any", "next_if_empty", "all"]


@dataclass(frozen=True, slots=True)
class MergePolicy:
    """How records of one object meet those that are already here. The vendor's own id always comes first.

    Attributes:
        keys: System fields that join records of one or several data sources, at most two, the stronger first.
        mode: ``"any"`` key joins; the next key only if the first is empty; or ``"all"`` keys together.
    """

    keys: tuple[str, ...] = ()
    mode: MatchMode = "any"


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """How long activities are kept unless the admin says otherwise.

    Attributes:
        days: None keeps them for ever.
        type: Key of an :class:`ActivitySpec`; None for all that have no rule of their own.
    """

    days: int | None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A delivery as it arrived; ``headers`` have lower-case names."""

    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A genuine delivery.

    Attributes:
        account: The vendor's id of the account it is about: :attr:`Connected.remote_id`.
        id: Equal for two deliveries of one event.
        topic: The vendor's name of what happened.
        body: The parsed body.
        ignorable: Nothing to do (a ping): answered, not stored.
    """

    account: str
    id: str
    topic: str
    body: JSON = field(repr=False)
    ignorable: bool = False


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A finished run.

    Attributes:
        run: Its id.
        source: Id of the data source.
        plugin: Name of the plugin.
        status: How it ended.
        objects: For each object the counts ``read, created, updated, unchanged, skipped, rejected, merged, deleted``.
        requests: Requests sent to the vendor.
        seconds: From start to end.
    """

    run: int
    source: int
    plugin: str
    status: Literal["succeeded", "partial", "failed", "cancelled"]
    objects: Mapping[str, Mapping[str, int]]
    requests: int
    seconds: float


# --- the vendor's sandbox -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """How a plugin's imitation of its vendor shall behave; see ``mainstem sandbox --help``.

    Attributes:
        people: How many people to generate.
        seed: Equal seeds give equal data.
        latency_ms: Milliseconds added to each answer.
        rpm: Requests a minute allowed.
        webhook_url: Where webhooks go; None sends none.
        faults: The sandbox's own language of faults; "" for none.
        examples: Folder with payloads published by the vendor, to be served instead of generated ones.
        ties: Everything was changed in the same second, as after a vendor's own import.
        token_seconds: For how long access tokens of a consent are good; None for ever.
    """

    people: int = 500
    seed: int = 1
    latency_ms: int = 0
    rpm: int = 10_000
    webhook_url: str | None = None
    faults: str = ""
    examples: str | None = None
    ties: bool = False
    token_seconds: int | None = None


class Sandbox(Protocol):
    """A local imitation of the vendor.

    Attributes:
        app: The WSGI application.
        credentials: What its API accepts, as the plugin's credentials schema wants it; for consent alone what is asked
            before it, if anything is.
    """

    app: Any
    credentials: Mapping[str, str]

    def environment(self, url: str) -> Mapping[str, str]:
        """Return the variables that point the plugin at this sandbox, which answers at ``url``."""

    def serve(self, host: str, port: int) -> None:
        """Answer at this address until told to stop by SIGINT or SIGTERM."""


class ReadingSandbox(Sandbox, Protocol):
    """A sandbox of a vendor some of whose POST requests only read.

    Attributes:
        searches: The paths of these requests, ``*`` for an id; any other writing method counts as a write.
    """

    searches: frozenset[str]


class CallingSandbox(Sandbox, Protocol):
    """A sandbox of a vendor with webhooks."""

    def deliveries(self) -> Sequence[WebhookRequest]:
        """Change at least three objects, of as many kinds as webhooks tell of, and return what the vendor would send.

        The deliveries are signed with the secrets of :meth:`Sandbox.environment`, in order of the changes.
        """
