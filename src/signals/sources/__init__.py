"""One file per wire format or vendor: bytes or JSON in, `Event` out; what cannot be one is a `Problem`."""
