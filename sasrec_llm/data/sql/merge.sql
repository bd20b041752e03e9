INSERT INTO rejected SELECT 'interactions', * FROM reasons;

-- The same user, item and second more than once: the last line counts, the others are merged into it. Few rows share a
-- short hash of the three; they are found by sorting the hashes, and a stranger among them does no harm.
CREATE MACRO hash_of(user_key, item_key, seconds) AS (hash(user_key, item_key, seconds) >> 32)::UINTEGER;
CREATE TABLE hashes AS
SELECT hash_of(user_key, item_key, seconds) AS hash FROM numbered WHERE NOT bad ORDER BY hash;

CREATE TABLE alike AS
SELECT line, user_key, item_key, seconds
FROM numbered
WHERE NOT bad AND hash_of(user_key, item_key, seconds) IN (
    SELECT hash FROM (SELECT hash, lag(hash) OVER () AS before FROM hashes) WHERE hash = before
);
CREATE TABLE twins AS
SELECT line FROM alike QUALIFY row_number() OVER (PARTITION BY user_key, item_key, seconds ORDER BY line DESC) > 1;

DROP TABLE hashes;
DROP TABLE alike;
SET VARIABLE merged = (SELECT count(*) FROM twins);
