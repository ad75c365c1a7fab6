"""ranking/engines."""
