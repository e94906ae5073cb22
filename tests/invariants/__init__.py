"""Random commands by many people and workers, crashes anywhere, and a model that knows what must follow."""
