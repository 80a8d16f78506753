"""What the interactive view costs."""
