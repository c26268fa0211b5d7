"""What the stages share. Each module says in its first line what lives there."""
