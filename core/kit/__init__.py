"""The kit of plugin authors: checks of the contract, and a scaffold that passes them. Knows no plugin.

``testing`` is what an author's tests import; ``mainstem plugins check`` and ``mainstem plugins new`` are the same for
the command line.
"""
