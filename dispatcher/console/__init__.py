"""The operators' pages: server-rendered, without script, with nothing from another host."""
