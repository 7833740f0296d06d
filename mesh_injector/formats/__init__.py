"""The formats: each turns documents into rules, and none knows of another."""
