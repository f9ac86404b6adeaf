"""The pytest kit for merchants: a sandbox, signed deliveries, event builders."""
