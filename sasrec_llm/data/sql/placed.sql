-- The rows that stay, with their ids.
CREATE VIEW placed AS
SELECT users."user", items.item, rating, label, seconds, split, line
FROM good
JOIN users USING (user_key)
JOIN items USING (item_key)
