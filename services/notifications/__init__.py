"""Telling people what happened: channels, which news go to which, and sending them through Apprise.

An attempt's end and its notice are one transaction. `gathering` turns notices into messages, each notice once;
`sending` sends one message of a channel at a time, from a process of its own that can be killed (`envoy`).
"""
