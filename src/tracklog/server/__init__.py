"""What browsers and clients call: the HTTP API, live events and the portal's files, over any `Store`."""
