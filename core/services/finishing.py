"""The last step of a run, when all of its partitions are finished: compare with the vendor, then end it.

``run.report`` then holds ``objects``: for each how complete it is (:class:`core.services.completeness.Completeness`);
``vanished``: after a full run, and of what was narrowed to the admin's conditions, what became of records that it has
not come across; ``repaired``: after a
reconciliation, how many records of each object it ``created``, ``updated`` and ``deleted`` because nothing had told of
them before; ``unnamed``: the objects of which records are here without names that the vendor refused to tell; and
``reread``: the objects that do not add up even so, or whose names are told again, and are read anew by a full run that
follows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, exists, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.contract.errors import Reauthorise, SourceError
from core.contract.types import Manifest
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Partition as PartitionRow
from core.db.models import Run
from core.pipeline.apply import summed
from core.services.accounts import CountingSession, account_of
from core.services.closing import close
from core.services.completeness import Completeness, compare, last_report
from core.services.counting import recount
from core.services.leases import heartbeat, is_free, lease_end
from core.services.mainstem import Mainstem
from core.services.policies import count_selected, policy_of, selection
from core.services.recovery import needing_plugin, needs_attention
from core.services.sources import config_of, get_source, now_utc
from core.services.vanished import find_vanished, forget_seen

RUN, PARTITION = table_of(Run), table_of(PartitionRow)

log = logging.getLogger("mainstem.sync")


def finish(mainstem: Mainstem, run_id: int) -> bool:
    """End a run all of whose partitions are finished, unless somebody else is at that.

    Whatever the vendor cannot tell now is left out of the report: the run ends all the same.

    Returns:
        Whether this call ended it.

    Raises:
        sqlalchemy.exc.OperationalError: The database is out of reach; the work can be taken up again later.
    """
    token = uuid4()
    claimed = _claim(mainstem, run_id, token)
    if claimed is None:
        return False
    ended = False
    with heartbeat(mainstem, RUN, token), needing_plugin(mainstem, run_id):
        report, requests = _Finisher(mainstem, *claimed).report()
        # Before it is said to be over: whoever waits for that looks at the numbers then.
        recount(mainstem, claimed[0]["source_id"])
        ended = close(mainstem, run_id, token, report, requests)
    if ended and _looks_for_absent(claimed[0]):
        with writing(mainstem.engine) as connection:
            forget_seen(connection)
    return ended


def _claim(mainstem: Mainstem, run_id: int, token: UUID) -> tuple[RowMapping, RowMapping, Sequence[RowMapping]] | None:
    now = now_utc()
    left = exists().where(PARTITION.c.run_id == run_id, PARTITION.c.state == "ready")
    with writing(mainstem.engine) as connection:
        claimed = connection.execute(
            RUN.update()
            .where(RUN.c.id == run_id, RUN.c.state == "running", is_free(RUN, now), ~left)
            .values(lease_token=token, lease_until=lease_end(mainstem, now))
        )
        if claimed.rowcount != 1:
            return None
        run = connection.execute(select(RUN).where(RUN.c.id == run_id)).mappings().one()
        of_run = select(PARTITION).where(PARTITION.c.run_id == run_id).order_by(PARTITION.c.id)
        return run, get_source(connection, run["source_id"]), connection.execute(of_run).mappings().all()


def _looks_for_absent(run: RowMapping) -> bool:
    return run["kind"] == "full" or bool(run["scope"].get("sought"))


class _Finisher:
    """Finds out what is said of a run at its end."""

    def __init__(
        self, mainstem: Mainstem, run: RowMapping, source: RowMapping, partitions: Sequence[RowMapping]
    ) -> None:
        self._mainstem = mainstem
        self._run = run
        self._source = source
        self._partitions = partitions
        self._config = config_of(mainstem, source)
        self._manifest = mainstem.host.manifest(source["plugin"])
        self._account = account_of(mainstem, source, self._config, run["scope"]["anew"])

    def report(self) -> tuple[dict[str, Any], int]:
        """Return what is kept of the run, and how many requests it took to find out."""
        report: dict[str, Any] = {}
        counted, wanted = self._counted(), self._wanted()
        if _looks_for_absent(self._run):
            # Of what was narrowed the rest was not read: it is compared with what the vendor says meets the conditions.
            narrowed = self._run["scope"].get("narrowed", ())
            like = {key: number for key, number in counted.items() if key not in narrowed}
            report["vanished"] = self._vanished(like | {key: wanted[key] for key in narrowed if key in wanted})
        with self._mainstem.engine.connect() as connection:
            found = compare(connection, self._source["id"], self._manifest, self._config, counted, wanted)
            before = last_report(connection, self._source["id"], "initial", "full")
            unnamed = set(last_report(connection, self._source["id"]).get("unnamed", ()))
        report["objects"] = {key: each.as_json() for key, each in found.items()}
        unnamed, told = _names(self._partitions, unnamed)
        reread = told.intersection(self._config.objects).difference(self._run["scope"]["whole"])
        if self._run["kind"] == "reconciliation":
            report["repaired"] = _repaired(self._partitions)
            reread = reread.union(_to_reread(self._manifest, found, before))
        report |= {"unnamed": sorted(unnamed)} if unnamed else {}
        if reread or self._run["kind"] == "reconciliation":
            report["reread"] = sorted(reread)
        assert isinstance(self._account.http, CountingSession)
        return report, self._account.http.take_count()

    def _counted(self) -> Mapping[str, int]:
        if not self._mainstem.host.implements(self._account.plugin, "count"):
            return {}
        return self._asked(lambda: self._mainstem.host.source(self._account.plugin).count(account=self._account))

    def _wanted(self) -> Mapping[str, int]:
        conditions = selection(self._mainstem, self._source, self._config, now_utc())
        return self._asked(lambda: count_selected(self._mainstem, self._account, conditions))

    def _vanished(self, counted: Mapping[str, int]) -> Mapping[str, Any]:
        with self._mainstem.engine.connect() as connection:
            policy = policy_of(
                self._mainstem, connection, self._source, self._config, self._account, now_utc(), historical=True
            )
        return self._asked(
            lambda: find_vanished(self._mainstem, self._run, self._partitions, counted, self._account, policy)
        )

    def _asked(self, ask: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Return what the vendor answers; nothing, if it cannot: the run ends all the same."""
        try:
            return ask()
        except (DBAPIError, PoolTimeout):
            raise
        except SourceError as error:
            log.warning("%s", error, extra={"run": self._run["id"]})
            if isinstance(error, Reauthorise):
                needs_attention(self._mainstem, self._source["id"], str(error), self._source["connected_at"])
        except Exception:
            log.exception("the vendor could not be asked", extra={"run": self._run["id"]})
        return {}


def _repaired(partitions: Sequence[RowMapping]) -> dict[str, dict[str, int]]:
    counts = summed(row["counts"] for row in partitions)
    return {
        key: {name: each.get(name, 0) for name in ("created", "updated", "deleted")}
        for key, each in counts.items()
        if any(each.get(name) for name in ("created", "updated", "deleted"))
    }


def _names(partitions: Sequence[RowMapping], before: Collection[str]) -> tuple[set[str], set[str]]:
    """Return the objects of which records lack names now, and those that lacked them ``before`` and are told again."""
    counts = summed(row["counts"] for row in partitions)
    unnamed = {key for key, each in counts.items() if each.get("unnamed")}
    told = {key for key in before if counts.get(key, {}).get("named")} - unnamed
    return unnamed.union(before) - told, told


def _to_reread(manifest: Manifest, found: Mapping[str, Completeness], before: Mapping[str, Any]) -> list[str]:
    """Return the objects whose numbers do not add up, unless they did so no better after all of it was read."""
    return [
        spec.key
        for spec in manifest.objects
        if spec.key in found
        and spec.kind != "activity"
        and (missing := found[spec.key].missing)
        and missing != before.get("objects", {}).get(spec.key, {}).get("missing")
    ]
