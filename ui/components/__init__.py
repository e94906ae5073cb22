"""Pieces of pages. They take plain view objects and callbacks; they ask no service and decide nothing."""
