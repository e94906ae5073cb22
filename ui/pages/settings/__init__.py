"""`/settings`: what a workspace is set to, in sections with addresses of their own. `sections.py` lists them."""
