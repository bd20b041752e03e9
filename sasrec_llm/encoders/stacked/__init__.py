"""Everything cheap that is known of a user and an item, weighed by boosted trees: the highest floor."""
