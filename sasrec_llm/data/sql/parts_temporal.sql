-- Rows of each part: those before, between and behind the two cuts. A cut is the row at 8 or 9 tenths by time; the day
-- that it is in is known from the rows of each day, and only that day is sorted.
WITH totals AS (
    SELECT day, n, sum(n) OVER (ORDER BY day)::BIGINT AS until, sum(n) OVER ()::BIGINT AS total FROM days
),
tenths AS (
    SELECT tenth, day, until - n AS before, greatest(1, total - total * (10 - tenth) // 10) AS place
    FROM totals, (SELECT unnest([8, 9]) AS tenth)
    WHERE place > before AND place <= until
),
ranked AS (
    SELECT tenth, before + rank() OVER (PARTITION BY tenth ORDER BY "timestamp") - 1 AS behind,
        before + row_number() OVER (PARTITION BY tenth ORDER BY "timestamp") = place AS cut
    FROM interactions
    JOIN tenths ON "timestamp" // 86400 = day
),
cuts AS (SELECT max(behind) FILTER (tenth = 8) AS valid, max(behind) FILTER (tenth = 9) AS test FROM ranked WHERE cut)
SELECT unnest([0, 1, 2]) AS part, unnest([valid, test - valid, (SELECT any_value(total) FROM totals) - test]) AS n
FROM cuts
