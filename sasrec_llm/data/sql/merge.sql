INSERT INTO rejected SELECT 'interactions', * FROM reasons;

-- The same user, item and second more than once: the last line counts, the others are merged into it. Such rows share a
-- moment of their user, and few rows do: found by a short hash that is sorted, so a stranger among them does no harm.
CREATE MACRO moment_of(user_key, seconds) AS (hash(user_key, seconds) >> 32)::UINTEGER;
CREATE TABLE moments AS
SELECT moment_of(user_key, seconds) AS moment FROM numbered WHERE NOT bad ORDER BY moment;

CREATE TABLE ties AS
SELECT line, user_key, item_key, seconds
FROM numbered
WHERE NOT bad AND moment_of(user_key, seconds) IN (
    SELECT moment FROM (SELECT moment, lag(moment) OVER () AS before FROM moments) WHERE moment = before
);
CREATE TABLE twins AS
SELECT line FROM ties QUALIFY row_number() OVER (PARTITION BY user_key, item_key, seconds ORDER BY line DESC) > 1;

DROP TABLE moments;
SET VARIABLE merged = (SELECT count(*) FROM twins);
