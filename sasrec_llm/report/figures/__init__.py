"""The figures of the page: one function for each, records to a drawing."""
