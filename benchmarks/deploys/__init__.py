"""Time from an approval to a healthy agent, and what another participant notices of it."""
