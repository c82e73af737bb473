"""Sources that `vedette new-plugin` starts from: one small, working component a kind."""
