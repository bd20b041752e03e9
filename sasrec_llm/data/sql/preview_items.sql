-- The items with the most rows.
SELECT items.original, title, category, count(*) AS n, sum(label) AS likes
FROM interactions
JOIN items USING (item)
GROUP BY ALL
ORDER BY n DESC, items.original
LIMIT getvariable('shown')
