"""Schedules: messages that participants get again and again.

`schedule_service` has the schedules, on disk, and sends what is due; `recurrence` decides when that
is (pure). `schedule_requests` asks the operator for a schedule, and makes it after the approval.
`schedules_actor` has the timer.
"""
