"""One page of records into the tables, in one transaction with a fixed number of statements.

``shape`` validates (pure), ``links`` and ``entities`` find out who is who, ``values`` decides whose value stands
(pure), ``apply`` does all of it in order. Nothing here knows a plugin, HTTP or a queue.
"""
