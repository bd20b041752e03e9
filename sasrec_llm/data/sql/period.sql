-- Rows outside the period that was asked for.
INSERT INTO rejected
SELECT
    'interactions',
    line,
    CASE WHEN seconds < getvariable('since') THEN 'before the period' ELSE 'after the period' END,
    concat_ws(' | ', user_key, item_key, rating, seconds)
FROM single
WHERE seconds < getvariable('since') OR seconds >= getvariable('until');

CREATE OR REPLACE VIEW good AS
FROM single
WHERE coalesce(seconds >= getvariable('since'), true) AND coalesce(seconds < getvariable('until'), true);
