"""What `export` copies into a folder: not for use from here."""
