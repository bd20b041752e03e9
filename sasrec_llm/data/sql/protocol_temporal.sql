-- Global time 8:1:1. A cut is a moment: rows of the same second are never on both sides of it.
WITH cuts AS (
    SELECT quantile_disc("timestamp", 0.8) AS first_valid, quantile_disc("timestamp", 0.9) AS first_test FROM interactions
)
SELECT
    *,
    CASE WHEN "timestamp" < first_valid THEN 0 WHEN "timestamp" < first_test THEN 1 ELSE 2 END AS part
FROM interactions, cuts
