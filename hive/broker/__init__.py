"""Routing and durable delivery between participants.

`router` is what others use. Below it: `exchange` ties the rules to the clock and the store, `rules`
decides, `mail` is the messages and their states, `inbox` one queue, `journal` what one commit
carries. `loose_ends` and `asking` are what participants leave open, `questions` the life of a
question. `addressing` finds recipients, `admission` refuses, `stale` explains refused acks.
"""
