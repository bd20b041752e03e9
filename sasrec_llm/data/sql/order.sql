-- The order that everything else relies on: by user, then time, then line of the file. Some users at a time, so that a
-- sort fits into memory.
INSERT INTO ordered
SELECT users."user", items.item, rating, label, seconds, split, line
FROM good
JOIN users USING (user_key)
JOIN items USING (item_key)
WHERE users."user" BETWEEN getvariable('first_user') AND getvariable('last_user')
ORDER BY users."user", seconds, line
