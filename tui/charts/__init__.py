"""Pictures above a table, drawn with characters: each shows the rows of its view and marks the one at the cursor."""
