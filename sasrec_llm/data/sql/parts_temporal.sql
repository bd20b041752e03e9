-- Rows of each part: those before, between and behind the two cuts.
WITH cuts AS (SELECT quantile_disc("timestamp", [0.8, 0.9]) AS cut FROM interactions)
SELECT
    unnest([0, 1, 2]) AS part,
    unnest([
        count(*) FILTER ("timestamp" < cut[1]),
        count(*) FILTER ("timestamp" >= cut[1] AND "timestamp" < cut[2]),
        count(*) FILTER ("timestamp" >= cut[2])
    ]) AS n
FROM interactions, cuts
