"""How long an emergency stop of many agents takes, and whether their mail arrives afterwards."""
