"""What only `dev` needs: the program it starts, what a target means, and which files change."""
