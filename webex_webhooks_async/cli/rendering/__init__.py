"""What people see, and what programs read: all that the commands print."""
