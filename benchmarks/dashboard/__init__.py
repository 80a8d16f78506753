"""What open pages of the dashboard cost the daemon."""
