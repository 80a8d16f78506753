"""The archives of a release: what is in them, and whether an installation of them works.

`archives` builds and examines them, `installations` installs them into an environment of its own,
`agreement` examines what a release is made of. `python -m tests.release` is `make dist`, and with
`--release` it is `make release-check`.
"""
