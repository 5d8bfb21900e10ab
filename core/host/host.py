"""The host: which plugins there are, and one typed way to call them."""

from __future__ import annotations

import inspect
import logging
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Literal, TypeAlias, cast

from pluggy import HookimplOpts, PluginManager

from core.contract.hookspecs import PROJECT, HostSpecs, SourceSpecs
from core.contract.types import Manifest
from core.host import checks, environment
from core.host.discovery import Candidate, installed
from core.host.errors import BadAnswer, PluginMissing

TRACE = "MAINSTEM_TRACE_PLUGINS"

log = logging.getLogger(__name__)

State: TypeAlias = Literal["loaded", "broken", "disabled", "wrapper"]


@dataclass(frozen=True, slots=True)
class PluginReport:
    """What became of a plugin.

    Attributes:
        name: Its name; two reports may share it, when both were refused for that.
        title: Name for people; the name where no manifest could be read.
        distribution: What installed it; "" for a plugin handed to the host.
        version: Of the distribution.
        state: ``"loaded"``: a data source; ``"wrapper"``: loaded, no data source; ``"broken"``; ``"disabled"``.
        reason: Why it is broken or disabled.
    """

    name: str
    title: str
    distribution: str
    version: str
    state: State
    reason: str = ""


class _Manager(PluginManager):
    """Looks for hooks and at nothing else, which :mod:`core.host.checks` has done."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> HookimplOpts | None:
        """Return the mark of a hook."""
        return super().parse_hookimpl_opts(plugin, name) if name in checks.HOOKS else None


class Host:
    """Loads plugins, refuses the broken ones by themselves, and calls the rest.

    Args:
        plugins: Objects to load, for tests; see :meth:`from_entry_points` for the installed ones.
        trace: Log each call with its duration, its arguments by type only: they hold secrets.
        sound: They are copies of plugins that were loaded before, and need not be examined again.
    """

    def __init__(self, plugins: Iterable[object] = (), *, trace: bool = False, sound: bool = False) -> None:
        self._trace, self._sound = trace, sound
        self._manager = _Manager(PROJECT)
        self._manager.add_hookspecs(SourceSpecs)
        self._manager.add_hookspecs(HostSpecs)
        self._plugins: dict[str, object] = {}
        self._manifests: dict[str, Manifest] = {}
        self._reports: list[PluginReport] = []
        self._load_all([Candidate.of(plugin) for plugin in plugins])

    @classmethod
    def from_entry_points(cls, environ: Mapping[str, str] = os.environ) -> Host:
        """Load what is installed under the entry point group ``mainstem.plugins``.

        Args:
            environ: ``MAINSTEM_DISABLED_PLUGINS=a,b`` leaves out some, ``MAINSTEM_SAFE_MODE=1`` all of them;
                ``MAINSTEM_TRACE_PLUGINS=1`` logs each call.

        Raises:
            PluginConfigError: One of these variables is malformed.
        """
        host = cls(trace=environment.flag(environ, TRACE))
        host._load_all(installed(environ))
        return host

    def names(self) -> list[str]:
        """Return the names of the data source plugins, sorted."""
        return sorted(self._manifests)

    def manifest(self, name: str) -> Manifest:
        """Return what the plugin declares.

        Raises:
            PluginMissing: It is unknown, broken or disabled.
        """
        if name in self._manifests:
            return self._manifests[name]
        for report in self._reports:
            if report.name == name and report.reason:
                raise PluginMissing(f"plugin {name!r} is {report.state}: {report.reason}")
        raise PluginMissing(f"unknown plugin {name!r}: known are {', '.join(self.names()) or 'none'}")

    def plugin(self, name: str) -> object:
        """Return the data source plugin itself, to be examined; :meth:`source` is how it is called.

        Raises:
            PluginMissing: It is unknown, broken or disabled.
        """
        self.manifest(name)
        return self._plugins[name]

    def source(self, name: str) -> SourceSpecs:
        """Return the hooks of one data source plugin, to be called with keyword arguments.

        The plugin alone answers; wrappers of other plugins surround it. What either raises comes through. A hook
        that the plugin lacks, and an answer that is None or not yet computed, raise :class:`BadAnswer`.

        Raises:
            PluginMissing: It is unknown, broken or disabled.
        """
        self.manifest(name)
        return cast(SourceSpecs, _Source(name, partial(self._ask, name)))

    def implements(self, name: str, hook: str) -> bool:
        """Tell whether a data source plugin has a hook; only those without which nothing works are required.

        Raises:
            PluginMissing: The plugin is unknown, broken or disabled.
        """
        self.manifest(name)
        return any(found.plugin is self._plugins[name] for found in getattr(self._manager.hook, hook).get_hookimpls())

    def tell(self, hook: str, **kwargs: object) -> None:
        """Call a hook of :class:`HostSpecs` in every plugin that has it; what one raises is logged and harms nobody.

        Raises:
            TypeError: The arguments are not those of the hook.
        """
        inspect.signature(getattr(HostSpecs, hook)).bind(self, **kwargs)
        for told in getattr(self._manager.hook, hook).get_hookimpls():
            others = [plugin for plugin in self._plugins.values() if plugin is not told.plugin]
            try:
                self._call(told.plugin_name, hook, others, kwargs)
            except Exception:
                log.exception("plugin %s failed in %s", told.plugin_name, hook)

    def report(self) -> list[PluginReport]:
        """Return what became of each plugin, by name."""
        return sorted(self._reports, key=lambda report: (report.name, report.distribution))

    def environment(self, name: str, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the values of the variables that the plugin declares, defaults included, without the unset ones.

        Raises:
            PluginMissing: The plugin is unknown, broken or disabled.
            PluginConfigError: A value is malformed.
        """
        return environment.values(self.manifest(name).environment, environ)

    def _ask(self, name: str, hook: str, /, **kwargs: object) -> object:
        if not self.implements(name, hook):
            raise BadAnswer(f"plugin {name!r} does not implement {hook}")
        # Made anew for each call: a caller that is kept would not leave out a plugin registered after it was made.
        others = [self._plugins[other] for other in self._manifests if other != name]
        answer = self._call(name, hook, others, kwargs)
        if answer is None:
            raise BadAnswer(f"plugin {name!r} gave no answer to {hook}: it, or what wraps it, must return a value")
        if isinstance(answer, Iterator | Awaitable):
            raise BadAnswer(f"plugin {name!r} answered {hook} with a {type(answer).__name__}: it must return a value")
        return answer

    def _call(self, name: str, hook: str, others: Iterable[object], kwargs: Mapping[str, object]) -> object:
        call = self._manager.subset_hook_caller(hook, others)
        if not self._trace:
            return call(**kwargs)
        start, outcome = perf_counter(), "raised"
        try:
            answer = call(**kwargs)
            outcome = type(answer).__name__
            return answer
        finally:
            types = ", ".join(f"{key}: {type(value).__name__}" for key, value in kwargs.items())
            log.info("%s.%s(%s): %s after %.1f ms", name, hook, types, outcome, (perf_counter() - start) * 1000)

    def _load_all(self, candidates: Iterable[Candidate]) -> None:
        by_name: dict[str, list[Candidate]] = defaultdict(list)
        for candidate in candidates:
            if candidate.disabled:
                self._note(candidate, "disabled", candidate.disabled)
            else:
                by_name[candidate.name].append(candidate)
        for name, namesakes in sorted(by_name.items()):
            if len(namesakes) == 1:
                self._load(namesakes[0])
                continue
            homes = " and ".join(candidate.distribution for candidate in namesakes if candidate.distribution)
            origin = f", from {homes}" if homes else ""
            for candidate in namesakes:
                self._refuse(candidate, f"several plugins are called {name!r}{origin}: remove all but one")

    def _load(self, candidate: Candidate) -> None:
        try:
            plugin = candidate.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever a plugin does, others go on)
            self._refuse(candidate, f"it cannot be imported: {_one_line(error)}", error)
            return
        try:
            faults = [] if self._sound else list(checks.faults(plugin, candidate.name))
            if not faults:
                self._manager.register(plugin, candidate.name)
        except Exception as error:  # noqa: BLE001 (likewise)
            faults = [_one_line(error)]
        if faults:
            self._refuse(candidate, "; ".join(faults))
            return
        self._plugins[candidate.name] = plugin
        if checks.is_source(plugin):
            self._manifests[candidate.name] = cast(Any, plugin).manifest
        self._note(candidate, "loaded" if candidate.name in self._manifests else "wrapper")

    def _refuse(self, candidate: Candidate, reason: str, error: BaseException | None = None) -> None:
        log.warning("plugin %s is left out: %s", candidate.name, reason, exc_info=error)
        self._note(candidate, "broken", reason)

    def _note(self, candidate: Candidate, state: State, reason: str = "") -> None:
        manifest = self._manifests.get(candidate.name)
        title = manifest.title if manifest else candidate.name
        report = PluginReport(candidate.name, title, candidate.distribution, candidate.version, state, reason)
        self._reports.append(report)


class _Source:
    """Stands for one data source plugin; :meth:`Host.source` gives it the type of its hooks."""

    def __init__(self, name: str, ask: Callable[..., object]) -> None:
        self._name = name
        self._ask = ask

    def __getattr__(self, hook: str) -> Callable[..., object]:
        if hook not in checks.SOURCE_HOOKS:
            raise AttributeError(f"{hook!r} is no hook of a data source")
        return partial(self._ask, hook)

    def __repr__(self) -> str:
        return f"<data source plugin {self._name}>"


def _one_line(error: BaseException) -> str:
    """Return the error's kind and message, without the line breaks that pluggy and compilers put in."""
    return " ".join(f"{type(error).__name__}: {error}".split())
