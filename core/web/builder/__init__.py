"""The builder of filters, in a form."""
