"""What went wrong, classified, and gathered into groups of the same mistake."""
