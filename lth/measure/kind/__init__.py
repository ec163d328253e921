"""One room a kind of measurement: how it is taken, stored, read back and put into numbers.

A new kind is a job in `lth.plan.jobs`, a module here and its line in `lth.measure.kind.take.KINDS`; if a single
measurement of it is drawn, also a figure and its line in `lth.report.measurement`.
"""
