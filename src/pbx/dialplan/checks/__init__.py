"""What `pbx check` proves, one topic a file."""
