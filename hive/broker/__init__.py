"""Routing and durable delivery between participants.

`service` serves connections, `local_session` the daemon and embedders; `queries` reads without a
request. Below the service are the pure rules: `rules` answers requests, `delivery` leases messages,
`sending` admits them, `mail_admin` and `asking` decide about stored mail and about questions.
`messages` holds the messages and their states, `inboxes` one queue, `sessions` the leases.
Decisions gather in `effects` until the next commit. `admission`, `addressing`, `dedupe` and
`loop_guard` are parts of sending.
"""
