-- The rows in order, narrow.
CREATE TABLE ordered AS SELECT COLUMNS(getvariable('ordered_columns')) FROM placed LIMIT 0
