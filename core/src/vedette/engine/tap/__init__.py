"""What sits in the model's process: it takes calls in, captures them and ships batches."""
