"""From a delivery to the handlers of its event."""
