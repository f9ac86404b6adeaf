"""Kill, stop and wipe everything while events come in, and count what became of them.

``python -m tests.chaos --help`` runs the long form.
"""
