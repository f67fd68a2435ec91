"""The chrome-trace event reader behind every trace: windows, columns, repair, salvage."""
