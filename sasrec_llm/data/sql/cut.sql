-- The rows that stay, with their ids, and of which file they are: users of like ids are in the same.
SELECT
    users."user",
    items.item,
    rating,
    label,
    seconds,
    split,
    line,
    users."user" * getvariable('files')::BIGINT // (1 + (SELECT max("user") FROM users)) AS file
FROM good
JOIN users USING (user_key)
JOIN items USING (item_key)
