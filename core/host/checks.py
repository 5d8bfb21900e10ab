"""What may be wrong with a plugin: the traps that pluggy passes over in silence.

Each rule is here because breaking it would make another plugin's data source misbehave, or its own do nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from pluggy import HookimplOpts, PluginManager

from core.contract.hookspecs import PROJECT, HostSpecs, SourceSpecs
from core.contract.types import Manifest
from core.host import manifests

SOURCE_HOOKS = frozenset(name for name in vars(SourceSpecs) if not name.startswith("_"))
HOST_HOOKS = frozenset(name for name in vars(HostSpecs) if not name.startswith("_"))
HOOKS = SOURCE_HOOKS | HOST_HOOKS
MARKS = PluginManager(PROJECT)
"""Reads the marks of hook implementations; nothing is registered with it."""
REQUIRED = ("connect", "plan_sync", "sync")


def is_source(plugin: object) -> bool:
    """Tell whether ``plugin`` means to be a data source."""
    return hasattr(plugin, "manifest")


def faults(plugin: object, name: str) -> Iterator[str]:
    """Yield what keeps ``plugin`` from being loaded as ``name``.

    Args:
        plugin: What the entry point holds.
        name: The entry point's name.
    """
    if inspect.isclass(plugin):
        yield f"{plugin.__name__} is a class, not a plugin: have you forgotten the ()?"
        return
    marked = _marked(plugin)
    if not marked and not is_source(plugin):
        yield "it has neither a manifest nor a function marked with @hookimpl"
        return
    if type(plugin).__eq__ is not object.__eq__ or type(plugin).__hash__ is not object.__hash__:
        yield "plugins are told apart by identity: leave out __eq__ and __hash__ (of a dataclass: eq=False)"
    for hook, options in marked.items():
        yield from _mark_faults(plugin, hook, options)
    if is_source(plugin):
        yield from _source_faults(plugin, name, marked)


def _marked(plugin: object) -> dict[str, HookimplOpts]:
    options = {name: MARKS.parse_hookimpl_opts(plugin, name) for name in dir(plugin)}
    return {name: found for name, found in options.items() if found is not None}


def _mark_faults(plugin: object, hook: str, options: HookimplOpts) -> Iterator[str]:
    if options["specname"]:
        # pluggy may look for a plugin's hooks by their names, and so miss a renamed one when it leaves a plugin out
        yield f"{hook} has a specname: name the function after its hook"
    elif hook not in HOOKS:
        if not options["optionalhook"]:
            yield f"unknown hook {hook!r}: {_nearest(hook)}"
    elif options["hookwrapper"]:
        yield f"{hook} is an old-style wrapper: mark it with @hookimpl(wrapper=True)"
    elif options["wrapper"]:
        if hook in HOST_HOOKS:
            yield f"{hook} cannot be wrapped: every plugin is told by itself"
        elif is_source(plugin):
            yield f"{hook} is a wrapper: a data source answers its hooks, only other plugins wrap them"
    else:
        if _is_lazy(getattr(plugin, hook)):
            yield f"{hook} is a generator or coroutine function: it must return a value"
        if hook in SOURCE_HOOKS and not is_source(plugin):
            yield f"{hook} would answer for every data source: mark it with @hookimpl(wrapper=True), or add a manifest"


def _source_faults(plugin: object, name: str, marked: Mapping[str, HookimplOpts]) -> Iterator[str]:
    manifest = getattr(plugin, "manifest")  # noqa: B009 (the attribute of any object)
    wrong = manifests.faults(manifest)
    yield from wrong
    unmarked = [hook for hook in sorted(SOURCE_HOOKS) if hook not in marked and _overrides(plugin, hook)]
    for hook in unmarked:
        yield f"{hook} is not marked: put @hookimpl before it"
    missing = [hook for hook in REQUIRED if hook not in marked and hook not in unmarked]
    if missing:
        yield f"the required hooks {', '.join(missing)} are missing"
    if wrong or not isinstance(manifest, Manifest):
        return
    if manifest.name != name:
        yield f"manifest.name is {manifest.name!r} and the entry point is called {name!r}: give both one name"
    promised = {"webhooks": ("verify_webhook", "read_webhooks"), "teams": ("import_team",)}
    for promise, hooks in promised.items():
        for hook in hooks:
            if getattr(manifest, promise) and hook not in marked:
                yield f"manifest.{promise} is true: {hook} is missing"


def _overrides(plugin: object, hook: str) -> bool:
    return inspect.getattr_static(plugin, hook, None) not in (None, vars(SourceSpecs)[hook])


def _is_lazy(function: object) -> bool:
    return (
        inspect.isgeneratorfunction(function)
        or inspect.iscoroutinefunction(function)
        or inspect.isasyncgenfunction(function)
    )


def _nearest(hook: str) -> str:
    known = sorted(HOOKS)
    near = get_close_matches(hook, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"hooks are {', '.join(known)}"
