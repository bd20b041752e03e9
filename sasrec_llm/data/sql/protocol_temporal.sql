-- Global time 8:1:1. A cut is a moment: rows of the same second are never on both sides of it. With asks = 'first', only
-- each user's first like behind a cut is asked; those behind it are known to later questions (part 3).
WITH cuts AS (
    SELECT quantile_disc("timestamp", 0.8) AS first_valid, quantile_disc("timestamp", 0.9) AS first_test FROM interactions
),
parts AS (
    SELECT
        *,
        CASE WHEN "timestamp" < first_valid THEN 0 WHEN "timestamp" < first_test THEN 1 ELSE 2 END AS period
    FROM interactions, cuts
)
SELECT
    * EXCLUDE (first_valid, first_test, period),
    CASE
        WHEN getvariable('asks') = 'first' AND period > 0 AND row_number() OVER earliest > 1 THEN 3
        ELSE period
    END AS part
FROM parts
WINDOW earliest AS (PARTITION BY "user", label, period ORDER BY "timestamp", line)
