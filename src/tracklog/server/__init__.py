"""What browsers and clients call: the native API, live events, the portal's files.

`serve.serve` runs a server over a store until it is told to stop; `app.create_app` is the ASGI application alone.
Importing this package loads no web framework.
"""
