"""Approvals: nothing changes the shape of an agent without the operator's decision.

`approval_queue` has the approvals that wait, on disk, and carries out what was approved.
`decisions` has the states and the decisions (pure), `terms` who asks, why and by when,
`deadline_clock` the time that counts for that.
"""
