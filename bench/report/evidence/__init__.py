"""What a report is made from: comparison, statistics, prices, computed once."""
