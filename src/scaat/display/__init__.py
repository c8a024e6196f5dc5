"""The looks of metrics, numbers, tables and pictures, for report, explain, studies and commands."""
