"""What only `dev` needs: what starts and restarts the program, and what runs in its process."""
