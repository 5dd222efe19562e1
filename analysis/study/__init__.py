"""What all studies share: a question, its run, its samples, resumable steps, the models that it leaves."""
