"""What became of all runs, counted once each: roll-ups by hour and day, and the figures that are read from them."""
