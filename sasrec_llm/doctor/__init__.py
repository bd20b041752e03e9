"""Is this installation well? What a bug report needs, and for each problem what to do. Nothing heavy is imported until
it is looked at, so that what is wrong with it can be said too."""
