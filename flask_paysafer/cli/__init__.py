"""The `flask paysafer` commands."""
