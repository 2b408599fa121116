"""What signals share."""
