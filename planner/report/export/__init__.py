"""Results as tables for people who live in spreadsheets: a workbook, or a directory of CSV files."""
