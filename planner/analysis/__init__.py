"""Pure table -> table: risk and its bounds, recommendation, summaries. Draws nothing."""
