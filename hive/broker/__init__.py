"""Routing and durable delivery between participants.

`service` is what connections call, `local` how the daemon and embedders do, `queries` how one looks
without asking. Below the service: `rules` decides what may be asked and `delivery` who gets what,
`sending` what a message becomes, `care` and `asking` about mail that was sent and about questions;
`messages` is all messages and their states, `inboxes` one queue, `sessions` who holds what. What
was decided gathers in `effects` until the next commit. `admission`, `addressing`, `dedupe` and
`loop_guard` are parts of sending.
"""
