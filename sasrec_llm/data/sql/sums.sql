-- What is known of the prepared rows by user and by day.
CREATE TABLE sums AS
SELECT "user", count(*) AS n, sum(label)::BIGINT AS likes, min("timestamp") AS first, max("timestamp") AS last
FROM interactions
GROUP BY "user";

CREATE TABLE days AS SELECT "timestamp" // 86400 AS day, count(*) AS n FROM interactions GROUP BY day
