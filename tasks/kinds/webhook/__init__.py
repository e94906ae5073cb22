"""The parts of `webhook.deliver`: signing, sending, and what an answer means."""
