"""The pages: what they hold and what happens on them. Only pages call services and notify; components draw."""
