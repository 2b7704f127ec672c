"""Files that `export` copies into an AlgoPerf folder; not imported here."""
