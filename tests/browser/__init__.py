"""The dashboard in a real Chromium, driven as a person uses it."""
