"""The pages, one module for each; a module's ``blueprint`` holds its addresses."""
