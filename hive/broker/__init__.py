"""Routing and durable delivery between participants.

`router` is what others use. Below it: `exchange` ties the rules to the clock and the store, `rules`
decides, `mail` is the messages and their states, `inbox` one queue, `journal` what one commit
carries. `addressing` finds recipients, `admission` refuses, `stale` explains refused acks.
"""
