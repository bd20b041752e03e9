-- Every so many-th row in that order.
WITH within AS (  -- users who have one
    SELECT "user", start
    FROM (SELECT "user", n, sum(n) OVER (ORDER BY "user") - n AS start FROM users)
    WHERE start % getvariable('sorted') = 0 OR start // getvariable('sorted') < (start + n - 1) // getvariable('sorted')
)
SELECT "user", seconds, line
FROM (
    SELECT *, start + row_number() OVER (PARTITION BY "user" ORDER BY seconds, line) - 1 AS place
    FROM placed
    JOIN within USING ("user")
)
WHERE place % getvariable('sorted') = 0
ORDER BY place
