"""From records to one comparison: tables, statistics, figures. A pure function of suite, records and cost tables."""
