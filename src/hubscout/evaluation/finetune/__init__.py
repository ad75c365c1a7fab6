"""Real fine-tuning of a shortlist: recipe, data, loop, result, history."""
