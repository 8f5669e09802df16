"""Who may use the console, what each may do, and what remains written of it."""
