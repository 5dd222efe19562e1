"""Study 3: variable sources as networks."""
