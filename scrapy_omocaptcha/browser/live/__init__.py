"""Give tokens to pages that a spider drives itself."""
