-- A longest time that is that of one lease followed it so far, as does one that nobody has said from now on.
UPDATE "secrets" SET "lease" = "lease" - 'maxTtlSeconds' WHERE "lease" -> 'maxTtlSeconds' = "lease" -> 'ttlSeconds';
