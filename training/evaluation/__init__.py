"""`cakra-evaluate`: how well the networks find and read the plates of labelled folders, and how far to believe them."""
