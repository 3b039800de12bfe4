"""How fast training is: steps measured in turns, against the limit, the roofline and other libraries."""
