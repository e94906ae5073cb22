"""The REST interface: routers, what goes over the wire, problems, sign-in of programs, server-sent events.

Nothing here decides anything: routes translate between HTTP and services. `install_api` in `app.py` puts it all onto
the web's application.
"""
