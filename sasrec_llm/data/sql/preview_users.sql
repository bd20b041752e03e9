-- A few users with their latest rows, oldest first.
SELECT
    users.original,
    count(*) OVER (PARTITION BY interactions."user") AS n,
    coalesce(items.title, items.original) AS title,
    label,
    rating,
    "timestamp"
FROM interactions
JOIN users USING ("user")
JOIN items USING (item)
WHERE list_contains(getvariable('shown_users'), interactions."user")
QUALIFY row_number() OVER (PARTITION BY interactions."user" ORDER BY "timestamp" DESC, line DESC) <= getvariable('latest')
ORDER BY interactions."user", "timestamp", line
