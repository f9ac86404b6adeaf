"""Every speed promise as a figure that anyone can repeat.

``python -m tests.benchmarks`` measures each path beside what a merchant would use
instead, in one run, turn by turn, so that a noisy machine disturbs both alike. It
exits 1 where a goal is missed. The test suite asserts nothing by the clock: it tests
this frame with fakes. What the ``bench`` extra or a server is missing for is skipped,
with the reason.

Rules of this folder: a path's module yields findings and prints nothing; both sides
of a comparison do the same work, the other side at least as durably where it can.
"""
