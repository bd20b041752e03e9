-- The same user, item and second more than once: the last line counts, the others are merged into it. Few rows share their
-- hash with another, and a stranger among them does no harm.
CREATE TABLE twins AS
SELECT line
FROM hashed
WHERE hash IN (FROM shared)
QUALIFY row_number() OVER (PARTITION BY user_key, item_key, seconds ORDER BY line DESC) > 1;

DROP TABLE shared;
