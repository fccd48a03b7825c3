"""Everything that the commands print, for people and for programs."""
