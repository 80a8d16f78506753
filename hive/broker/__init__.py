"""Routing and durable delivery of messages between participants.

`service` serves requests and commits their effects; `local_session` is a session for the daemon and
for embedders; `queries` reads without a request. Below the service are the pure rules: `rules`
answers requests, `delivery` leases messages, `sending` admits them (with `admission` and
`loop_guard`), `mail_admin` and `discarding` decide about stored mail, `questions` about questions
and reminders. `messages` holds the messages and their states, `inboxes` the queues and their
addresses, `sessions` the connections and the fence of their leases, `dedupe_keys` the answers to
repeats, `turn_cap` the turns that run, `deadlines` what is due. What is decided gathers in
`effects` until the next commit, with the `notices` of the daemon. `values` has the values and ranks
that all of them share.
"""
