-- The rows in order, in narrow types, and as they are written.
CREATE TABLE ordered AS
SELECT "user", item, rating, label, seconds, split, line
FROM placed
LIMIT 0;

CREATE VIEW interactions AS
SELECT "user", item, rating, label, seconds::BIGINT AS "timestamp", split, line::BIGINT AS line FROM ordered;
