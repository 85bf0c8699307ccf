"""Facts about programs and graphs; nothing here changes anything."""
